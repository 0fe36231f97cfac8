// Visitor ids: the same one in a day, on a site, with a browser, at an address; else another.

#include "collector/identify.hpp"

#include "tests/unit/support/temp_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>

namespace identify_test {

using namespace luot;
using namespace luot::collector;
using luot::testing::temp_dir;

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t day_ms = 1440 * minute_ms;
constexpr std::int64_t now_ms = 1'627'288'260'000;  // 2021-07-26T08:31:00Z
constexpr std::int32_t today = 18'834;              // its date in Hồ Chí Minh city
constexpr std::int64_t day_begin = 18'833 * day_ms + day_ms * 17 / 24;  // 17:00Z on the 25th

http::ip_address at(std::string_view text)
{
    http::ip_address address{};
    BOOST_TEST_REQUIRE(http::parse_address(text, address));
    return address;
}

/// One visitor's hit.
struct visit {
    std::string site = "skhcn";
    std::string user_agent = "Mozilla/5.0";
    std::string address = "192.0.2.1";
    std::int64_t time_ms = now_ms;
    std::string tab = {};
};

struct world {
    explicit world(const temp_dir& dir, std::int64_t begun_ms = now_ms)
        : chain(dir.file("salts"), begun_ms)
    {
    }

    hit identified(const visit& v, const local_zone& in)
    {
        hit h;
        h.site = v.site;
        h.user_agent = v.user_agent;
        h.time_ms = v.time_ms;
        who.identify(h, in, at(v.address), v.tab);
        return h;
    }
    hit identified(const visit& v) { return identified(v, zone); }

    salt_chain chain;
    identifier who{chain};
    local_zone zone{"Asia/Ho_Chi_Minh"};
};

BOOST_AUTO_TEST_SUITE(identify)

BOOST_AUTO_TEST_CASE(a_visitor_has_one_id_through_the_day_of_the_site)
{
    const temp_dir dir;
    world w(dir);
    const auto first = w.identified({});
    BOOST_TEST(first.local_date == today);
    BOOST_TEST(first.visitor != 0U);
    for (auto time_ms = day_begin; time_ms < day_begin + day_ms; time_ms += 7 * minute_ms) {
        BOOST_TEST_CONTEXT(utc_text(time_ms))
        {
            const auto h = w.identified({.time_ms = time_ms});
            BOOST_TEST(h.local_date == today);
            BOOST_TEST(h.visitor == first.visitor);
        }
    }
}

// At 00:00 UTC, seven in the morning, nothing happens: a reader is not counted twice.
BOOST_AUTO_TEST_CASE(the_id_changes_at_midnight_of_the_site)
{
    const temp_dir dir;
    world w(dir);
    const auto last = w.identified({.time_ms = day_begin - 1});
    const auto first = w.identified({.time_ms = day_begin});
    BOOST_TEST(last.local_date == today - 1);
    BOOST_TEST(first.local_date == today);
    BOOST_TEST(first.visitor != last.visitor);
    BOOST_TEST(w.identified({.time_ms = today * day_ms}).visitor ==
               w.identified({.time_ms = today * day_ms - 1}).visitor);
}

BOOST_AUTO_TEST_CASE(another_day_site_browser_or_address_is_another_visitor)
{
    const temp_dir dir;
    world w(dir);
    const visit table[] = {
        {},
        {.site = "skhc"},
        {.site = "skhcn2"},
        {.user_agent = "Mozilla/5.1"},
        {.user_agent = "Mozilla/5.0 "},
        {.user_agent = ""},
        {.user_agent = "\xFF"},
        {.address = "192.0.2.2"},
        {.address = "192.0.3.1"},
        {.address = "2001:db8::1"},
        {.address = "2001:db8:0:1::1"},
        {.address = "::1"},
        {.time_ms = now_ms + day_ms},
        {.time_ms = now_ms + 2 * day_ms},
        {.time_ms = now_ms - day_ms},
        {.tab = "1"},
        {.tab = "2"},
        {.user_agent = "Mozilla/5.01"},
        {.user_agent = "Mozilla/5.0", .address = "192.0.2.2", .tab = "1"},
    };
    std::set<std::uint64_t> ids;
    for (std::size_t row = 0; row < std::size(table); ++row)
        BOOST_TEST_CONTEXT("row " << row)
    BOOST_TEST(ids.insert(w.identified(table[row]).visitor).second);
}

// Offices where hundreds share one address: the limit of new pages is still that of the address.
BOOST_AUTO_TEST_CASE(a_tab_is_a_visitor_at_its_address_and_no_client_of_its_own)
{
    const temp_dir dir;
    world w(dir);
    const auto none = w.identified({}), one = w.identified({.tab = "1"}),
               two = w.identified({.tab = "2"});
    BOOST_TEST(one.visitor == w.identified({.tab = "1"}).visitor);
    BOOST_TEST(one.visitor != two.visitor);
    BOOST_TEST(one.visitor != none.visitor);
    BOOST_TEST(one.client == two.client);
    BOOST_TEST(one.client == none.client);
    const auto late = w.identified({.time_ms = day_begin - 1, .tab = "1"});
    const auto early = w.identified({.time_ms = day_begin, .tab = "1"});
    BOOST_TEST(early.visitor_before == late.visitor);
    BOOST_TEST(early.visitor != late.visitor);
}

// What stands in one field is not taken for the beginning of the next.
BOOST_AUTO_TEST_CASE(fields_do_not_run_into_each_other)
{
    const temp_dir dir;
    world w(dir);
    BOOST_TEST(w.identified({.site = "ab", .user_agent = "c"}).visitor !=
               w.identified({.site = "a", .user_agent = "bc"}).visitor);
}

// A phone takes a new address within its network every day, and may take one every minute.
BOOST_AUTO_TEST_CASE(addresses_of_one_ipv6_network_are_one_visitor)
{
    const temp_dir dir;
    world w(dir);
    const auto first = w.identified({.address = "2001:db8:1:2::1"}).visitor;
    for (const std::string address : {"2001:db8:1:2::", "2001:db8:1:2::2", "[2001:db8:1:2::3]:443",
                                      "2001:db8:1:2:ffff:ffff:ffff:ffff"})
        BOOST_TEST_CONTEXT("address " << address)
    BOOST_TEST(w.identified({.address = address}).visitor == first);
    for (const std::string address : {"2001:db8:1:3::1", "2001:db8:1:1::1", "2001:db8:2:2::1"})
        BOOST_TEST_CONTEXT("address " << address)
    BOOST_TEST(w.identified({.address = address}).visitor != first);
}

// New paths are limited by client: one that changes its User-Agent must not become another.
BOOST_AUTO_TEST_CASE(a_client_is_an_address_on_a_site_for_a_day_whatever_the_user_agent)
{
    const temp_dir dir;
    world w(dir);
    const auto first = w.identified({});
    BOOST_TEST(first.client != 0U);
    BOOST_TEST(w.identified({.user_agent = "Opera"}).client == first.client);
    BOOST_TEST(w.identified({.user_agent = ""}).client == first.client);
    BOOST_TEST(w.identified({.site = "vpub"}).client != first.client);
    BOOST_TEST(w.identified({.address = "192.0.2.2"}).client != first.client);
    BOOST_TEST(w.identified({.time_ms = now_ms + day_ms}).client != first.client);
    BOOST_TEST(w.identified({.address = "2001:db8:1:2::1"}).client ==
               w.identified({.address = "2001:db8:1:2::2"}).client);
    BOOST_TEST(w.identified({.address = "2001:db8:1:2::1"}).client !=
               w.identified({.address = "2001:db8:1:3::1"}).client);
    // Nor does it tell the visitor id of a reader without a User-Agent.
    const auto bare = w.identified({.user_agent = ""});
    BOOST_TEST(bare.client != static_cast<std::uint32_t>(bare.visitor));
}

// So that a visit goes on over midnight: the fold looks for the visitor under both ids.
BOOST_AUTO_TEST_CASE(in_the_first_half_hour_of_the_day_yesterdays_id_is_told_too)
{
    const temp_dir dir;
    world w(dir);
    const auto yesterday = w.identified({.time_ms = day_begin - 1});
    BOOST_TEST(yesterday.visitor_before == 0U);
    const struct {
        std::int64_t after_midnight_ms;
        bool is_told;
    } table[] = {{-1, false},
                 {0, true},
                 {1, true},
                 {15 * minute_ms, true},
                 {30 * minute_ms - 1, true},
                 {30 * minute_ms, false},
                 {30 * minute_ms + 1, false},
                 {7 * 60 * minute_ms, false},  // midnight in UTC
                 {day_ms / 2, false},
                 {day_ms - 1, false}};
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.after_midnight_ms << " ms after midnight")
        {
            const auto h = w.identified({.time_ms = day_begin + row.after_midnight_ms});
            BOOST_TEST(h.visitor_before == (row.is_told ? yesterday.visitor : 0));
        }
    }
    const auto other = w.identified({.address = "192.0.2.2", .time_ms = day_begin});
    BOOST_TEST(other.visitor_before != yesterday.visitor);
}

// Clocks are set from 00:00 to 01:00; and a date that a zone has skipped is nobody's yesterday.
BOOST_AUTO_TEST_CASE(a_day_that_begins_without_a_midnight_has_its_first_half_hour_too)
{
    const temp_dir dir;
    const struct {
        std::string zone;
        std::int64_t begin_ms;
    } table[] = {{"Africa/Cairo", 1'776'981'600'000},   // 2026-04-24 01:00
                 {"Pacific/Apia", 1'325'239'200'000}};  // 2011-12-31 00:00, after the 29th
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.zone)
        {
            world w(dir, row.begin_ms);
            const local_zone zone(row.zone);
            const auto before = w.identified({.time_ms = row.begin_ms - 1}, zone);
            BOOST_TEST(before.visitor_before == 0U);
            for (const auto minutes : {0, 29}) {
                const auto h = w.identified({.time_ms = row.begin_ms + minutes * minute_ms}, zone);
                BOOST_TEST(h.visitor != before.visitor);
                BOOST_TEST(h.visitor_before == before.visitor);
            }
            BOOST_TEST(
                w.identified({.time_ms = row.begin_ms + 30 * minute_ms}, zone).visitor_before ==
                0U);
        }
    }
}

// One object is given all hits of a worker, whatever stood in the last one.
BOOST_AUTO_TEST_CASE(an_id_that_stood_there_before_is_not_left)
{
    const temp_dir dir;
    world w(dir);
    const visit v{.time_ms = day_begin};  // the hit's views point into it
    hit h = w.identified(v);
    BOOST_TEST(h.visitor_before != 0U);
    h.time_ms = now_ms;
    w.who.identify(h, w.zone, at("192.0.2.1"));
    BOOST_TEST(h.visitor_before == 0U);
    BOOST_TEST(h.visitor == w.identified({}).visitor);
}

BOOST_AUTO_TEST_CASE(each_site_has_the_day_of_its_own_zone)
{
    const temp_dir dir;
    world w(dir);
    const local_zone utc("UTC");
    const auto late = now_ms + 10 * 60 * minute_ms;  // 18:31Z: it is tomorrow in Vietnam
    const auto there = w.identified({.time_ms = late});
    const auto here = w.identified({.time_ms = late}, utc);
    BOOST_TEST(there.local_date == today + 1);
    BOOST_TEST(here.local_date == today);
    BOOST_TEST(here.visitor != there.visitor);
    BOOST_TEST(here.visitor == w.identified({}, utc).visitor);
}

// Only a few keys are kept at hand: asked for more days than that, in any order, they stay the
// same.
BOOST_AUTO_TEST_CASE(ids_do_not_depend_on_what_was_asked_before)
{
    const temp_dir dir;
    world w(dir);
    std::map<std::int32_t, std::uint64_t> ids;
    for (int round = 0; round < 3; ++round) {
        for (int day = 0; day < 30; ++day) {
            const auto h = w.identified({.time_ms = now_ms + (day * 7 % 30) * day_ms});
            BOOST_TEST(ids.try_emplace(h.local_date, h.visitor).first->second == h.visitor);
        }
    }
    BOOST_TEST(ids.size() == 30U);
}

BOOST_AUTO_TEST_CASE(a_restart_does_not_make_new_visitors)
{
    const temp_dir dir;
    std::uint64_t visitor = 0, before = 0, id = 0;
    {
        world w(dir, day_begin);
        visitor = w.identified({}).visitor;
        before = w.identified({.time_ms = day_begin}).visitor_before;
        id = w.who.hash_id("skhcn", "id-1");
    }
    {
        world again(dir, now_ms);
        BOOST_TEST(again.identified({}).visitor == visitor);
        BOOST_TEST(again.identified({.time_ms = day_begin}).visitor_before == before);
        BOOST_TEST(again.who.hash_id("skhcn", "id-1") == id);
    }
    // A repeat may come days later; the key of ids is not one of the days'.
    world later(dir, now_ms + 10 * day_ms);
    BOOST_TEST(later.who.hash_id("skhcn", "id-1") == id);
    BOOST_TEST(later.identified({}).visitor != visitor);
}

// Its key would tie the ids of that day to addresses for as long as it is at hand.
BOOST_AUTO_TEST_CASE(no_id_of_a_day_can_be_made_once_its_salt_is_deleted)
{
    const temp_dir dir;
    world w(dir);
    const auto former = w.identified({});
    const auto kept = w.identified({.time_ms = now_ms + 2 * day_ms});
    w.who.forget_old_keys();
    BOOST_TEST(w.identified({}).visitor == former.visitor);
    BOOST_TEST(!w.chain.forget_old(now_ms + 3 * day_ms));
    w.who.forget_old_keys();
    BOOST_TEST(w.identified({}).visitor != former.visitor);
    BOOST_TEST(w.identified({}).client != former.client);
    BOOST_TEST(w.identified({.time_ms = now_ms + 2 * day_ms}).visitor == kept.visitor);
}

BOOST_AUTO_TEST_CASE(another_chain_gives_other_ids)
{
    const temp_dir dir, other_dir;
    world w(dir), other(other_dir);
    BOOST_TEST(w.identified({}).visitor != other.identified({}).visitor);
    BOOST_TEST(w.who.hash_id("skhcn", "id-1") != other.who.hash_id("skhcn", "id-1"));
}

// 0 stands for a hit without an id, which is never taken for a repeat.
BOOST_AUTO_TEST_CASE(a_hit_id_has_a_hash_of_its_own_on_each_site)
{
    const temp_dir dir;
    world w(dir);
    const identifier worker_b(w.chain);
    std::set<std::uint64_t> hashes{0};
    for (const std::string site : {"a", "b", "skhcn"})
        for (int i = 0; i < 3000; ++i) {
            const auto id = "id-" + std::to_string(i);
            const auto hash = w.who.hash_id(site, id);
            BOOST_TEST_CONTEXT("site " << site << ", id " << id)
            BOOST_TEST(hashes.insert(hash).second);
            BOOST_TEST(worker_b.hash_id(site, id) == hash);
        }
    BOOST_TEST(w.who.hash_id("ab", "c") != w.who.hash_id("a", "bc"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace identify_test
