// The read API: the counts as JSON and text over HTTP. Stateless; one per worker thread.

#pragma once

#include "aggregator/answers.hpp"
#include "aggregator/counts.hpp"
#include "aggregator/fold/fold.hpp"
#include "aggregator/progress.hpp"
#include "core/config.hpp"
#include "core/http/router.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace luot {
class counter;
class metrics_registry;
}  // namespace luot

namespace luot::aggregator {

class list_api;

class read_api {
public:
    /// `redis`, `guard` and `lists` must outlive it. At most `most_waiting` readers wait for their
    /// own hits.
    read_api(boost::asio::io_context& context, redis::client& redis, fall_back_guard& guard,
             list_api& lists, std::size_t most_waiting, std::shared_ptr<const config> c,
             metrics_registry& metrics);
    ~read_api();

    /// GET and POST /api/v1/counts, GET /api/v1/summary, /count.txt, /badge.svg, /count.svg.
    void add_routes(http::router& routes);

    /// Works by another configuration from now on.
    void use(std::shared_ptr<const config> c)
    {
        sites_ = std::make_shared<site_table>(std::move(c));
    }

private:
    struct query {
        std::string site;
        std::vector<std::string> paths;  ///< as asked
        std::vector<std::string> after;  ///< tokens
        bool with_summary = false;
        std::optional<std::string> most_read;  ///< how many pages to list, as asked
        std::string narrowing;  ///< a parameter by which these numbers cannot be narrowed
    };
    static bool parse_body(std::string_view body, query& out);

    /// One number, of a page or the whole site, as the routes of `badge` show it.
    struct one_count {
        std::optional<http::response> refused;  ///< what is wrong with the request
        bool is_away = false;                   ///< it cannot be read now
        std::optional<std::int64_t> views;      ///< nullopt: the page is not counted apart
    };
    using parameters = std::map<std::string, std::string, std::less<>>;  ///< the last of each name
    using drawing = std::string(std::string_view label, std::string_view number);
    boost::asio::awaitable<http::response> counts(const http::request& r, query q);
    boost::asio::awaitable<http::response> summary(const http::request& r);
    boost::asio::awaitable<one_count> read_one(const http::request& r, const parameters& given);
    boost::asio::awaitable<http::response> count_text(const http::request& r);
    boost::asio::awaitable<http::response> count_picture(const http::request& r, drawing* draw);

    redis::client& redis_;
    fall_back_guard& guard_;
    list_api& lists_;
    progress progress_;
    std::shared_ptr<const site_table> sites_;
    answers answers_;
    counter& behind_;
};

}  // namespace luot::aggregator
