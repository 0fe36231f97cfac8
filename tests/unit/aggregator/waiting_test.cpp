// Who waits for which log: what is asked for, in which order, and who is answered.

#include "aggregator/waiting.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace waiting_test {

using namespace luot;
using namespace luot::aggregator;
using namespace std::chrono_literals;

constexpr unsigned partition = 5;
constexpr auto turn = 5ms;
const waiting::time_point begun{};

/// Made-up tokens, each of another log.
std::vector<hit_token> made_up(std::uint64_t& next, std::size_t count)
{
    std::vector<hit_token> out;
    while (out.size() < count)
        out.push_back({next++, partition, 1});
    return out;
}

hit_log log(std::uint64_t producer)
{
    return {partition, producer};
}

/// Readers with so many made-up tokens each, all waiting.
struct crowd {
    crowd(waiting& all, std::size_t count, std::size_t tokens)
    {
        for (std::size_t i = 0; i < count; ++i)
            all.add(readers.emplace_back(made_up(next, tokens)), begun);
    }
    std::uint64_t next = 1'000'000;
    std::deque<waiting::reader> readers;
};

BOOST_AUTO_TEST_SUITE(waiting_readers)

BOOST_AUTO_TEST_CASE(an_answer_reaches_those_whose_hits_it_covers_and_nobody_else)
{
    waiting all;
    waiting::reader nine({{1, partition, 9}}), ten({{1, partition, 10}}),
        also_ten({{1, partition, 10}}), eleven({{1, partition, 11}}),
        other_log({{2, partition, 1}}), other_partition({{1, partition + 1, 1}});
    for (auto* r : {&nine, &ten, &also_ten, &eleven, &other_log, &other_partition})
        all.add(*r, begun);
    BOOST_TEST(all.size() == 6U);
    BOOST_TEST(all.answer(log(1), 8, begun).empty());
    auto reached = all.answer(log(1), 10, begun);
    BOOST_TEST((std::set(reached.begin(), reached.end()) == std::set{&nine, &ten, &also_ten}));
    BOOST_TEST(all.size() == 3U);
    BOOST_TEST(all.answer(log(1), std::nullopt, begun).empty());
    BOOST_TEST(all.answer(log(3), 100, begun).empty());
    BOOST_TEST((all.answer(log(2), 1, begun) == std::vector{&other_log}));
    BOOST_TEST(!eleven.has_reached());
    BOOST_TEST(!other_partition.has_reached());
}

// The order in which a page names its tokens does not matter.
BOOST_AUTO_TEST_CASE(a_reader_waits_for_its_logs_one_after_the_other)
{
    waiting all;
    waiting::reader r({{1, partition, 3}, {2, partition, 7}, {1, partition, 5}, {1, partition, 4}});
    all.add(r, begun);
    std::map<hit_log, std::uint64_t> applied{{log(1), 4}, {log(2), 7}};
    std::vector<waiting::reader*> reached;
    for (int turns = 0; turns < 4; ++turns) {
        const auto asked = all.due(begun + turns * turn);
        BOOST_TEST(asked.size() == 1U);
        for (const auto& l : asked)
            BOOST_TEST(all.answer(l, applied[l], begun + turns * turn).empty());
    }
    BOOST_TEST(!r.has_reached());
    applied[log(1)] = 5;
    for (int turns = 4; turns < 8 && reached.empty(); ++turns)
        for (const auto& l : all.due(begun + turns * turn))
            reached = all.answer(l, applied[l], begun + turns * turn);
    BOOST_TEST((reached == std::vector{&r}));
    BOOST_TEST(all.size() == 0U);
    BOOST_TEST(all.due(begun + 1h).empty());
}

BOOST_AUTO_TEST_CASE(whoever_gives_up_is_asked_for_no_more)
{
    waiting all;
    waiting::reader first({{1, partition, 9}}), second({{1, partition, 9}}),
        third({{2, partition, 1}});
    for (auto* r : {&first, &second, &third})
        all.add(*r, begun);
    all.remove(first);
    all.remove(third);
    BOOST_TEST((all.due(begun) == std::vector{log(1)}));
    BOOST_TEST((all.answer(log(1), 9, begun) == std::vector{&second}));
    all.remove(second);
    BOOST_TEST(all.size() == 0U);
    BOOST_TEST(all.due(begun).empty());
    BOOST_TEST(all.answer(log(2), 1, begun).empty(), "a late answer is nobody's");
}

BOOST_AUTO_TEST_CASE(more_logs_than_readers_are_never_asked_for)
{
    waiting all;
    const crowd readers(all, 10, 16);
    BOOST_TEST(all.due(begun).size() == 10U);
}

// However many wait, each turn has its bound, and nobody is asked for twice before all are once.
BOOST_AUTO_TEST_CASE(all_have_their_turn)
{
    constexpr std::size_t count = 1000;
    waiting all;
    const crowd readers(all, count, 16);
    std::map<hit_log, std::size_t> times;
    auto now = begun;
    for (int turns = 0; turns < 40; ++turns, now += turn) {
        const auto asked = all.due(now);
        BOOST_TEST(asked.size() == waiting::most_asked);
        for (const auto& l : asked) {
            ++times[l];
            BOOST_TEST(all.answer(l, 0, now).empty());
        }
        const auto [least, most] =
            std::minmax_element(times.begin(), times.end(),
                                [](const auto& a, const auto& b) { return a.second < b.second; });
        BOOST_TEST(most->second - (times.size() < count ? 0 : least->second) <= 1U);
    }
    BOOST_TEST(times.size() == count);
}

BOOST_AUTO_TEST_CASE(a_log_that_redis_does_not_know_is_asked_for_ever_more_rarely)
{
    waiting all;
    waiting::reader unknown({{1, partition, 1}}), known({{2, partition, 10}});
    all.add(unknown, begun);
    all.add(known, begun);
    std::map<std::uint64_t, std::vector<std::chrono::milliseconds>> asked_at;
    for (auto since = 0ms; since < 1000ms; since += turn)
        for (const auto& l : all.due(begun + since)) {
            asked_at[l.producer].push_back(since);
            const auto applied = l.producer == 2 ? std::optional<std::uint64_t>(9) : std::nullopt;
            BOOST_TEST(all.answer(l, applied, begun + since).empty());
        }
    BOOST_TEST((asked_at[1] ==
                std::vector{0ms, 5ms, 15ms, 35ms, 75ms, 155ms, 315ms, 475ms, 635ms, 795ms, 955ms}));
    BOOST_TEST(asked_at[2].size() == 200U);
}

// Its first hits are about to be shipped: who comes just now must not wait for the others' pause.
BOOST_AUTO_TEST_CASE(for_whoever_comes_a_log_is_asked_for_at_once)
{
    waiting all;
    waiting::reader first({{1, partition, 9}}), second({{1, partition, 1}});
    all.add(first, begun);
    auto now = begun;
    for (int i = 0; i < 6; ++i, now += waiting::longest_pause)
        BOOST_TEST(all.answer(log(1), std::nullopt, now).empty());
    now -= turn;
    BOOST_TEST(all.due(now).empty());
    all.add(second, now);
    for (const auto pause : {5ms, 10ms}) {  // and at a new log's pace from then on
        BOOST_TEST((all.due(now) == std::vector{log(1)}));
        BOOST_TEST(all.answer(log(1), std::nullopt, now).empty());
        BOOST_TEST(all.due(now + pause - 1ms).empty());
        now += pause;
    }
    BOOST_TEST((all.answer(log(1), 1, now) == std::vector{&second}));
    BOOST_TEST((all.due(now) == std::vector{log(1)}), "it is known now");
    BOOST_TEST(all.answer(log(1), std::nullopt, now).empty());
    BOOST_TEST((all.due(now + 5ms) == std::vector{log(1)}), "it was known just now");
}

// Those who come later, and again and again, do not keep a log from its turn.
BOOST_AUTO_TEST_CASE(newcomers_put_nobody_off)
{
    waiting all;
    const crowd readers(all, waiting::most_asked, 1);
    waiting::reader honest({{1, partition, 1}});
    std::deque<waiting::reader> more;
    all.add(honest, begun + 1ms);
    std::uint64_t next = 2'000'000;
    for (int i = 0; i < 1000; ++i) {
        all.add(more.emplace_back(made_up(next, 16)), begun + 2ms);
        all.add(more.emplace_back(std::vector<hit_token>{{1, partition, 5}}), begun + 2ms);
    }
    for (const auto& l : all.due(begun + turn))
        BOOST_TEST(all.answer(l, std::nullopt, begun + turn).empty());
    const auto asked = all.due(begun + turn);
    BOOST_REQUIRE(!asked.empty());
    BOOST_TEST((asked.front() == log(1)));
    BOOST_TEST((all.answer(log(1), 1, begun + turn) == std::vector{&honest}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace waiting_test
