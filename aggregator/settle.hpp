// Rows of breakdowns that apply.lua has put off (luot:{pNN}:tallies), as calls of settle.lua: those
// of many batches are put together, and written in parts that do not hold Redis up for long.

#pragma once

#include "aggregator/tallies.hpp"
#include "core/hit.hpp"
#include "core/log.hpp"
#include "core/redis/client.hpp"
#include "core/redis/pipeline.hpp"

#include <boost/asio/awaitable.hpp>

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace luot {
class counter;
class metrics_registry;
}  // namespace luot

namespace luot::aggregator {

/// Rows that one call writes, of days; their months' come to as many again.
inline constexpr std::size_t most_rows_settled = 1000;

[[nodiscard]] const redis::script& settle_script();

/// The call that puts these in the place of the first `count` tallies of a partition, to which they
/// must come up. `first` and `last` are the nonces of the first and the last of those.
[[nodiscard]] redis::command merge_command(unsigned partition, std::size_t count,
                                           std::string_view first, std::string_view last,
                                           const std::vector<std::string>& merged);

/// The call that writes the rows of the first tallies, with that nonce, of one site.
[[nodiscard]] redis::command settle_command(unsigned partition, std::string_view nonce,
                                            const std::string& site, const date_tallies& of_site,
                                            std::uint32_t keep_days);

/// Settles the rows that wait, of the partitions that a worker works on. Belongs to that worker.
/// What it remembers is a hint: Redis alone knows what waits.
class row_settler {
public:
    /// Rows wait for as long while batches go on to bring more of them, so that those of many
    /// batches go together; and for as long without. Not while a report waits for them.
    static constexpr std::int64_t longest_busy_ms = 10'000, longest_ms = 1000;

    row_settler(redis::client& redis, metrics_registry& metrics);

    /// Rows wait in the partition, or may: more than before. `are_wanted`: a report waits for them.
    void rows_wait(unsigned partition, bool are_wanted = false);

    /// Writes what has waited for long enough.
    [[nodiscard]] boost::asio::awaitable<void> settle_due(std::bitset<partitions> ours,
                                                          std::uint32_t keep_days);

private:
    struct partition_state {
        std::int64_t since_ms = 0;  ///< rows wait since then; 0: none do
        std::int64_t last_ms = 0;   ///< the last of them
        bool are_wanted = false;
        int failures = 0;  ///< of what waits first
    };

    [[nodiscard]] boost::asio::awaitable<void> settle(unsigned partition, std::uint32_t keep_days);
    [[nodiscard]] boost::asio::awaitable<void> drop_first(unsigned partition,
                                                          std::string_view nonce,
                                                          std::string_view why);
    void refused(std::string_view command, unsigned partition, std::string_view answer);

    redis::client& redis_;
    std::array<partition_state, partitions> states_;
    counter& dropped_;
    log::limiter error_limit_{10};
};

}  // namespace luot::aggregator
