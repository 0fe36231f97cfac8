// The rules of docs/verify.md on states that are as they must be, and on such that are not.

#include "aggregator/rules.hpp"

#include <boost/test/unit_test.hpp>
#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace rules_test {

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

/// A hash as HGETALL answers it.
class hash {
public:
    hash(std::initializer_list<std::pair<std::string, std::string>> fields)
    {
        auto bytes = fmt::format("*{}\r\n", 2 * fields.size());
        for (const auto& [name, value] : fields)
            bytes +=
                fmt::format("${}\r\n{}\r\n${}\r\n{}\r\n", name.size(), name, value.size(), value);
        luot::redis::reply_parser parser;
        BOOST_TEST_REQUIRE(!parser.feed(bytes));
        auto parsed = parser.next();
        BOOST_TEST_REQUIRE((parsed.has_value() && *parsed));
        reply_ = std::move(*parsed);
    }

    [[nodiscard]] luot::redis::reply_view view() const
    {
        return luot::redis::reply_view(reply_.get());
    }

private:
    luot::redis::owned_reply reply_;
};

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

BOOST_AUTO_TEST_CASE(a_list_of_new_paths_has_no_more_than_the_day_has_brought)
{
    const auto rules_of_list = [](std::uint64_t bytes, std::uint64_t brought) {
        differences found;
        check_first_seen("list", "day", bytes, brought, found);
        return rules_of(found);
    };
    BOOST_TEST(rules_of_list(0, 0) == "");
    BOOST_TEST(rules_of_list(16, 2) == "");
    BOOST_TEST(rules_of_list(8, 2) == "");  // pruned
    BOOST_TEST(rules_of_list(24, 2) == "first_seen_within_new_paths:");
    BOOST_TEST(rules_of_list(15, 2) == "first_seen_list:");
}

BOOST_AUTO_TEST_CASE(a_client_brings_one_to_twenty_new_paths_in_an_hour)
{
    client_paths clients{"hour", {}};
    differences found;
    clients.add(hash{{"000000ab", "1"}, {"000000cd", "20"}}.view(), found);
    clients.add(hash{{"000000ab", "3"}}.view(), found);
    BOOST_TEST(found.empty());
    BOOST_TEST(clients.sum() == 23U);
    for (const auto& [client, count] :
         std::vector<std::pair<std::string, std::string>>{{"000000ab", "0"},
                                                          {"000000ab", "21"},
                                                          {"000000ab", "-1"},
                                                          {"000000ab", "some"},
                                                          {"000000AB", "1"},
                                                          {"0ab", "1"},
                                                          {"", "1"}}) {
        found.clear();
        clients.add(hash{{client, count}}.view(), found);
        BOOST_TEST(rules_of(found) == "new_paths_of_client:", client << ' ' << count);
    }
}

BOOST_AUTO_TEST_CASE(an_aggregator_has_two_times_of_which_none_is_far_ahead)
{
    constexpr std::int64_t now = 1'627'288'260'000;
    const auto rules_of_entry = [](const std::string& owner, const std::string& times) {
        differences found;
        check_aggregators("list", hash{{owner, times}}.view(), now, found);
        return rules_of(found);
    };
    BOOST_TEST(rules_of_entry(a, fmt::format("{} {}", now - 5, now + 6000)) == "");
    BOOST_TEST(rules_of_entry(a, "0 0") == "");  // its time is over
    for (const auto& times :
         {std::string("7"), std::string("7 "), std::string(" 7"), std::string("8 7"),
          std::string("7 8 9"), std::string("-1 7"), std::string("a b"), std::string(),
          fmt::format("{} {}", now, now + 86'400'001)})
        BOOST_TEST(rules_of_entry(a, times) == "aggregator_entry:" + a, times);
    BOOST_TEST(rules_of_entry("somebody", "1 2") == "aggregator_entry:somebody");
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

}  // namespace rules_test
