// The bytes of the spool (FORMAT.md): headers, records, and how they are found again after damage.
// Pure functions over bytes in memory.

#pragma once

#include "core/error.hpp"
#include "core/hit.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace luot::spool {

inline constexpr std::string_view magic = "luotspl\n";
inline constexpr std::size_t header_bytes = 304;
inline constexpr std::size_t record_head_bytes = 16;
inline constexpr std::size_t max_payload_bytes = 16 * 1024;

using per_partition = std::array<std::uint64_t, partitions>;

/// The head of a segment: where each partition stands before its first record.
struct segment_header {
    std::uint64_t producer = 0;
    std::uint64_t number = 0;
    std::int64_t begun_ms = 0;
    per_partition offsets{};
    per_partition chains{};
};

void encode_header(const segment_header& h, std::string& out);

/// Errors: bad_record (too short, damaged, no segment), newer_format.
[[nodiscard]] error_code decode_header(std::string_view bytes, segment_header& out) noexcept;

/// The chained checksum behind one more hit.
[[nodiscard]] std::uint64_t chain(std::uint64_t before, std::string_view payload) noexcept;

void encode_record(std::uint64_t producer, unsigned partition, std::uint64_t offset,
                   std::string_view payload, std::string& out);

struct record {
    unsigned partition = 0;
    std::uint64_t offset = 0;
    std::string_view payload;
    std::size_t bytes = 0;  ///< of the whole record
};

/// The record at the front of `bytes`, if it is a good one.
[[nodiscard]] std::optional<record> decode_record(std::uint64_t producer,
                                                  std::string_view bytes) noexcept;

/// Where the next good record in `bytes` begins, at or behind `from`; npos when there is none.
[[nodiscard]] std::size_t find_record(std::uint64_t producer, std::string_view bytes,
                                      std::size_t from) noexcept;

/// The header of a segment whose own is damaged, told by its bytes and by `ends`, the offsets of
/// the last hits before it; its chained checksums are not known.
[[nodiscard]] segment_header rebuilt_header(std::uint64_t producer, std::uint64_t number,
                                            std::string_view segment, const per_partition& ends);

/// The offsets of the last hits up to the end of a segment.
[[nodiscard]] per_partition ends_of(const segment_header& header, std::string_view segment);

/// "<producer>.<number>.spool"
[[nodiscard]] std::string segment_name(std::uint64_t producer, std::uint64_t number);

/// The inverse; false for any other file name.
[[nodiscard]] bool parse_segment_name(std::string_view name, std::uint64_t& producer,
                                      std::uint64_t& number) noexcept;

}  // namespace luot::spool
