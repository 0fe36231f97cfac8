// Noticing a Redis that fell back, and waiting for one's own hit.

#include "aggregator/progress.hpp"

#include "core/bytes.hpp"
#include "core/keys.hpp"
#include "tests/unit/support/redis_session.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

namespace progress_test {

using namespace luot;
using namespace luot::aggregator;
using luot::testing::redis_session;
namespace asio = boost::asio;

constexpr std::int64_t now = 1'627'288'260'000;
constexpr std::size_t most_waiting = 1000;
constexpr std::int64_t patience_ms = std::chrono::milliseconds(fall_back_guard::patience).count();

/// An answer to a question that was asked just now.
bool shows(fall_back_guard& guard, unsigned partition, std::uint64_t applied, std::int64_t at)
{
    return guard.may_show(partition, applied, guard.highest(partition), at);
}

BOOST_AUTO_TEST_SUITE(falling_back)

// Two workers ask at about the same time: the later answer may be used first.
BOOST_AUTO_TEST_CASE(answers_that_overtake_each_other_are_no_fall_back)
{
    fall_back_guard guard;
    BOOST_TEST(shows(guard, 3, 100, now));
    const auto asked_at = guard.highest(3);
    BOOST_TEST(shows(guard, 3, 105, now));
    BOOST_TEST(guard.may_show(3, 101, asked_at, now));
    BOOST_TEST(!shows(guard, 3, 104, now));
}

BOOST_AUTO_TEST_CASE(what_only_rises_is_shown)
{
    fall_back_guard guard;
    BOOST_TEST(shows(guard, 3, 0, now));
    BOOST_TEST(shows(guard, 3, 100, now));
    BOOST_TEST(shows(guard, 3, 100, now + 1));
    BOOST_TEST(shows(guard, 3, 101, now + 2));
    // After a start there is nothing to compare with.
    fall_back_guard another;
    BOOST_TEST(shows(another, 3, 50, now));
}

BOOST_AUTO_TEST_CASE(behind_what_was_shown_nothing_is_until_it_has_caught_up)
{
    fall_back_guard guard;
    BOOST_TEST(shows(guard, 0, 100, now));
    BOOST_TEST(!shows(guard, 0, 60, now + 10));
    BOOST_TEST(!shows(guard, 0, 60, now + 1'000));
    BOOST_TEST(!shows(guard, 0, 99, now + 2'000));
    BOOST_TEST(shows(guard, 0, 100, now + 3'000));
    BOOST_TEST(shows(guard, 0, 101, now + 3'001));
    BOOST_TEST(!shows(guard, 0, 100, now + 3'002));
}

// What was declared lost will not come back: a counter must not stay silent for ever.
BOOST_AUTO_TEST_CASE(after_its_patience_it_takes_redis_as_it_is)
{
    BOOST_TEST(patience_ms == 30'000);
    fall_back_guard guard;
    BOOST_TEST(shows(guard, 0, 100, now));
    BOOST_TEST(!shows(guard, 0, 60, now + 5));
    BOOST_TEST(!shows(guard, 0, 70, now + 5 + patience_ms));
    BOOST_TEST(shows(guard, 0, 70, now + 5 + patience_ms + 1));
    // From here on that is what was shown.
    BOOST_TEST(!shows(guard, 0, 69, now + patience_ms + 7));
    BOOST_TEST(shows(guard, 0, 70, now + patience_ms + 8));
    BOOST_TEST(shows(guard, 0, 71, now + patience_ms + 9));
}

BOOST_AUTO_TEST_CASE(each_fall_has_the_whole_patience)
{
    fall_back_guard guard;
    BOOST_TEST(shows(guard, 0, 100, now));
    BOOST_TEST(!shows(guard, 0, 60, now));
    BOOST_TEST(shows(guard, 0, 100, now + 29'000));
    BOOST_TEST(!shows(guard, 0, 80, now + 40'000));
    BOOST_TEST(!shows(guard, 0, 80, now + 69'000));
    BOOST_TEST(shows(guard, 0, 80, now + 70'001));
}

BOOST_AUTO_TEST_CASE(partitions_fall_back_apart)
{
    fall_back_guard guard;
    for (unsigned p = 0; p < 16; ++p)
        BOOST_TEST(shows(guard, p, 1000 + p, now));
    BOOST_TEST(!shows(guard, 7, 10, now + 1));
    for (unsigned p = 0; p < 16; ++p)
        BOOST_TEST(shows(guard, p, 1000 + p, now + 2) == true);
    BOOST_TEST(!shows(guard, 7, 10, now + 3));
    BOOST_TEST(!shows(guard, 8, 10, now + 3 + patience_ms));
    BOOST_TEST(shows(guard, 7, 10, now + 4 + patience_ms));
    BOOST_TEST(!shows(guard, 8, 10, now + 4 + patience_ms));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(waiting_for_the_own_hit,
                      *boost::unit_test::precondition(luot::testing::has_redis_server))

const std::string producer = "00000000000000aa";

constexpr std::size_t most_waiting = 200;

hit_token token(std::uint64_t offset)
{
    return {0xAA, 5, offset};
}

void set_applied(redis_session& redis, std::uint64_t applied)
{
    redis::pipeline p;
    p.add("HSET", keys::producers(5), producer + ":applied", applied);
    redis.exec(p);
}

BOOST_AUTO_TEST_CASE(what_is_applied_is_not_waited_for)
{
    redis_session redis;
    set_applied(redis, 10);
    progress all(redis.context(), redis.client(), most_waiting);
    for (const std::uint64_t offset : {1U, 9U, 10U})
        BOOST_TEST(redis.run(all.reached({token(offset)})));
    BOOST_TEST(redis.run(all.reached({token(10), token(2), token(7)})));
    BOOST_TEST(redis.run(all.reached({})));
}

BOOST_AUTO_TEST_CASE(a_reader_waits_until_the_hit_is_applied)
{
    redis_session redis;
    set_applied(redis, 9);
    progress all(redis.context(), redis.client(), most_waiting);
    // Nothing else tells a reader of the hit: it is asked for until it is there.
    bool reached = false, ended = false;
    asio::co_spawn(redis.context(), all.reached({token(10)}), [&](std::exception_ptr, bool r) {
        reached = r;
        ended = true;
    });
    redis::pipeline ping;
    ping.add("PING");
    for (int i = 0; i < 5; ++i)
        redis.exec(ping);
    BOOST_TEST(!ended);
    set_applied(redis, 10);
    redis.run_until([&] { return ended; });
    BOOST_TEST(reached);
}

// A page may have sent several hits, of one log or of several.
BOOST_AUTO_TEST_CASE(a_reader_waits_for_the_last_of_its_hits)
{
    redis_session redis;
    set_applied(redis, 9);
    progress all(redis.context(), redis.client(), most_waiting);
    bool reached = false, ended = false;
    asio::co_spawn(redis.context(), all.reached({token(9), {0xAB, 6, 3}, token(10)}),
                   [&](std::exception_ptr, bool r) {
                       reached = r;
                       ended = true;
                   });
    set_applied(redis, 10);
    redis::pipeline ping;
    ping.add("PING");
    for (int i = 0; i < 5; ++i)
        redis.exec(ping);
    BOOST_TEST(!ended);
    redis.text("HSET", keys::producers(6), to_hex(0xAB) + ":applied", 3);
    redis.run_until([&] { return ended; });
    BOOST_TEST(reached);
}

BOOST_AUTO_TEST_CASE(a_hit_that_does_not_come_is_waited_for_a_second)
{
    redis_session redis;
    set_applied(redis, 9);
    progress all(redis.context(), redis.client(), most_waiting);
    const auto begun = std::chrono::steady_clock::now();
    // Neither a later hit, nor one of another partition or log; nor one of these beside one that
    // has come.
    const std::vector<std::vector<hit_token>> table{{token(10)},
                                                    {{0xAA, 6, 1}},
                                                    {{0xAB, 5, 1}},
                                                    {token(9), token(10)},
                                                    {{0xAB, 5, 1}, token(1)}};
    std::size_t waiting = 0;
    for (const auto& tokens : table) {
        ++waiting;
        asio::co_spawn(redis.context(), all.reached(tokens), [&](std::exception_ptr, bool reached) {
            BOOST_TEST(!reached);
            --waiting;
        });
    }
    redis.run_until([&] { return waiting == 0; });
    const auto spent = std::chrono::steady_clock::now() - begun;
    BOOST_TEST((spent >= progress::longest_wait));
    BOOST_TEST((spent < 5 * progress::longest_wait));
}

BOOST_AUTO_TEST_CASE(beyond_the_most_that_may_wait_readers_are_answered_at_once)
{
    redis_session redis;
    progress all(redis.context(), redis.client(), most_waiting);
    std::size_t waiting = 0;
    for (std::size_t i = 0; i < most_waiting; ++i) {
        ++waiting;
        asio::co_spawn(redis.context(), all.reached({token(1)}),
                       [&](std::exception_ptr, bool) { --waiting; });
    }
    redis.context().restart();
    redis.context().poll();  // all of them have begun
    const bool reached = redis.run(all.reached({token(1)}));
    BOOST_TEST(!reached);
    BOOST_TEST(waiting == most_waiting);
    set_applied(redis, 1);
    redis.run_until([&] { return waiting == 0; });
}

BOOST_AUTO_TEST_CASE(without_redis_nobody_waits)
{
    redis_session redis;
    progress all(redis.context(), redis.client(), most_waiting);
    redis.server().stop();
    redis.run_until([&] { return !redis.client().is_connected(); });
    const auto begun = std::chrono::steady_clock::now();
    BOOST_TEST(!redis.run(all.reached({token(1)})));
    BOOST_TEST((std::chrono::steady_clock::now() - begun < progress::longest_wait));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace progress_test
