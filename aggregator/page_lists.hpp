// Lists of pages that a site may show to everybody: the most read ones, and those related to a
// page.

#pragma once

#include "aggregator/answers.hpp"
#include "aggregator/page_facts.hpp"
#include "aggregator/reports.hpp"
#include "core/config.hpp"
#include "core/http/router.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/json/fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace luot::aggregator {

class fall_back_guard;

struct listed_page {
    std::string path;
    page_facts facts;
    std::int64_t views = 0;
};
using page_list = std::vector<listed_page>;

/// The first `limit` pages as they are answered.
[[nodiscard]] boost::json::array rows_of(const page_list& list, std::size_t limit);

/// Pages that may be asked for at most.
inline constexpr std::uint64_t most_listed = 100;

/// Routes /api/v1/most_read and /api/v1/related. Belongs to one worker thread. A list is read anew
/// after ten seconds: whoever asks for it, however often, costs Redis no more.
class list_api {
public:
    /// Pages of a list.
    static constexpr std::size_t most_pages = 500;
    /// Pages of a day that may come into a list, and those that are looked at for one: of some too
    /// few have read.
    static constexpr std::size_t most_of_day = 1000, most_candidates = 2000;
    /// Days that a list is of.
    static constexpr std::int64_t most_days = 92;

    /// `redis` and `guard` must outlive it.
    list_api(redis::client& redis, fall_back_guard& guard, std::shared_ptr<const config> c,
             metrics_registry& metrics);

    void add_routes(http::router& routes);

    /// What /api/v1/most_read lists without dates: the last 30 days, at most ten seconds old.
    [[nodiscard]] boost::asio::awaitable<result<std::shared_ptr<const page_list>>> most_read_of(
        const site_table::site& site);

    /// Works by another configuration from now on.
    void use(std::shared_ptr<const config> c);

private:
    struct kept {
        std::shared_ptr<const page_list> list;
        std::int64_t read_ms = 0;
    };

    [[nodiscard]] boost::asio::awaitable<result<std::shared_ptr<const page_list>>> list_of(
        const site_table::site& site, date_range range);
    boost::asio::awaitable<http::response> most_read(const http::request& r);
    boost::asio::awaitable<http::response> related(const http::request& r);

    redis::client& redis_;
    fall_back_guard& guard_;
    std::shared_ptr<const site_table> sites_;
    answers answers_;
    std::map<std::tuple<std::string, std::int32_t, std::int32_t>, kept>
        kept_;  ///< by site and days
};

}  // namespace luot::aggregator
