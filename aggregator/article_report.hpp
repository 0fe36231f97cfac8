// What was read in a period, article by article, as a table for people: /api/v1/report.csv.

#pragma once

#include "aggregator/answers.hpp"
#include "aggregator/fold/fold.hpp"
#include "aggregator/page_facts.hpp"
#include "aggregator/reports.hpp"
#include "core/config.hpp"
#include "core/http/router.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace luot::aggregator {

class fall_back_guard;

struct article_row {
    std::string path;
    page_facts facts;
    std::int64_t views = 0;
    std::optional<std::int64_t> visits;        ///< nullopt: not kept
    std::optional<std::int64_t> previous;      ///< views of the period before; nullopt: not known
    std::optional<std::int64_t> visitor_days;  ///< nullopt: not told apart
};

struct article_report {
    std::vector<article_row> rows;  ///< most read first
    std::int64_t other = 0;         ///< views that are in none of them
    std::int64_t total = 0;         ///< rows and other
    /// Views of the period before; nullopt: not known, rows of its days are forgotten.
    std::optional<std::int64_t> previous_total;
    bool has_visitors = false;  ///< the site tells them apart by page: a column more
};

/// Pages of one report at most; the rest is `other`.
inline constexpr std::size_t most_articles = 10'000;

/// The report as CSV, UTF-8 with a byte order mark: a row a page, `(other)`, and the sum.
[[nodiscard]] std::string csv_of(const article_report& report);

/// The pages of a range of days, with those of as many days before. With `section` only the pages
/// that are in it; `(none)`: in no section. `kept`: the first day whose rows are surely kept
/// (kept_from()): what the site had on days before it is `other`. Errors as of read_top().
[[nodiscard]] boost::asio::awaitable<result<article_report>> read_articles(
    redis::client& redis, fall_back_guard& guard, const site_table::site& site, date_range range,
    std::int32_t kept, const std::optional<std::string>& section);

class article_api {
public:
    /// `redis` and `guard` must outlive it.
    article_api(redis::client& redis, fall_back_guard& guard, std::shared_ptr<const config> c,
                metrics_registry& metrics);

    /// GET /api/v1/report.csv.
    void add_routes(http::router& routes);

    /// Works by another configuration from now on.
    void use(std::shared_ptr<const config> c)
    {
        sites_ = std::make_shared<site_table>(std::move(c));
    }

private:
    boost::asio::awaitable<http::response> report(const http::request& r);

    redis::client& redis_;
    fall_back_guard& guard_;
    std::shared_ptr<const site_table> sites_;
    answers answers_;
};

}  // namespace luot::aggregator
