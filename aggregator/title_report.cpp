#include "aggregator/title_report.hpp"

#include "aggregator/page_facts.hpp"

#include <string>
#include <utility>
#include <vector>

namespace luot::aggregator {

namespace asio = boost::asio;

asio::awaitable<result<top_rows>> read_titles(redis::client& redis, fall_back_guard& guard,
                                              const site_table::site& site, date_range range,
                                              std::size_t limit)
{
    auto pages = co_await read_top(redis, guard, site, breakdown::path, range, SIZE_MAX);
    if (!pages)
        co_return pages.error();
    std::vector<std::string> paths;
    for (auto& row : pages->rows)
        paths.push_back(std::move(row.key));
    const auto facts = co_await read_facts(redis, site, paths);
    if (!facts)
        co_return facts.error();
    row_sum sum;
    for (std::size_t i = 0; i < paths.size(); ++i) {
        // A title that says `(other)` must not end among the others.
        const std::string_view title = (*facts)[i].title;
        const bool is_name = !title.empty() && title != other_member;
        sum.add(is_name ? title : no_member, pages->rows[i].views);
    }
    if (pages->other > 0)
        sum.add(other_member, pages->other);
    auto top = sum.top(limit);
    top.hidden = pages->hidden;
    co_return top;
}

}  // namespace luot::aggregator
