// The bytes of the archive (FORMAT.md): frames of hits, and the names of its files. Pure functions
// over bytes in memory.

#pragma once

#include "core/error.hpp"
#include "core/hit.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace luot::archive {

inline constexpr std::string_view magic = "luotarc\n";
inline constexpr std::uint32_t version = 1;
/// The skippable frame in front of each compressed one, its own head of 8 bytes included.
inline constexpr std::size_t head_bytes = 96;
/// A frame is ended at so many bytes of records, and is never longer by more than one record.
inline constexpr std::size_t full_frame_bytes = 1 << 20;
inline constexpr std::size_t most_frame_bytes = full_frame_bytes + 32 * 1024;

/// What stands in front of the compressed records: where they come from.
struct frame_head {
    std::uint32_t records = 0;
    std::uint64_t producer = 0;        ///< the log
    std::uint64_t segment = 0;         ///< number of its segment
    std::uint64_t begin = 0, end = 0;  ///< bytes of that segment that the records stood in
    std::int64_t earliest_ms = 0, latest_ms = 0;
    std::uint32_t raw_bytes = 0, packed_bytes = 0;
    std::uint64_t packed_checksum = 0;
};

/// One hit of a frame.
struct record {
    unsigned partition = 0;
    std::uint64_t offset = 0;  ///< its number among the hits of its log and partition
    std::string_view payload;  ///< the hit as core/hit.hpp encodes it

    /// Unix time at which the collector took it; 0 when the payload is too short to tell.
    [[nodiscard]] std::int64_t time_ms() const noexcept;
};

/// Puts records together to a frame.
class frame_builder {
public:
    frame_builder(std::uint64_t producer, std::uint64_t segment)
    {
        head_.producer = producer;
        head_.segment = segment;
    }

    /// `begin` and `end`: the bytes of the segment that the record stood in.
    void add(const record& r, std::uint64_t begin, std::uint64_t end);
    [[nodiscard]] bool is_full() const noexcept { return raw_.size() >= full_frame_bytes; }
    [[nodiscard]] bool is_empty() const noexcept { return head_.records == 0; }

    /// Appends the frame to `out`, compressed, and begins the next one.
    void finish(std::string& out);

private:
    frame_head head_;
    std::string raw_;
};

/// Errors: bad_record (too short, damaged, foreign bytes), newer_format.
[[nodiscard]] error_code decode_head(std::string_view bytes, frame_head& out) noexcept;

/// The records of a frame whose head was good. Errors: bad_record.
[[nodiscard]] error_code unpack(const frame_head& head, std::string_view packed, std::string& raw);

/// Takes the first record off `raw`; nullopt at the end, or where the bytes are none.
[[nodiscard]] std::optional<record> take_record(std::string_view& raw) noexcept;

/// Whether these are the first bytes of a file of an archive, or all that a crash has left of them.
[[nodiscard]] bool begins_a_frame(std::string_view bytes) noexcept;

/// Where in `bytes`, at or behind `from`, a head could begin; npos: nowhere.
[[nodiscard]] std::size_t find_head(std::string_view bytes, std::size_t from) noexcept;

/// "2021-07-26.hits.zst", of the UTC date.
[[nodiscard]] std::string file_name(std::int32_t date);

/// The inverse; false for any other name.
[[nodiscard]] bool parse_file_name(std::string_view name, std::int32_t& date) noexcept;

}  // namespace luot::archive
