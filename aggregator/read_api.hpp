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

#include <memory>
#include <string>
#include <vector>

namespace luot {
class counter;
class metrics_registry;
}  // namespace luot

namespace luot::aggregator {

class read_api {
public:
    /// `redis` and `guard` must outlive it. At most `most_waiting` readers wait for their own hits.
    read_api(boost::asio::io_context& context, redis::client& redis, fall_back_guard& guard,
             std::size_t most_waiting, std::shared_ptr<const config> c, metrics_registry& metrics);
    ~read_api();

    /// GET and POST /api/v1/counts, GET /api/v1/summary, GET /count.txt.
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
    };
    static bool parse_body(std::string_view body, query& out);
    boost::asio::awaitable<http::response> counts(const http::request& r, query q);
    boost::asio::awaitable<http::response> summary(const http::request& r);
    boost::asio::awaitable<http::response> count_text(const http::request& r);

    redis::client& redis_;
    fall_back_guard& guard_;
    progress progress_;
    std::shared_ptr<const site_table> sites_;
    answers answers_;
    counter& behind_;
};

}  // namespace luot::aggregator
