// The bytes of the spool: what collector/spool/FORMAT.md says is what is written and read.

#include "collector/spool/segment.hpp"

#include "core/bytes.hpp"

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace segment_test {

using namespace luot;
using namespace luot::spool;

constexpr std::uint64_t producer = 0x0123456789ABCDEF;

/// "a0 5d" as bytes.
std::string bytes_of(std::string_view hex)
{
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); ++i)
        if (hex[i] != ' ') {
            bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
            ++i;
        }
    return bytes;
}

std::uint64_t number_at(std::string_view bytes, std::size_t offset)
{
    byte_reader in{bytes.substr(offset)};
    return in.u64();
}

segment_header some_header()
{
    segment_header h;
    h.producer = producer;
    h.number = 3;
    h.begun_ms = 1'627'288'260'000;
    for (unsigned p = 0; p < partitions; ++p) {
        h.offsets[p] = 1000 + p;
        h.chains[p] = 0xC0FFEE0000000000 + p;
    }
    return h;
}

std::string encoded(const segment_header& h)
{
    std::string out;
    encode_header(h, out);
    return out;
}

std::string encoded(unsigned partition, std::uint64_t offset, std::string_view payload)
{
    std::string out;
    encode_record(producer, partition, offset, payload, out);
    return out;
}

/// Puts a version and a size into a header, with a checksum that is right.
std::string header_of(std::uint32_t version, std::uint32_t size)
{
    auto bytes = encoded(some_header());
    set_u32(bytes, 8, version);
    set_u32(bytes, 12, size);
    bytes.resize(header_bytes - 8);
    put_u64(bytes, checksum(bytes));
    return bytes;
}

/// Bytes of their own, so that a read beyond the end is one beyond the allocation.
std::vector<char> apart(std::string_view bytes)
{
    return {bytes.begin(), bytes.end()};
}

error_code decoded(std::string_view bytes, segment_header& out)
{
    const auto own = apart(bytes);
    return decode_header({own.data(), own.size()}, out);
}

bool is_good_record(std::string_view bytes)
{
    const auto own = apart(bytes);
    return decode_record(producer, {own.data(), own.size()}).has_value();
}

BOOST_AUTO_TEST_SUITE(spool_segment)

// Somebody may read the spool with a program of their own: the document is the promise.
BOOST_AUTO_TEST_CASE(the_worked_example_of_the_format_is_what_is_written)
{
    const auto expected = bytes_of(
        "a0 4d f0 e1 7a 01 00 00   92 49 00 00   88 77 66 55 44 33 22 11"
        "00 00 00 00 00 00 00 00   00 00 00 00 00 00 00 00   00 00"
        "01 01 73   02 02 2f 61   0f 04 d4 c3 b2 a1");
    const auto size = bytes_of("33 00 00 00");
    const auto where = bytes_of("05 00 00 00 00 00 00 07");

    hit h;
    h.time_ms = 1'627'288'260'000;
    h.local_date = 18'834;
    h.visitor = 0x1122334455667788;
    h.client = 0xa1b2c3d4;
    h.site = "s";
    h.path = "/a";
    std::string payload;
    encode(h, payload);
    BOOST_TEST(payload.size() == 51U);
    BOOST_TEST((payload == expected));

    const auto record = encoded(7, 5, payload);
    BOOST_TEST_REQUIRE(record.size() == record_head_bytes + payload.size());
    const auto checked = where + payload;
    std::string head = size;
    put_u32(head, static_cast<std::uint32_t>(checksum(checked, producer)));
    BOOST_TEST((record == head + checked));
}

BOOST_AUTO_TEST_CASE(a_header_lies_as_the_format_says)
{
    const auto h = some_header();
    const auto bytes = encoded(h);
    BOOST_TEST_REQUIRE(bytes.size() == 304U);
    BOOST_TEST(bytes.substr(0, 8) == "luotspl\n");
    BOOST_TEST((bytes.substr(8, 8) == bytes_of("01 00 00 00 30 01 00 00")));
    BOOST_TEST(number_at(bytes, 16) == h.producer);
    BOOST_TEST(number_at(bytes, 24) == h.number);
    BOOST_TEST(number_at(bytes, 32) == static_cast<std::uint64_t>(h.begun_ms));
    for (unsigned p = 0; p < partitions; ++p) {
        BOOST_TEST(number_at(bytes, 40 + 8 * p) == h.offsets[p]);
        BOOST_TEST(number_at(bytes, 168 + 8 * p) == h.chains[p]);
    }
    BOOST_TEST(number_at(bytes, 296) == checksum(std::string_view(bytes).substr(0, 296)));
}

BOOST_AUTO_TEST_CASE(a_header_is_read_as_it_was_written)
{
    const auto h = some_header();
    std::string bytes = "what stands before it is not touched";
    const auto before = bytes.size();
    encode_header(h, bytes);
    const auto alone = bytes.substr(before);
    BOOST_TEST((alone == encoded(h)));

    segment_header back;
    BOOST_TEST(!decoded(alone + "records follow", back));
    BOOST_TEST(back.producer == h.producer);
    BOOST_TEST(back.number == h.number);
    BOOST_TEST(back.begun_ms == h.begun_ms);
    BOOST_TEST(back.offsets == h.offsets, boost::test_tools::per_element());
    BOOST_TEST(back.chains == h.chains, boost::test_tools::per_element());
}

// After a downgrade the older luot must leave a newer one's hits where they are, not call them
// damaged.
BOOST_AUTO_TEST_CASE(a_header_of_a_newer_version_is_told_from_a_damaged_one)
{
    segment_header out;
    BOOST_TEST(!decoded(header_of(1, 304), out));
    const auto newer = make_error_code(errc::newer_format);
    const auto bad = make_error_code(errc::bad_record);
    for (const std::uint32_t version : {2U, 3U, 255U, ~0U}) {
        BOOST_TEST_CONTEXT("version " << version)
        {
            BOOST_TEST(decoded(header_of(version, 304), out) == newer);
            BOOST_TEST(decoded(header_of(version, 400), out) == newer);
            BOOST_TEST(decoded(header_of(version, 304).substr(0, 12), out) == newer);
            auto foreign = header_of(version, 304);
            foreign[0] = 'L';
            BOOST_TEST(decoded(foreign, out) == bad);
        }
    }
    BOOST_TEST(decoded(header_of(1, 303), out) == bad);
    BOOST_TEST(decoded(header_of(1, 312), out) == bad);
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_of_a_header_is_noticed)
{
    const auto whole = encoded(some_header());
    for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
        BOOST_TEST_CONTEXT("bit " << bit)
        {
            auto bytes = whole;
            bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
            segment_header out;
            const bool is_higher_version = bit > 8 * 8 && bit < 12 * 8;
            BOOST_TEST(decoded(bytes, out) ==
                       make_error_code(is_higher_version ? errc::newer_format : errc::bad_record));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_header_cut_anywhere_is_none)
{
    const auto whole = encoded(some_header());
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
        BOOST_TEST_CONTEXT("cut at " << cut)
        {
            segment_header out;
            BOOST_TEST(decoded(whole.substr(0, cut), out) == make_error_code(errc::bad_record));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_record_is_read_as_it_was_written)
{
    const struct {
        unsigned partition;
        std::uint64_t offset;
        std::string payload;
    } table[] = {{0, 1, "x"},
                 {7, 5, "a payload"},
                 {15, (1ULL << 56) - 1, std::string("\0\xFF\n", 3)},
                 {3, 9'007'199'254'740'992ULL, std::string(max_payload_bytes, 'p')}};
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("hit " << row.offset << " of partition " << row.partition)
        {
            std::string bytes = "before";
            encode_record(producer, row.partition, row.offset, row.payload, bytes);
            const auto alone = bytes.substr(6);
            BOOST_TEST((alone == encoded(row.partition, row.offset, row.payload)));
            bytes = alone + "behind";
            const auto back = decode_record(producer, bytes);
            BOOST_TEST_REQUIRE(back.has_value());
            BOOST_TEST(back->partition == row.partition);
            BOOST_TEST(back->offset == row.offset);
            BOOST_TEST((back->payload == row.payload));
            BOOST_TEST(back->bytes == alone.size());
        }
    }
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_of_a_record_is_noticed)
{
    // Good bytes follow it, so that a size that grew is not noticed by their absence.
    const auto whole = encoded(7, 5, "a payload of some bytes");
    const auto behind = encoded(7, 6, std::string(max_payload_bytes, 'q'));
    for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
        BOOST_TEST_CONTEXT("bit " << bit)
        {
            auto bytes = whole + behind;
            bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
            BOOST_TEST(!is_good_record(bytes));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_record_cut_anywhere_is_none)
{
    const auto whole = encoded(7, 5, "a payload of some bytes");
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
        BOOST_TEST_CONTEXT("cut at " << cut)
        BOOST_TEST(!is_good_record(std::string_view(whole).substr(0, cut)));
    }
    BOOST_TEST(is_good_record(whole));
}

// A checksum alone would let these pass.
BOOST_AUTO_TEST_CASE(what_no_writer_writes_is_no_record)
{
    BOOST_TEST(!is_good_record(encoded(7, 5, "")));
    BOOST_TEST(!is_good_record(encoded(7, 5, std::string(max_payload_bytes + 1, 'p'))));
    BOOST_TEST(!is_good_record(encoded(16, 5, "a payload")));
    BOOST_TEST(!is_good_record(encoded(255, 5, "a payload")));
}

// Disks hand out blocks of files that were deleted: an older log's record must not be taken for one
// of this log.
BOOST_AUTO_TEST_CASE(a_record_of_another_log_is_none)
{
    std::string other;
    encode_record(producer + 1, 7, 5, "a payload", other);
    BOOST_TEST(!is_good_record(other));
    BOOST_TEST(decode_record(producer + 1, other).has_value());
}

BOOST_AUTO_TEST_CASE(the_next_good_record_is_found_behind_anything)
{
    constexpr unsigned seed = 20'210'726;
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    for (std::size_t before = 0; before < 200; ++before) {
        BOOST_TEST_CONTEXT("seed " << seed << ", behind " << before << " bytes")
        {
            std::string bytes(before, '\0');
            for (auto& b : bytes)
                b = static_cast<char>(random());
            bytes += encoded(7, 5, "x");  // the shortest, up to the last byte
            const auto own = apart(bytes);
            const std::string_view all{own.data(), own.size()};
            BOOST_TEST(find_record(producer, all, 0) == before);
            BOOST_TEST(find_record(producer, all, before) == before);
            BOOST_TEST(find_record(producer, all, before + 1) == std::string_view::npos);
            BOOST_TEST(find_record(producer, all.substr(0, all.size() - 1), 0) ==
                       std::string_view::npos);
        }
    }
    BOOST_TEST(find_record(producer, "", 0) == std::string_view::npos);
    BOOST_TEST(find_record(producer, "short", 100) == std::string_view::npos);
}

// Two collectors that run on copies of one data_dir write different hits under the same offsets:
// the chain tells them apart, whatever the order in which equal hits came.
BOOST_AUTO_TEST_CASE(the_chained_checksum_names_all_hits_before_and_their_order)
{
    BOOST_TEST(chain(0, "a") == checksum("a"));
    BOOST_TEST(chain(chain(0, "a"), "b") == checksum("b", checksum("a")));
    BOOST_TEST(chain(chain(0, "a"), "b") != chain(chain(0, "b"), "a"));
    BOOST_TEST(chain(chain(0, "a"), "b") != chain(0, "ab"));
    BOOST_TEST(chain(chain(0, "a"), "a") != chain(0, "a"));
}

BOOST_AUTO_TEST_CASE(a_segment_is_named_by_log_and_number)
{
    const struct {
        std::uint64_t producer, number;
        std::string name;
    } table[] = {{0x0123456789ABCDEF, 1, "0123456789abcdef.00000001.spool"},
                 {0, 0, "0000000000000000.00000000.spool"},
                 {~0ULL, 99'999'999, "ffffffffffffffff.99999999.spool"}};
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("name " << row.name)
        {
            BOOST_TEST(segment_name(row.producer, row.number) == row.name);
            std::uint64_t owner = 1, number = 2;
            BOOST_TEST_REQUIRE(parse_segment_name(row.name, owner, number));
            BOOST_TEST(owner == row.producer);
            BOOST_TEST(number == row.number);
        }
    }
}

// Whatever else lies in the folder is not touched.
BOOST_AUTO_TEST_CASE(what_is_not_exactly_such_a_name_is_no_segment)
{
    for (const std::string name : {"",
                                   ".",
                                   "spool",
                                   ".spool",
                                   "0123456789abcdef.00000001",
                                   "0123456789abcdef.1.spool",
                                   "0123456789abcdef.000000001.spool",
                                   "0123456789abcdef.0000001.spool",
                                   "0123456789ABCDEF.00000001.spool",
                                   "0123456789abcdeg.00000001.spool",
                                   "0123456789abcdef-00000001.spool",
                                   "0123456789abcdef.0000000x.spool",
                                   "0123456789abcdef.+0000001.spool",
                                   "0123456789abcdef.-0000001.spool",
                                   "0123456789abcdef. 0000001.spool",
                                   "0123456789abcdef.00000001.spool.new",
                                   "0123456789abcdef.00000001-spool",
                                   "0123456789abcdef.00000001.SPOOL",
                                   "x0123456789abcdef.00000001.spool",
                                   "0123456789abcdef.00000001.spoo"}) {
        BOOST_TEST_CONTEXT("name \"" << name << "\"")
        {
            std::uint64_t owner = 0, number = 0;
            BOOST_TEST(!parse_segment_name(name, owner, number));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace segment_test
