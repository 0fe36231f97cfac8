// Readers that wait for hits, by the log whose progress they wait for. No I/O: `progress` asks
// Redis.

#pragma once

#include "core/token.hpp"

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace luot::aggregator {

/// The hits of a producer in a partition: what `applied` is told of.
struct hit_log {
    unsigned partition = 0;
    std::uint64_t producer = 0;

    auto operator<=>(const hit_log&) const = default;
};

/// Tokens are whatever clients say, and anybody may ask for them: what a reader costs does not
/// depend on what others wait for. A reader waits for one of its tokens at a time, so that no more
/// logs are asked for than readers wait.
class waiting {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Logs asked for in one turn; the next ones are in the next.
    static constexpr std::size_t most_asked = 256;
    /// A log that Redis does not know is asked for again after a pause that doubles each time: it
    /// may have shipped its first hits in between.
    static constexpr std::chrono::milliseconds first_pause{5};
    static constexpr std::chrono::milliseconds longest_pause{160};

    /// Lives until it has reached its tokens or is removed, whichever comes first.
    class reader {
    public:
        explicit reader(const std::vector<hit_token>& tokens);

        [[nodiscard]] bool has_reached() const noexcept { return tokens_.empty(); }

    private:
        friend class waiting;
        std::vector<hit_token> tokens_;  ///< not reached yet, one per log; the last is waited for
        std::multimap<std::uint64_t, reader*>::iterator place_;  ///< among those of its log
    };

    void add(reader& r, time_point now);

    /// One that was added; it may have reached its tokens.
    void remove(reader& r);

    /// Readers that wait.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// Logs to ask Redis for now: who has been due for longest comes first.
    [[nodiscard]] std::vector<hit_log> due(time_point now) const;

    /// Takes what Redis said; nullopt: it does not know this log. Answers the readers that have
    /// reached all their tokens by that: they wait no more.
    [[nodiscard]] std::vector<reader*> answer(const hit_log& log,
                                              std::optional<std::uint64_t> applied, time_point now);

private:
    using turns = std::multimap<time_point, hit_log>;
    struct asked {
        std::multimap<std::uint64_t, reader*> readers;  ///< by the offset that each waits for
        turns::iterator turn;
        std::chrono::milliseconds pause = first_pause;
    };
    using logs = std::map<hit_log, asked>;
    void set_due(asked& a, time_point when);
    void enter(reader& r, time_point now);
    void forget_if_unwanted(logs::iterator at);

    logs logs_;
    turns turns_;  ///< of all logs, by when they are due; of the same time, first come first served
    std::size_t size_ = 0;
};

}  // namespace luot::aggregator
