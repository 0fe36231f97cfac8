// From the spool to the archive: what a segment holds is put there before the segment is removed
// (docs/archive.md).

#pragma once

#include "archive/writer.hpp"
#include "collector/spool/writer.hpp"
#include "core/log.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <utility>

namespace luot {
class counter;
class metrics_registry;
}  // namespace luot

namespace luot::collector {

struct archiver_options {
    std::string directory;  ///< empty: there is no archive
    std::uint32_t keep_days = 90;
};

/// Belongs to the shipper's thread.
class archiver {
public:
    archiver(archiver_options options, metrics_registry& metrics);

    [[nodiscard]] bool is_on() const noexcept { return !options_.directory.empty(); }

    /// Puts the hits of a segment into the archive; `ends`: the offsets of the last hits up to its
    /// end. Blocks while it reads, compresses and syncs: tenths of a second for a large segment.
    /// False when they are not there: it has been logged and counted, and is tried again from ten
    /// seconds later on, or at once with `is_urgent`.
    [[nodiscard]] bool take(const spool::segment& s, const spool::per_partition& ends,
                            bool is_urgent);

    /// The segment has gone from the disk.
    void forget(const spool::segment& s);

    /// Its hits go although the archive does not have them: the spool has no room.
    void give_up(const spool::segment& s, const spool::per_partition& ends);

    /// Bytes of segments that were taken so far, for who wants to do a bounded amount at once.
    [[nodiscard]] std::uint64_t taken_bytes() const noexcept { return taken_bytes_; }

    /// Removes files that are older than keep_days, once an hour however often it is called. Where
    /// the newest file is of days ago the clock may be ahead, as of a machine that has just been
    /// started: then not before it has said so for an hour.
    void remove_old(std::int64_t unix_ms);

private:
    [[nodiscard]] error_code pack(const spool::segment& s, const spool::per_partition& ends,
                                  std::map<std::int32_t, std::string>& frames,
                                  std::uint64_t& hits) const;
    void failed(std::string_view why);

    const archiver_options options_;
    archive::writer writer_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> taken_;  ///< producer and segment
    std::uint64_t taken_bytes_ = 0;
    std::int64_t retry_ms_ = 0, removed_ms_ = 0;  ///< steady time; 0: at once
    bool has_doubted_ = false;                    ///< the clock, when files were to be removed last
    log::limiter limit_{10};
    counter &hits_, &bytes_, &failures_, &dropped_;
};

}  // namespace luot::collector
