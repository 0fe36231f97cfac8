// What happens on a site right now, as server-sent events: readers online, views of the last
// minute, newest pages. docs/reports.md tells what is sent.

#pragma once

#include "aggregator/answers.hpp"
#include "aggregator/fold/fold.hpp"
#include "core/config.hpp"
#include "core/http/router.hpp"
#include "core/redis/client.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace luot::aggregator {

class fall_back_guard;

/// How many views came within the last minute, from what the total was now and then. A total that
/// was not asked for over some time leaves no knowledge of the minute: the window begins again.
class minute_window {
public:
    static constexpr std::int64_t length_ms = 60'000, longest_ms = 65'000;

    /// `now_ms` of a steady clock; `views` never less than before.
    void add(std::int64_t now_ms, std::int64_t views);

    /// Views within the window.
    [[nodiscard]] std::int64_t views() const noexcept;
    /// How long the window is by now: up to about a minute.
    [[nodiscard]] std::int64_t seconds() const noexcept;

private:
    struct sample {
        std::int64_t at_ms, views;
    };
    std::deque<sample> samples_;
};

/// Places for listeners, of the whole process. Any thread.
class live_places {
public:
    static constexpr std::size_t most = 200;

    [[nodiscard]] bool try_take() noexcept;
    void give_back(std::size_t count = 1) noexcept { taken_ -= count; }
    [[nodiscard]] std::size_t taken() const noexcept { return taken_; }

private:
    std::atomic<std::size_t> taken_{0};
};

struct live_options {
    std::chrono::milliseconds period{1000};       ///< Redis is asked once in it, per site
    std::chrono::milliseconds heartbeat{15'000};  ///< longest silence: proxies close after more
};

/// One per worker thread: Redis is asked once a second for each site that has listeners there,
/// however many they are.
class live_api {
public:
    /// `redis`, `guard` and `places` must outlive it.
    live_api(boost::asio::io_context& context, redis::client& redis, fall_back_guard& guard,
             live_places& places, std::shared_ptr<const config> c, metrics_registry& metrics,
             live_options options = {});
    ~live_api();
    live_api(const live_api&) = delete;
    live_api& operator=(const live_api&) = delete;

    /// GET /api/v1/live.
    void add_routes(http::router& routes);

    /// Works by another configuration from now on. All listeners are sent away: they come back by
    /// themselves, if they still may.
    void use(std::shared_ptr<const config> c);

private:
    class impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace luot::aggregator
