// The rules of docs/verify.md on states that are as they must be, and on such that are not.

#include "aggregator/rules.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

namespace {

using namespace luot::aggregator;

const std::string a = "00000000000000aa", b = "00000000000000bb";

std::string rules_of(const differences& found)
{
    std::string names;
    for (const auto& d : found)
        names += (names.empty() ? "" : " ") + d.rule + ":" + d.field;
    return names;
}

producers_state two_producers()
{
    producers_state s;
    s.key = "luot:{p00}:producers";
    s.producers[a] = {7, 3, 0, "", 0};
    s.producers[b] = {2, 2, 0, "", 0};
    s.applied = 5;
    s.bytes = 30;
    s.last_ms = 1002;
    s.tip = "1000-5";
    return s;
}

const std::vector<stream_entry> waiting{{"1001-9", a, 3, 4, 10, false},
                                        {"1002-1", a, 4, 7, 20, false}};

std::string stream_rules(producers_state s, const std::vector<stream_entry>& entries)
{
    differences found;
    check_producers(s, found);
    check_stream("luot:{p00}:hits", entries, s, found);
    return rules_of(found);
}

BOOST_AUTO_TEST_SUITE(rules)

BOOST_AUTO_TEST_CASE(a_stream_that_leads_from_applied_to_shipped_is_right)
{
    BOOST_TEST(stream_rules(two_producers(), waiting) == "");
    auto s = two_producers();
    differences none;
    check_stream("luot:{p00}:hits", waiting, s, none);
    BOOST_TEST(s.producers[a].queued == 4U);
}

BOOST_AUTO_TEST_CASE(entries_must_follow_each_other)
{
    auto gap = waiting;
    gap[1].prev = 5;
    BOOST_TEST(stream_rules(two_producers(), gap) == "entries_follow:" + a + ":shipped");
    auto late = waiting;
    late[0].prev = 2;
    BOOST_TEST(stream_rules(two_producers(), late) == "entries_follow:" + a + ":applied");
    auto short_one = two_producers();
    short_one.producers[a].shipped = 8;
    BOOST_TEST(stream_rules(short_one, waiting) == "entries_follow:" + a + ":shipped");
    auto missing = two_producers();
    missing.producers[b].shipped = 3;
    BOOST_TEST(stream_rules(missing, waiting) == "entries_follow:" + b + ":shipped");
}

BOOST_AUTO_TEST_CASE(a_producer_whose_name_was_taken_off_is_left_out)
{
    auto s = two_producers();
    s.producers[a] = {std::nullopt, 4, 0, "", 0};
    s.applied = 6;
    BOOST_TEST(stream_rules(s, waiting) == "");
    s.producers.erase(a);
    BOOST_TEST(stream_rules(s, waiting) == "");
}

BOOST_AUTO_TEST_CASE(numbers_of_the_partition)
{
    auto s = two_producers();
    s.bytes = 31;
    s.last_ms = 1001;
    s.tip = "1001-9";
    s.applied = 4;
    s.lost = 0;
    s.producers[b].lost = 3;
    BOOST_TEST(stream_rules(s, waiting) == "lost_within_shipped:" + b +
                                               ":lost applied_of_all:applied lost_of_all:lost "
                                               "bytes_waiting:bytes newest_entry:last_ms "
                                               "tip_is_behind:tip");
}

BOOST_AUTO_TEST_CASE(an_empty_stream_ends_in_the_tip)
{
    auto s = two_producers();
    s.producers[a].applied = 7;
    s.applied = 9;
    s.bytes = 0;
    s.tip = "1002-1";
    BOOST_TEST(stream_rules(s, {}) == "");
    s.tip = "1001-9";
    BOOST_TEST(stream_rules(s, {}) == "newest_entry:tip");
}

BOOST_AUTO_TEST_CASE(a_month_is_the_sum_of_its_days)
{
    const count_hash month{"m", {{"views", 5}, {"visits", 3}, {"visitor_days", 4}, {"bots:ai", 1}}};
    const count_hash first{"d1", {{"views", 2}, {"visits", 1}, {"visitors", 2}, {"new_paths", 9}}};
    const count_hash second{
        "d2", {{"views", 3}, {"visits", 2}, {"visitors", 2}, {"bots:ai", 1}, {"views@0", 3}}};
    differences found;
    check_sum("sum", month, {first, second}, "d*", found);
    BOOST_TEST(rules_of(found) == "");
    check_sum("sum", month, {first}, "d*", found);
    BOOST_TEST(rules_of(found) == "sum:bots:ai sum:views sum:visitor_days sum:visits");
    BOOST_TEST(found[1].keys == "m,d1");
    found.clear();
    // A sum whose whole is not there at all.
    check_sum("sum", {"m", {}}, {second}, "d*", found);
    BOOST_TEST(rules_of(found) == "sum:bots:ai sum:views sum:visitor_days sum:visits");
}

BOOST_AUTO_TEST_CASE(within_a_day)
{
    const auto rules_of_day = [](decltype(count_hash::counts) counts) {
        differences found;
        check_hash({"luot:{p00}:s:day:2021-07-26", std::move(counts)}, found);
        return rules_of(found);
    };
    BOOST_TEST(rules_of_day({}) == "");
    BOOST_TEST(rules_of_day({{"bots", 3}, {"bots:ai", 1}, {"bots:other", 2}}) == "");
    BOOST_TEST(rules_of_day({{"bots", 2}, {"bots:ai", 1}}) == "bots_by_kind:bots");
    BOOST_TEST(
        rules_of_day(
            {{"views", 3}, {"visits", 1}, {"views@0", 1}, {"views@3600", 2}, {"visits@0", 1}}) ==
        "");
    BOOST_TEST(rules_of_day({{"views", 3}, {"views@0", 2}}) == "hours_of_day:views");
    BOOST_TEST(rules_of_day({{"views", 2}, {"visits", 1}, {"views@0", 2}, {"visits@3600", 1}}) ==
               "visits_within_views:visits@3600");
    BOOST_TEST(rules_of_day({{"views", 1}, {"views@0", 1}, {"visitors", 2}}) ==
               "visits_within_views:visitors");
}

BOOST_AUTO_TEST_CASE(ids_are_in_the_order_of_time_and_bits)
{
    BOOST_TEST(is_earlier("9-9", "10-1"));
    BOOST_TEST(is_earlier("10-1", "10-2"));
    BOOST_TEST(!is_earlier("10-2", "10-2"));
    BOOST_TEST(is_earlier("10-2", "10-9007199254740991"));
}

BOOST_AUTO_TEST_CASE(a_line_cannot_be_forged)
{
    const difference d{"rule", "key", "", "/x\n\x1b y", "1", "2"};
    BOOST_TEST(text_of(d) == "rule key member=/x\\x0a\\x1b\\x20y found=\"1\" expected=\"2\"");
    BOOST_TEST(!d.is_about_the_same({"rule", "key", "", "/y", "1", "2"}));
    BOOST_TEST(d.is_about_the_same({"rule", "key", "", d.member, "5", "6"}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
