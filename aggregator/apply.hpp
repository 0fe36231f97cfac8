// Additions as one call of apply.lua.

#pragma once

#include "aggregator/fold/fold.hpp"
#include "core/redis/pipeline.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace luot::aggregator {

/// Pages of a day whose visitors are told apart, where a site wants it: the first so many. 12 kB
/// each at most, for three days.
inline constexpr std::int64_t most_visited_paths = 1000;

/// What is done in the same step as the additions.
struct apply_options {
    std::string tip;  ///< the last applied entry that the additions rest on; empty: not compared
    std::string lease_owner;  ///< empty: no lease
    std::int64_t lease_ms = 0;
    /// Rows of breakdowns are written at once, which must be only while none wait to be settled
    /// (settle.hpp); else they wait.
    bool settles_rows = true;
    std::uint32_t keep_days = 400;  ///< for which a day's breakdowns are kept
};

[[nodiscard]] const redis::script& apply_script();
[[nodiscard]] const redis::script& reject_script();
[[nodiscard]] const redis::script& tidy_script();

/// The call that applies the first `count` entries of a batch.
[[nodiscard]] redis::command apply_command(unsigned partition, const std::vector<entry>& batch,
                                           std::size_t count, const additions& a,
                                           const apply_options& options);

/// The call that sets the first entry aside.
[[nodiscard]] redis::command reject_command(unsigned partition, const entry& e,
                                            std::string_view reason);

/// A line of an access log has the time at which its request came, and is written when it is
/// answered: lines before it may be so much later, and have moved the watermark on.
inline constexpr std::int64_t late_line_ms = 10LL * 60 * 1000;

/// What a partition forgets, and when.
struct tidy_options {
    std::int64_t dedupe_window_ms = 0;
    std::vector<std::int64_t> early_sets;  ///< id sets that go whatever the watermark
    std::vector<std::int64_t> sets;        ///< the others
    std::vector<std::string> sites;        ///< of this partition
};

/// The call that forgets what the partition's watermark has passed.
[[nodiscard]] redis::command tidy_command(unsigned partition, const tidy_options& options);

/// The stream id next to `id`.
[[nodiscard]] std::string next_id(std::string_view id);

}  // namespace luot::aggregator
