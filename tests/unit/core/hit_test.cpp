// The encoding of a hit: what the spool holds and the stream carries.

#include "core/hit.hpp"

#include "core/bytes.hpp"

#include <boost/test/unit_test.hpp>

#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace luot;

constexpr std::string_view hit::*texts[] = {
    &hit::site,    &hit::path,     &hit::title,        &hit::section,
    &hit::event,   &hit::referrer, &hit::user_agent,   &hit::language,
    &hit::country, &hit::source,   &hit::medium,       &hit::campaign,
    &hit::term,    &hit::content,  &hit::client_hints, &hit::properties};

std::string encoded(const hit& h)
{
    std::string out;
    encode(h, out);
    return out;
}

bool same(const hit& a, const hit& b)
{
    bool all = a.time_ms == b.time_ms && a.local_date == b.local_date && a.visitor == b.visitor &&
               a.visitor_before == b.visitor_before && a.id == b.id && a.client == b.client &&
               a.width == b.width && a.bot_hint == b.bot_hint &&
               a.is_from_server == b.is_from_server &&
               a.is_from_data_center == b.is_from_data_center && a.is_imported == b.is_imported;
    for (const auto field : texts)
        all = all && a.*field == b.*field;
    return all;
}

hit full_hit()
{
    hit h;
    h.time_ms = 1'627'288'260'000;
    h.local_date = 18'834;
    h.visitor = 0x1122334455667788;
    h.visitor_before = 0x99AABBCCDDEEFF00;
    h.id = 42;
    h.client = 43;
    h.width = 1920;
    h.bot_hint = 1;
    h.site = "skhcn";
    h.path = "/tin-tuc/bài-1.html";
    h.title = "Hội nghị";
    h.section = "Tin tức";
    h.event = "download";
    h.referrer = "google.com/search";
    h.user_agent = "Mozilla/5.0 \xFF";
    h.language = "vi-VN";
    h.country = "VN";
    h.source = "zalo";
    h.medium = "oa";
    h.campaign = "c";
    h.term = "t";
    h.content = "x";
    h.client_hints = "1Android;Brave/126";
    h.properties = "file\037a.pdf\036pages\03712\036";
    h.is_from_server = true;
    h.is_from_data_center = true;
    h.is_imported = true;
    return h;
}

BOOST_AUTO_TEST_SUITE(hits)

BOOST_AUTO_TEST_CASE(every_field_comes_back)
{
    const hit h = full_hit();
    const std::string bytes = encoded(h);
    hit back;
    BOOST_TEST(!decode(bytes, back));
    BOOST_TEST(same(h, back));
    BOOST_TEST(encoded(back) == bytes);
}

BOOST_AUTO_TEST_CASE(extreme_numbers_come_back)
{
    hit h;
    h.site = "s";
    h.path = "/";
    h.time_ms = 1LL << 52;
    h.local_date = std::numeric_limits<std::int32_t>::min();
    h.visitor = h.visitor_before = h.id = std::numeric_limits<std::uint64_t>::max();
    h.client = std::numeric_limits<std::uint32_t>::max();
    h.width = h.bot_hint = std::numeric_limits<std::uint32_t>::max();
    const std::string long_path(16'000, 'p');
    h.title = long_path;
    const std::string bytes = encoded(h);
    hit back;
    BOOST_TEST(!decode(bytes, back));
    BOOST_TEST(same(h, back));
}

// Sums of times must not overflow, whatever a damaged record says.
BOOST_AUTO_TEST_CASE(a_time_that_cannot_be_reckoned_with_is_damage)
{
    hit h;
    h.site = "s";
    h.path = "/";
    for (const auto time :
         {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1}, (std::int64_t{1} << 52) + 1,
          std::numeric_limits<std::int64_t>::max()}) {
        h.time_ms = time;
        const std::string bytes = encoded(h);
        hit back;
        BOOST_TEST(decode(bytes, back) == make_error_code(errc::bad_record));
    }
}

// Entries are decoded into the same object, one after another.
BOOST_AUTO_TEST_CASE(nothing_is_left_of_the_hit_before)
{
    hit small;
    small.site = "s";
    small.path = "/";
    const std::string bytes = encoded(small);
    hit back = full_hit();
    BOOST_TEST(!decode(bytes, back));
    BOOST_TEST(same(small, back));
}

BOOST_AUTO_TEST_CASE(an_event_is_told_from_a_view)
{
    hit h;
    BOOST_TEST(!h.is_event());
    h.event = "download";
    BOOST_TEST(h.is_event());
}

// A newer collector may add fields: the aggregator in use must count its hits all the same.
BOOST_AUTO_TEST_CASE(an_unknown_tag_is_skipped)
{
    const hit h = full_hit();
    const std::string plain = encoded(h);
    for (const int tag : {0, 19, 127, 128, 255}) {
        BOOST_TEST_CONTEXT("tag " << tag)
        {
            std::string bytes = plain;
            put_u8(bytes, static_cast<std::uint8_t>(tag));
            put_varint(bytes, 200);
            bytes.append(200, '\x01');
            hit back;
            BOOST_TEST(!decode(bytes, back));
            BOOST_TEST(same(h, back));
        }
    }
}

// What waits in a spool or a stream while luot is upgraded is counted: these are the bytes that a
// version without `client` wrote.
BOOST_AUTO_TEST_CASE(a_hit_of_before_the_client_was_known_is_read)
{
    using namespace std::string_view_literals;
    constexpr auto bytes =
        "\xA0\x4D\xF0\xE1\x7A\x01\x00\x00\x92\x49\x00\x00\x88\x77\x66\x55\x44\x33\x22\x11"
        "\x00\xFF\xEE\xDD\xCC\xBB\xAA\x99\x2A\x00\x00\x00\x00\x00\x00\x00\x80\x0F\x01"
        "\x01\x01\x73\x02\x02\x2F\x61\x05\x04\x72\x65\x61\x64\x07\x02\x4D\xFF\x0E\x01\x78"sv;
    hit h;
    h.time_ms = 1'627'288'260'000;
    h.local_date = 18'834;
    h.visitor = 0x1122334455667788;
    h.visitor_before = 0x99AABBCCDDEEFF00;
    h.id = 42;
    h.width = 1920;
    h.bot_hint = 1;
    h.site = "s";
    h.path = "/a";
    h.event = "read";
    h.user_agent = "M\xFF";
    h.content = "x";
    hit back = full_hit();
    BOOST_TEST(!decode(bytes, back));
    BOOST_TEST(same(h, back));
    BOOST_TEST(encoded(h) == bytes);

    // And that version reads ours: what it does not know stands behind all that it does.
    h.client = 0xA1B2C3D4;
    BOOST_TEST(encoded(h) == std::string(bytes) + "\x0F\x04\xD4\xC3\xB2\xA1");
}

// The hit counts: only a limit is lost.
BOOST_AUTO_TEST_CASE(a_client_of_another_size_is_passed_over)
{
    hit h = full_hit();
    h.client = 0;
    const std::string plain = encoded(h);
    for (const std::size_t size : {0, 3, 5, 200}) {
        std::string bytes = plain;
        put_u8(bytes, 15);
        put_varint(bytes, size);
        bytes.append(size, '\x01');
        hit back;
        BOOST_TEST(!decode(bytes, back));
        BOOST_TEST(same(h, back), size);
    }
}

// The hit counts; of the byte of flags a later version may use more bits.
BOOST_AUTO_TEST_CASE(flags_stand_in_one_byte_that_has_room_for_more)
{
    hit h = full_hit();
    h.is_from_server = h.is_from_data_center = h.is_imported = false;
    const std::string plain = encoded(h);
    for (const int flags : {0, 1, 2, 3, 4, 7, 0xF8, 0xFD}) {
        BOOST_TEST_CONTEXT("flags " << flags)
        {
            std::string bytes = plain;
            put_u8(bytes, 16);
            put_varint(bytes, 1);
            put_u8(bytes, static_cast<std::uint8_t>(flags));
            hit back;
            BOOST_TEST(!decode(bytes, back));
            h.is_from_server = (flags & 1) != 0;
            h.is_from_data_center = (flags & 2) != 0;
            h.is_imported = (flags & 4) != 0;
            BOOST_TEST(same(h, back));
        }
    }
    h.is_from_server = h.is_from_data_center = h.is_imported = false;
    for (const std::size_t size : {0, 2, 200}) {
        std::string bytes = plain;
        put_u8(bytes, 16);
        put_varint(bytes, size);
        bytes.append(size, '\x03');
        hit back;
        BOOST_TEST(!decode(bytes, back));
        BOOST_TEST(same(h, back), size);
    }
}

// The byte format of tag 18, and that a luot of before passes it over: it stands behind all else.
BOOST_AUTO_TEST_CASE(properties_stand_behind_all_that_was_there_before_them)
{
    using namespace std::string_view_literals;
    hit h;
    h.site = "s";
    h.event = "read";
    const std::string plain = encoded(h);
    h.properties = "a\0371\036"sv;
    BOOST_TEST(encoded(h) == plain + "\022\004a\0371\036");
}

BOOST_AUTO_TEST_CASE(properties_are_taken_one_by_one)
{
    using namespace std::string_view_literals;
    auto rest = "a\0371\036b\0372\036"sv;
    BOOST_TEST(take_property(rest) == "a\0371"sv);
    BOOST_TEST(take_property(rest) == "b\0372"sv);
    BOOST_TEST(rest.empty());
    rest = "\036not ended"sv;  // no collector writes it
    BOOST_TEST(take_property(rest).empty());
    BOOST_TEST(take_property(rest) == "not ended");
    BOOST_TEST(rest.empty());
    BOOST_TEST(take_property(rest).empty());
}

// A torn record never looks like a whole one with other words in it.
BOOST_AUTO_TEST_CASE(a_cut_record_is_refused_or_has_fewer_fields)
{
    const hit h = full_hit();
    const std::string bytes = encoded(h);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        BOOST_TEST_CONTEXT("cut at " << cut)
        {
            // bytes of its own, so that a read beyond the end is one beyond the allocation
            const std::vector<char> part(bytes.begin(),
                                         bytes.begin() + static_cast<std::ptrdiff_t>(cut));
            hit back;
            const auto error = decode({part.data(), part.size()}, back);
            if (error) {
                BOOST_TEST(error == make_error_code(errc::bad_record));
                continue;
            }
            BOOST_TEST(back.time_ms == h.time_ms);
            BOOST_TEST(back.visitor == h.visitor);
            BOOST_TEST((back.client == 0 || back.client == h.client));
            bool ended = false;
            for (const auto field : texts) {
                BOOST_TEST(((back.*field).empty() || back.*field == h.*field));
                BOOST_TEST((!ended || (back.*field).empty()));
                ended = ended || (back.*field).empty();
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_hit_without_site_or_page_is_no_hit)
{
    hit h;
    hit back;
    BOOST_TEST(decode(encoded(h), back) == make_error_code(errc::bad_record));
    h.path = "/";
    std::string bytes = encoded(h);
    BOOST_TEST(decode(bytes, back) == make_error_code(errc::bad_record));
    h.path = {};
    h.site = "s";
    bytes = encoded(h);
    BOOST_TEST(decode(bytes, back) == make_error_code(errc::bad_record));
    h.event = "download";  // an event needs no page
    bytes = encoded(h);
    BOOST_TEST(!decode(bytes, back));
}

BOOST_AUTO_TEST_CASE(any_bytes_give_an_answer_within_them)
{
    constexpr unsigned seed = 4102;
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    const std::string whole = encoded(full_hit());
    int accepted = 0;
    for (int i = 0; i < 50'000; ++i) {
        std::vector<char> bytes;
        if (random() % 2 == 0) {
            bytes.resize(random() % 120);
            for (auto& b : bytes)
                b = static_cast<char>(random());
        } else {
            bytes.assign(whole.begin(), whole.end());
            for (auto n = random() % 4 + 1; n > 0; --n)
                bytes[random() % bytes.size()] = static_cast<char>(random());
        }
        hit back;
        if (decode({bytes.data(), bytes.size()}, back))
            continue;
        ++accepted;
        for (const auto field : texts) {
            const auto text = back.*field;
            if (!text.empty() && (text.data() < bytes.data() ||
                                  text.data() + text.size() > bytes.data() + bytes.size()))
                BOOST_ERROR("seed " << seed << " round " << i << ": a view points elsewhere");
        }
    }
    BOOST_TEST(accepted > 1000);
}

// The partition of a site names its keys in Redis for ever.
BOOST_AUTO_TEST_CASE(the_partition_of_a_site_never_changes)
{
    BOOST_TEST(partitions == 16U);
    std::vector<unsigned> sites(partitions);
    for (int i = 0; i < 1600; ++i) {
        const auto p = partition_of("site-" + std::to_string(i));
        BOOST_TEST_REQUIRE(p < partitions);
        ++sites[p];
    }
    for (const auto count : sites)
        BOOST_TEST(count > 50U);
    for (const std::string site : {"skhcn", "s", "blog"}) {
        BOOST_TEST_CONTEXT("site " << site)
        BOOST_TEST(partition_of(site) == checksum(site) % 16);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
