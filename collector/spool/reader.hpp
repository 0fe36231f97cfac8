// The spool's reading end: walks one log, checks every record, and cuts it into entries for the
// stream. What the shipper needs to know of a log's past (offsets, chained checksums, gaps) is
// found here. Byte format: FORMAT.md. Not thread-safe.

#pragma once

#include "collector/spool/segment.hpp"
#include "collector/spool/writer.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace luot::spool {

/// Hits of one partition that are shipped together; (prev, last] minus what was damaged.
struct entry {
    unsigned partition = 0;
    std::uint64_t prev = 0;
    std::uint64_t last = 0;
    std::uint64_t count = 0;
    std::optional<std::uint64_t> prev_chain, chain;  ///< unknown behind damage
    std::string hits;                                ///< each payload behind its size as a varint

    /// Hits of (prev, last] that the log no longer has.
    [[nodiscard]] std::uint64_t lost() const noexcept { return last - prev - count; }
};

/// What was found wrong in a log.
struct damage {
    std::uint64_t hits = 0;        ///< missing between good ones
    std::uint64_t bytes = 0;       ///< skipped
    std::uint64_t torn_bytes = 0;  ///< at the end of the log: a crash, no damage
};

class log_reader {
    struct place {
        std::uint64_t number = 0;  ///< of the segment; 0: before the first
        std::uint64_t byte = 0;    ///< in it
        per_partition offsets{};   ///< of the last hit walked over
        per_partition chains{};    ///< up to it
        std::bitset<partitions> chain_known;
        per_partition sent{};         ///< of the last hit that is in an entry, or that Redis had
        std::uint64_t bad_bytes = 0;  ///< behind the last good record: damage or a torn tail
    };

public:
    using bookmark = place;
    static constexpr std::size_t max_entry_hits = 128;
    static constexpr std::size_t max_entry_bytes = 64 * 1024;

    log_reader(std::uint64_t producer, bool is_live) : producer_(producer), is_live_(is_live) {}

    /// The log's segments as they are now, oldest first; the reader goes on where it was.
    void set_segments(std::vector<segment> segments);
    [[nodiscard]] const std::vector<segment>& segments() const noexcept { return segments_; }

    /// Goes to the place behind these offsets, which Redis holds.
    void seek(const per_partition& shipped);

    /// Reads on for about `most_bytes` and adds what it found to `out`. Partitions in `held` are
    /// passed over; seek() again to read them. At the log's end offsets that are missing there
    /// become an entry without hits. A segment that is gone, or whose disk cannot read a place
    /// three times in a row, has lost that. Errors: the system's, of reading; then nothing has
    /// moved.
    [[nodiscard]] error_code read(std::size_t most_bytes, const std::bitset<partitions>& held,
                                  std::vector<entry>& out);

    /// Goes back to where the last read() began, but takes `shipped` as done. False when Redis is
    /// behind that: seek() then.
    [[nodiscard]] bool step_back(const per_partition& shipped);

    /// The same for any place that it has been at.
    [[nodiscard]] bookmark place_now() const { return at_; }
    [[nodiscard]] bool go_to(const bookmark& there, const per_partition& shipped);

    /// Whether hits of held partitions were passed over.
    [[nodiscard]] bool has_passed_over() const noexcept;

    /// Whether everything that the log holds has been read.
    [[nodiscard]] bool is_at_end() const noexcept;

    /// Whether read() would find something: hits, or offsets that Redis does not know are lost.
    [[nodiscard]] bool has_more() const noexcept;

    /// Offset of the last hit known of each partition; all of them once is_at_end() was true.
    [[nodiscard]] const per_partition& known() const noexcept { return at_.offsets; }

    /// Chained checksum behind known(), where it is known.
    [[nodiscard]] std::optional<std::uint64_t> chain(unsigned partition) const noexcept;

    [[nodiscard]] std::uint64_t producer() const noexcept { return producer_; }
    [[nodiscard]] bool is_live() const noexcept { return is_live_; }
    [[nodiscard]] const damage& found() const noexcept { return damage_; }

private:
    void enter(const segment& s);
    [[nodiscard]] std::size_t find(std::uint64_t number) const noexcept;
    void take(const record& r, const segment* next, const std::bitset<partitions>& held,
              std::vector<entry>& out, std::size_t first);
    void close_gaps(const std::bitset<partitions>& held, std::vector<entry>& out);
    [[nodiscard]] error_code read_chunk(const segment& s, std::string& chunk);
    void judge(std::uint64_t& sum, std::uint64_t byte);
    void close_file();

    std::uint64_t producer_;
    bool is_live_;
    std::vector<segment> segments_;
    place at_, before_;
    per_partition counted_{};                         ///< gaps up to here are in damage_
    std::pair<std::uint64_t, std::uint64_t> judged_;  ///< segment and byte, up to which damage_ is
    damage damage_;
    file file_;
    std::string file_name_;
    std::pair<std::uint64_t, std::uint64_t>
        failed_at_;         ///< segment and byte that could not be read
    int failed_reads_ = 0;  ///< of it, one after the other
};

}  // namespace luot::spool
