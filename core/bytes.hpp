// Little-endian integers and varints in byte strings: what the spool and the stream are written
// with.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace luot {

void put_u8(std::string& out, std::uint8_t value);
void put_u32(std::string& out, std::uint32_t value);
void put_u64(std::string& out, std::uint64_t value);
/// LEB128: seven bits a byte, lowest first.
void put_varint(std::string& out, std::uint64_t value);

/// Overwrites four bytes at `at`, which must exist.
void set_u32(std::string& out, std::size_t at, std::uint32_t value);

/// Reads from the front of a byte string. From the first read beyond the end on (or of a varint
/// without one) everything is zero or empty and ok() is false: check once, at the end.
class byte_reader {
public:
    explicit byte_reader(std::string_view bytes) noexcept : rest_(bytes) {}

    std::uint8_t u8() noexcept;
    std::uint32_t u32() noexcept;
    std::uint64_t u64() noexcept;
    std::uint64_t varint() noexcept;
    std::string_view bytes(std::uint64_t count) noexcept;

    [[nodiscard]] bool ok() const noexcept { return ok_; }
    [[nodiscard]] std::string_view rest() const noexcept { return rest_; }

private:
    std::string_view rest_;
    bool ok_ = true;
};

/// Numbers of eight bytes, one behind the other.
template <class Numbers>
[[nodiscard]] std::string packed_u64(const Numbers& numbers)
{
    std::string out;
    out.reserve(numbers.size() * sizeof(std::uint64_t));
    for (const auto number : numbers)
        put_u64(out, number);
    return out;
}
/// The inverse; bytes of half a number at the end are left out.
[[nodiscard]] std::vector<std::uint64_t> unpacked_u64(std::string_view list);

/// Without the spaces, tabs and carriage returns around it.
[[nodiscard]] std::string_view without_blanks(std::string_view text) noexcept;

/// XXH3, 64 bits.
[[nodiscard]] std::uint64_t checksum(std::string_view bytes, std::uint64_t seed = 0) noexcept;

/// 64 random bits of the system, good enough for names that must never meet.
[[nodiscard]] std::uint64_t random_u64();

/// 16 lower-case hex digits.
[[nodiscard]] std::string to_hex(std::uint64_t value);

/// The inverse; false when it is not exactly 16 lower-case hex digits.
[[nodiscard]] bool from_hex(std::string_view text, std::uint64_t& value) noexcept;

/// A decimal number without sign, at most 2^53; false for anything else.
[[nodiscard]] bool parse_number(std::string_view text, std::uint64_t& value) noexcept;

}  // namespace luot
