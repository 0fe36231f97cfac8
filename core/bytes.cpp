#include "core/bytes.hpp"

#define XXH_INLINE_ALL
#include <bit>
#include <charconv>
#include <cstring>
#include <sodium.h>
#include <xxhash.h>

namespace luot {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian");

namespace {

template <class T>
void put(std::string& out, T value)
{
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

void put_u8(std::string& out, std::uint8_t value)
{
    out.push_back(static_cast<char>(value));
}
void put_u32(std::string& out, std::uint32_t value)
{
    put(out, value);
}
void put_u64(std::string& out, std::uint64_t value)
{
    put(out, value);
}

void put_varint(std::string& out, std::uint64_t value)
{
    char bytes[10];
    std::size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = static_cast<char>(value | 0x80);
    bytes[size++] = static_cast<char>(value);
    out.append(bytes, size);
}

void set_u32(std::string& out, std::size_t at, std::uint32_t value)
{
    std::memcpy(out.data() + at, &value, sizeof value);
}

std::string_view byte_reader::bytes(std::uint64_t count) noexcept
{
    if (count > rest_.size()) {
        ok_ = false;
        rest_ = {};
        return {};
    }
    const auto taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
}

std::uint8_t byte_reader::u8() noexcept
{
    if (rest_.empty()) {
        ok_ = false;
        return 0;
    }
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
}

std::uint32_t byte_reader::u32() noexcept
{
    std::uint32_t value = 0;
    const auto taken = bytes(sizeof value);
    if (!taken.empty())
        std::memcpy(&value, taken.data(), sizeof value);
    return value;
}

std::uint64_t byte_reader::u64() noexcept
{
    std::uint64_t value = 0;
    const auto taken = bytes(sizeof value);
    if (!taken.empty())
        std::memcpy(&value, taken.data(), sizeof value);
    return value;
}

std::uint64_t byte_reader::varint() noexcept
{
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const std::uint8_t byte = u8();
        value |= std::uint64_t{byte & 0x7FU} << shift;
        if ((byte & 0x80) == 0)
            return ok_ ? value : 0;
    }
    ok_ = false;
    rest_ = {};
    return 0;
}

std::vector<std::uint64_t> unpacked_u64(std::string_view list)
{
    std::vector<std::uint64_t> out;
    byte_reader in{list};
    while (in.rest().size() >= sizeof(std::uint64_t))
        out.push_back(in.u64());
    return out;
}

std::string_view without_blanks(std::string_view text) noexcept
{
    constexpr std::string_view blanks = " \t\r";
    const auto begin = text.find_first_not_of(blanks);
    if (begin == text.npos)
        return {};
    return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::uint64_t checksum(std::string_view bytes, std::uint64_t seed) noexcept
{
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t random_u64()
{
    std::uint64_t value = 0;
    randombytes_buf(&value, sizeof value);
    return value;
}

std::string to_hex(std::uint64_t value)
{
    std::string text(16, '0');
    for (std::size_t i = 16; i-- > 0; value >>= 4)
        text[i] = "0123456789abcdef"[value & 15];
    return text;
}

bool from_hex(std::string_view text, std::uint64_t& value) noexcept
{
    if (text.size() != 16)
        return false;
    for (const char c : text)
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return true;
}

bool parse_number(std::string_view text, std::uint64_t& value) noexcept
{
    if (text.empty() || text.size() > 16)
        return false;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    return failed == std::errc{} && end == text.data() + text.size() && value <= (1ULL << 53);
}

}  // namespace luot
