#include "aggregator/page_sum.hpp"

#include <algorithm>
#include <utility>

namespace luot::aggregator {

void page_sum::begin(std::int64_t site_views, const std::vector<std::int64_t>& looked_up_views)
{
    views_ = site_views;
    exact_.clear();
    for (std::size_t i = 0; i < std::min(looked_up_.size(), looked_up_views.size()); ++i)
        exact_.emplace(looked_up_[i], looked_up_views[i]);
}

void page_sum::add(const std::string& page, std::int64_t views)
{
    now_[page] = views;
}

void page_sum::end(std::int64_t site_views)
{
    std::int64_t sum = 0, least = 0, most = 0;
    for (const auto& [page, views] : now_) {
        sum += views;
        if (!has_before_)
            continue;
        if (const auto known = exact_.find(page); known != exact_.end()) {
            least += known->second;
            most += known->second;
            continue;
        }
        const auto earlier = before_.find(page);
        const auto then = earlier == before_.end() ? 0 : earlier->second;
        least += then;
        most += views;
        if (then != views && looked_up_.size() < most_looked_up)
            looked_up_.push_back(page);
    }
    // The walk alone: between what the site had when it began and what it has now.
    bound(sum - site_views, sum - views_);
    if (has_before_)
        bound(least - views_, most - views_);
    before_ = std::exchange(now_, {});
    has_before_ = true;
}

void page_sum::bound(std::int64_t low, std::int64_t high)
{
    low_ = std::max(low_, low);
    high_ = std::min(high_, high);
}

}  // namespace luot::aggregator
