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
#include <vector>

namespace boost::asio {
class io_context;
}

namespace luot::redis {
class reads;
}

namespace luot::aggregator {

/// Knows the highest number of applied hits that readers of this process have seen, per partition.
/// A total is never shown falling: behind that number reads are answered 503 until the spools have
/// caught up, for `patience` at most. Thread-safe; one per process.
class fall_back_guard {
public:
    static constexpr std::chrono::seconds patience{30};

    /// What has been seen by now: take it before the question is sent.
    [[nodiscard]] std::uint64_t highest(unsigned partition) const noexcept
    {
        return states_[partition].highest;
    }

    /// Whether counts read together with this number of applied hits may be shown. `highest` is as
    /// it was before they were asked for: answers to questions asked at once may overtake each
    /// other.
    [[nodiscard]] bool may_show(unsigned partition, std::uint64_t applied, std::uint64_t highest,
                                std::int64_t now_ms);

private:
    struct state {
        std::atomic<std::uint64_t> highest{0};
        std::atomic<std::int64_t> behind_since_ms{0};
    };
    std::array<state, 16> states_;
};

/// Reads of keys in one partition at one moment, held to what was shown before. The replies are
/// those of `wanted`, in order, as an array: (*answer)[0]. Errors: redis_away (also while Redis is
/// behind what was shown), redis_error.
[[nodiscard]] boost::asio::awaitable<result<redis::replies>> read_guarded(redis::client& redis,
                                                                          fall_back_guard& guard,
                                                                          unsigned partition,
                                                                          redis::reads wanted);

/// Readers of one worker thread that wait for their own hits: all share one question per turn, of
/// bounded length.
class progress {
public:
    static constexpr std::chrono::milliseconds longest_wait{1000};

    /// `redis` must outlive it and belong to the same io_context. At most `most_waiting` readers
    /// wait; the next are answered at once.
    progress(boost::asio::io_context& context, redis::client& redis, std::size_t most_waiting);
    ~progress();

    /// Waits until the hits of all tokens are applied. False when they are not within longest_wait,
    /// when too many wait already, or when Redis is away.
    [[nodiscard]] boost::asio::awaitable<bool> reached(std::vector<hit_token> tokens);

private:
    class impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace luot::aggregator
