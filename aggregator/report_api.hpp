// Reports as JSON over HTTP: what is read most, from where and with what, and how it went over
// time. Stateless; one per worker thread.

#pragma once

#include "aggregator/answers.hpp"
#include "aggregator/fold/fold.hpp"
#include "core/config.hpp"
#include "core/http/router.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/json/fwd.hpp>

#include <memory>
#include <string_view>

namespace luot::aggregator {

class fall_back_guard;
struct report_query;

class report_api {
public:
    /// `redis` and `guard` must outlive it.
    report_api(redis::client& redis, fall_back_guard& guard, std::shared_ptr<const config> c,
               metrics_registry& metrics);

    /// GET /api/v1/top, /api/v1/series.
    void add_routes(http::router& routes);

    /// Works by another configuration from now on.
    void use(std::shared_ptr<const config> c)
    {
        sites_ = std::make_shared<site_table>(std::move(c));
    }

private:
    boost::asio::awaitable<http::response> top(const http::request& r);
    boost::asio::awaitable<http::response> series(const http::request& r);
    boost::asio::awaitable<http::response> one_row(const http::request& r, const report_query& q,
                                                   std::string_view by);
    [[nodiscard]] http::response answer(const http::request& r,
                                        const boost::json::object& out) const;

    redis::client& redis_;
    fall_back_guard& guard_;
    std::shared_ptr<const site_table> sites_;
    answers answers_;
};

}  // namespace luot::aggregator
