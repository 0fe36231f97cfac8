// Integers, varints and checksums: what every stored byte is made of.

#include "core/bytes.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace bytes_test {

using namespace luot;
using namespace std::string_literals;

std::string varint_of(std::uint64_t value)
{
    std::string out;
    put_varint(out, value);
    return out;
}

BOOST_AUTO_TEST_SUITE(bytes)

// Another machine reads these bytes, and another version: the order is part of the format.
BOOST_AUTO_TEST_CASE(integers_are_little_endian)
{
    std::string out;
    put_u8(out, 0xAB);
    put_u32(out, 0x01020304);
    put_u64(out, 0x1122334455667788);
    BOOST_TEST(out == "\xAB\x04\x03\x02\x01\x88\x77\x66\x55\x44\x33\x22\x11"s);
    set_u32(out, 1, 0xFFFFFFFE);
    BOOST_TEST(out == "\xAB\xFE\xFF\xFF\xFF\x88\x77\x66\x55\x44\x33\x22\x11"s);
}

BOOST_AUTO_TEST_CASE(varints_are_leb128)
{
    const struct {
        std::uint64_t value;
        std::string bytes;
    } table[] = {
        {0, "\x00"s},
        {1, "\x01"s},
        {127, "\x7F"s},
        {128, "\x80\x01"s},
        {300, "\xAC\x02"s},
        {16'383, "\xFF\x7F"s},
        {16'384, "\x80\x80\x01"s},
        {std::numeric_limits<std::uint64_t>::max(), "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"s}};
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("value " << row.value)
        {
            BOOST_TEST(varint_of(row.value) == row.bytes);
            byte_reader in{row.bytes};
            BOOST_TEST(in.varint() == row.value);
            BOOST_TEST(in.ok());
            BOOST_TEST(in.rest().empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_again)
{
    constexpr unsigned seed = 4101;
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937_64 random(seed);
    for (int i = 0; i < 2000; ++i) {
        const auto value = random() >> (random() % 64);
        std::string out;
        put_u8(out, static_cast<std::uint8_t>(value));
        put_varint(out, value);
        put_u32(out, static_cast<std::uint32_t>(value));
        put_u64(out, value);
        out += "rest";
        byte_reader in{out};
        const bool same = in.u8() == static_cast<std::uint8_t>(value) && in.varint() == value &&
                          in.u32() == static_cast<std::uint32_t>(value) && in.u64() == value &&
                          in.bytes(2) == "re" && in.ok() && in.rest() == "st";
        if (!same)
            BOOST_ERROR("seed " << seed << " value " << value);
    }
}

// Callers check once, at the end: whatever stands there after the end must not look like data.
BOOST_AUTO_TEST_CASE(after_the_end_everything_is_zero)
{
    const std::string bytes = "\x01\x02\x03"s;
    for (int what = 0; what < 4; ++what) {
        BOOST_TEST_CONTEXT("read " << what)
        {
            byte_reader in{bytes};
            switch (what) {
                case 0:
                    BOOST_TEST(in.u32() == 0U);
                    break;
                case 1:
                    BOOST_TEST(in.u64() == 0U);
                    break;
                case 2:
                    BOOST_TEST(in.bytes(4).empty());
                    break;
                default:
                    BOOST_TEST(in.bytes(std::numeric_limits<std::uint64_t>::max()).empty());
            }
            BOOST_TEST(!in.ok());
            BOOST_TEST(in.u8() == 0U);
            BOOST_TEST(in.varint() == 0U);
            BOOST_TEST(in.bytes(1).empty());
            BOOST_TEST(in.bytes(0).empty());
            BOOST_TEST(in.rest().empty());
            BOOST_TEST(!in.ok());
        }
    }
}

// A varint that goes on for ever, or is cut, names no number, and what follows is not read as if
// nothing had been.
BOOST_AUTO_TEST_CASE(a_varint_without_an_end_is_none)
{
    for (const std::string& bytes :
         {""s, "\x80"s, "\xFF\xFF"s, std::string(9, '\xFF'), std::string(10, '\x80'),
          std::string(11, '\xFF'), std::string(10, '\xFF') + "\x01 more"s}) {
        BOOST_TEST_CONTEXT(bytes.size() << " bytes")
        {
            byte_reader in{bytes};
            BOOST_TEST(in.varint() == 0U);
            BOOST_TEST(!in.ok());
            BOOST_TEST(in.u8() == 0U);
            BOOST_TEST(in.rest().empty());
        }
    }
}

// From the published test vectors of XXH3: other tools must be able to check a spool.
BOOST_AUTO_TEST_CASE(the_checksum_is_xxh3)
{
    BOOST_TEST(checksum("") == 0x2D06800538D394C2ULL);
    BOOST_TEST(checksum("a") != checksum("b"));
    BOOST_TEST(checksum("a", 1) != checksum("a", 2));
    BOOST_TEST(checksum("a", 0) == checksum("a"));
}

BOOST_AUTO_TEST_CASE(hex_is_16_lower_case_digits_and_nothing_else)
{
    BOOST_TEST(to_hex(0) == "0000000000000000");
    BOOST_TEST(to_hex(0x0123456789ABCDEF) == "0123456789abcdef");
    BOOST_TEST(to_hex(std::numeric_limits<std::uint64_t>::max()) == "ffffffffffffffff");
    std::uint64_t value = 7;
    BOOST_TEST(from_hex("0123456789abcdef", value));
    BOOST_TEST(value == 0x0123456789ABCDEFULL);
    for (const char* text :
         {"", "0", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "0x23456789abcdef",
          "-123456789abcdef", "0123456789abcde ", " 123456789abcdef", "0123456789abcdeg"}) {
        BOOST_TEST_CONTEXT("text \"" << text << '"')
        BOOST_TEST(!from_hex(text, value));
    }
}

// 2^53: the largest number that Lua and JavaScript hold exactly.
BOOST_AUTO_TEST_CASE(a_number_has_only_digits_and_is_exact_everywhere)
{
    std::uint64_t value = 0;
    for (const auto& [text, number] : std::vector<std::pair<std::string, std::uint64_t>>{
             {"0", 0}, {"7", 7}, {"0007", 7}, {"9007199254740992", 9'007'199'254'740'992ULL}}) {
        BOOST_TEST_CONTEXT("text " << text)
        {
            BOOST_TEST(parse_number(text, value));
            BOOST_TEST(value == number);
        }
    }
    for (const char* text :
         {"", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "a", "1a", "9007199254740993",
          "9999999999999999", "18446744073709551617", "00000000000000001"}) {
        BOOST_TEST_CONTEXT("text \"" << text << '"')
        BOOST_TEST(!parse_number(text, value));
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace bytes_test
