// The spool's writing end: one log for one worker thread. What enters is acknowledged only after
// commit() has succeeded. Byte format: FORMAT.md. The reading end: reader.hpp.

#pragma once

#include "collector/spool/segment.hpp"
#include "core/config.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace luot {
class histogram;
}

namespace luot::spool {

/// One file of a log, as far as it may be read.
struct segment {
    segment_header header;
    std::string name;         ///< with its directory
    std::uint64_t bytes = 0;  ///< committed, header included
};

/// What a log's writer and the shipper share. Thread-safe.
class live_log {
public:
    explicit live_log(std::uint64_t producer) : producer_(producer) {}

    struct state {
        std::vector<segment> segments;
        per_partition ends{};  ///< offset of the last committed hit
    };

    [[nodiscard]] std::uint64_t producer() const noexcept { return producer_; }
    [[nodiscard]] state snapshot() const;
    /// The shipper removed the segments before this number.
    void forget_before(std::uint64_t number);

private:
    friend class writer;
    const std::uint64_t producer_;
    mutable std::mutex mutex_;
    state state_;
};

/// Disk space of all logs of a spool together. Thread-safe.
struct disk_budget {
    std::uint64_t max_bytes = 0;
    std::atomic<std::uint64_t> used_bytes{0};
    /// Set by a writer that had no room; the shipper then removes what Redis has.
    std::atomic<bool> short_of_space{false};
};

struct writer_options {
    std::string directory;
    std::uint64_t segment_bytes = 64ULL << 20;  ///< size at which a new segment is begun
    std::int64_t segment_ms = 3'600'000;        ///< age at which one that holds hits is ended
    spool_sync sync = spool_sync::os;
    std::int64_t try_again_ms = 5000;  ///< after a commit that failed, see is_healthy()
    /// How long each turn's write and each sync takes, failed ones too; null: nobody asks. Of the
    /// thread that commits.
    histogram* write_times = nullptr;
    histogram* sync_times = nullptr;
};

/// Appends hits to a new log of its own. Not thread-safe: one thread.
class writer {
public:
    /// Begins the log `producer` with its first segment, or where the disk has no room for it, with
    /// none until a commit() finds some. Throws boost::system::system_error.
    writer(std::uint64_t producer, writer_options options, disk_budget& budget);

    /// Takes a hit into the turn in hand and answers its offset within the partition. It is on disk
    /// only after commit().
    std::uint64_t append(unsigned partition, std::string_view payload);

    /// Writes the turn in hand, and syncs it with sync = disk.
    /// Errors: spool_full, short_write, or the system's: then nothing of the turn is kept, its
    /// offsets are given again, and the next turn may succeed.
    [[nodiscard]] error_code commit();

    /// Whether hits can be taken (for readiness): there is room, and the last commit has succeeded.
    /// Behind one that failed a trial is written each try_again_ms, as a balancer sends no hits to
    /// who is not ready.
    [[nodiscard]] bool is_healthy();

    [[nodiscard]] std::uint64_t producer() const noexcept { return log_->producer(); }
    [[nodiscard]] const std::shared_ptr<live_log>& log() const noexcept { return log_; }

private:
    [[nodiscard]] error_code try_to_write() const;
    [[nodiscard]] error_code write_turn();
    [[nodiscard]] error_code begin_segment();
    [[nodiscard]] error_code sync(file& of);
    void take_back();

    writer_options options_;
    disk_budget& budget_;
    std::shared_ptr<live_log> log_;
    file file_;
    std::uint64_t file_bytes_ = 0;
    std::uint64_t number_ = 0;
    std::int64_t begun_ms_ = 0;
    bool needs_segment_ = false;
    std::int64_t failed_ms_ = 0;  ///< steady time of the last commit or trial if it failed, else 0
    per_partition offsets_{}, chains_{};                      // behind the turn in hand
    per_partition committed_offsets_{}, committed_chains_{};  // before it
    std::string turn_;
};

}  // namespace luot::spool
