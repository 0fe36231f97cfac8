// What is read of INFO and TIME.

#include "core/redis/server_gauges.hpp"

#include <boost/test/unit_test.hpp>

namespace server_gauges_test {

using namespace luot::redis;

BOOST_AUTO_TEST_SUITE(server_gauges)

BOOST_AUTO_TEST_CASE(memory_is_read_whatever_stands_around_it)
{
    const auto read = parse_memory_info(
        "# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\nmaxmemory:2097152\r\n"
        "maxmemory_human:2.00M\r\nmaxmemory_policy:noeviction\r\ntotal_system_memory:4194304\r\n");
    BOOST_TEST_REQUIRE(read.has_value());
    BOOST_TEST((*read == memory_info{1'048'576, 2'097'152, false, 4'194'304}));
    const auto evicting =
        parse_memory_info("maxmemory_policy:allkeys-lru\nmaxmemory:0\nused_memory:7");
    BOOST_TEST_REQUIRE(evicting.has_value());
    BOOST_TEST((*evicting == memory_info{7, 0, true}));
}

// A Redis, or what answers for one, that says less is not shown as one without memory.
BOOST_AUTO_TEST_CASE(half_an_answer_is_none)
{
    for (const auto* text : {"", "used_memory:1\r\n", "used_memory:1\r\nmaxmemory:0\r\n",
                             "used_memory:x\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n",
                             "used_memory_rss:1\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n",
                             "NOPERM this user has no permissions to run the 'info' command"})
        BOOST_TEST(!parse_memory_info(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(half_a_round_trip_is_taken_off_the_skew)
{
    BOOST_TEST(clock_skew_ms(10'050'000, 10'000, 10'100) == 0);
    BOOST_TEST(clock_skew_ms(7'050'000, 10'000, 10'100) == 3000);
    BOOST_TEST(clock_skew_ms(11'050'500, 10'000, 10'100) == -1000.5);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace server_gauges_test
