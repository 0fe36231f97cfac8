#include "aggregator/page_sum.hpp"

#include <algorithm>
#include <utility>

namespace luot::aggregator {

void page_sum::begin(std::int64_t site_views, const std::vector<std::int64_t>& looked_up_views)
{
    views_ = site_views;
    for (auto& [page, views] : exact_)
        views.reset();
    for (std::size_t i = 0; i < std::min(looked_up_.size(), looked_up_views.size()); ++i)
        exact_[hash_(looked_up_[i])] = looked_up_views[i];
}

void page_sum::add(std::string_view path, std::int64_t views)
{
    const auto page = hash_(path);
    now_.add(page, views);
    if (has_before_ && before_.count_of(page) != views)
        look_up_next_time(page, path);
}

void page_sum::look_up_next_time(std::uint64_t page, std::string_view path)
{
    const bool has_room = looked_up_.size() < most_looked_up &&
                          looked_up_bytes_ + path.size() <= most_looked_up_bytes;
    if (!has_room || !exact_.emplace(page, std::nullopt).second)
        return;
    looked_up_.emplace_back(path);
    looked_up_bytes_ += path.size();
}

void page_sum::end(std::int64_t site_views)
{
    now_.sort();
    std::int64_t sum = 0, least = 0, most = 0;
    for (const auto& [page, views] : now_.rows()) {
        sum += views;
        if (!has_before_)
            continue;
        const auto known = exact_.find(page);
        const auto exact = known == exact_.end() ? std::nullopt : known->second;
        least += exact.value_or(before_.count_of(page));
        most += exact.value_or(views);
    }
    // The walk alone: between what the site had when it began and what it has now.
    bound(sum - site_views, sum - views_);
    if (has_before_)
        bound(least - views_, most - views_);
    before_ = std::exchange(now_, {});
    now_.reserve(before_.rows().size());
    has_before_ = true;
}

void page_sum::bound(std::int64_t low, std::int64_t high)
{
    low_ = std::max(low_, low);
    high_ = std::min(high_, high);
}

}  // namespace luot::aggregator
