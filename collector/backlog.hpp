// How old and how large is what Redis has not confirmed of a log: for metrics, nothing rests on it.

#pragma once

#include "collector/spool/segment.hpp"
#include "collector/spool/writer.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace luot::collector {

/// Since when hits of a log that is being written have waited, from what was committed and
/// confirmed now and then: in little memory, however long Redis is away. Not thread-safe.
class waiting_since {
public:
    static constexpr std::size_t most_marks = 64;

    /// `now_ms` of a steady clock. To be called often: hits count as committed when it is told of
    /// them.
    void note(std::int64_t now_ms, const spool::per_partition& committed,
              const spool::per_partition& confirmed);

    /// Of the oldest hit that is not confirmed, as of the last note(); of a long row somewhat
    /// earlier. nullopt: there is none, or it was confirmed once, before Redis fell back.
    [[nodiscard]] std::optional<std::int64_t> since_ms() const;

private:
    struct mark {
        std::int64_t at_ms = 0;
        spool::per_partition upto{};
    };
    std::int64_t step_ms_ = 0;      ///< between two marks at least: longer in a long outage
    std::deque<mark> marks_;        ///< those that are not confirmed, oldest first
    spool::per_partition done_{};   ///< up to the last one that was
    bool has_fallen_back_ = false;  ///< what is not confirmed begins before the marks
};

struct unconfirmed {
    std::uint64_t bytes = 0;    ///< estimated: of a segment as much as its share of the hits
    std::int64_t begun_ms = 0;  ///< Unix time of the first segment with such hits; 0: there is none
};

/// `ends`: offsets of the last hits known.
[[nodiscard]] unconfirmed unconfirmed_of(const std::vector<spool::segment>& segments,
                                         const spool::per_partition& ends,
                                         const spool::per_partition& confirmed);

}  // namespace luot::collector
