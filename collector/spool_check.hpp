// A spool beside what Redis says of its logs: read only, beside the collector that writes it.
// docs/verify.md has the rules.

#pragma once

#include "collector/spool/segment.hpp"
#include "core/error.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace luot::collector {

/// What Redis says of one log; 0 and "" in partitions in which it does not know it.
struct log_in_redis {
    spool::per_partition shipped{};
    std::array<std::string, partitions> chains;
};

/// One log as it lies on the disk, read from what Redis has of it to its end. Offsets count the
/// hits that are missing, too.
struct log_on_disk {
    std::uint64_t producer = 0;
    std::int64_t begun_ms = 0;         ///< Unix time at which its last segment was begun
    spool::per_partition spooled{};    ///< offset of its last hit
    spool::per_partition unshipped{};  ///< hits behind `shipped` that it holds
    spool::per_partition missing{};    ///< hits behind `shipped` that it does not hold
    /// Chained checksum at `shipped`, where it can still be worked out.
    std::array<std::optional<std::uint64_t>, partitions> chains;
};

struct spool_on_disk {
    std::vector<log_on_disk> logs;
    std::vector<std::string> unread;  ///< logs that could not be read and why, one line each
};

/// Reads the spool in a directory. Errors: the system's, when the directory cannot be read.
[[nodiscard]] result<spool_on_disk> read_spool(const std::string& directory,
                                               const std::map<std::uint64_t, log_in_redis>& redis);

/// Where a log on the disk and Redis do not agree.
struct spool_difference {
    std::string rule;
    std::uint64_t producer = 0;
    unsigned partition = 0;
    std::string field;  ///< of the producer, in Redis
    std::string found, expected;
};

/// `redis` must have been read before the disk was. `boot_ms`: Unix time at which the machine was
/// started; what logs of before may have lost with the machine (sync = "os") is no difference.
[[nodiscard]] std::vector<spool_difference> compare(const log_on_disk& log,
                                                    const log_in_redis& redis,
                                                    std::int64_t boot_ms);

}  // namespace luot::collector
