// How far the aggregators have got, as readers see it: waiting for a hit's own token, and noticing
// a Redis that fell back.

#pragma once

#include "core/redis/client.hpp"
#include "core/token.hpp"

#include <boost/asio/awaitable.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace luot::aggregator {

/// Knows the highest number of applied hits that readers of this process have seen, per partition.
/// A total is never shown falling: behind that number reads are answered 503 until the spools have
/// caught up, for `patience` at most. Thread-safe; one per process.
class fall_back_guard {
public:
    static constexpr std::chrono::seconds patience{30};

    /// Whether counts read together with this number of applied hits may be shown.
    [[nodiscard]] bool may_show(unsigned partition, std::uint64_t applied, std::int64_t now_ms);

private:
    struct state {
        std::atomic<std::uint64_t> highest{0};
        std::atomic<std::int64_t> behind_since_ms{0};
    };
    std::array<state, 16> states_;
};

/// Readers of one worker thread that wait for their own hits: all share one question per turn.
class progress {
public:
    static constexpr std::chrono::milliseconds longest_wait{1000};
    static constexpr std::size_t most_waiting = 1000;

    /// `redis` must outlive it and belong to the same io_context.
    progress(boost::asio::io_context& context, redis::client& redis);
    ~progress();

    /// Waits until the token's hit is applied. False when it is not within longest_wait, when too
    /// many wait already, or when Redis is away.
    [[nodiscard]] boost::asio::awaitable<bool> reached(hit_token token);

private:
    class impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace luot::aggregator
