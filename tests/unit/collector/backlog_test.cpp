// How old and how large what Redis has not confirmed is said to be.

#include "collector/backlog.hpp"

#include <boost/test/unit_test.hpp>

#include <vector>

namespace backlog_test {

using namespace luot;
using collector::unconfirmed_of;
using collector::waiting_since;

spool::per_partition offsets(std::uint64_t first, std::uint64_t second = 0)
{
    spool::per_partition out{};
    out[0] = first;
    out[1] = second;
    return out;
}

spool::segment segment_of(std::int64_t begun_ms, std::uint64_t payload, spool::per_partition before)
{
    spool::segment s;
    s.header.begun_ms = begun_ms;
    s.header.offsets = before;
    s.bytes = spool::header_bytes + payload;
    return s;
}

BOOST_AUTO_TEST_SUITE(backlog)

BOOST_AUTO_TEST_CASE(hits_wait_since_they_were_committed_until_all_partitions_have_them)
{
    waiting_since waits;
    waits.note(1000, offsets(0), offsets(0));
    BOOST_TEST(!waits.since_ms());
    waits.note(2000, offsets(3, 1), offsets(0));
    waits.note(3000, offsets(5, 1), offsets(3, 0));
    BOOST_TEST(waits.since_ms().value_or(-1) == 2000);
    waits.note(4000, offsets(5, 1), offsets(3, 1));
    BOOST_TEST(waits.since_ms().value_or(-1) == 3000);
    waits.note(5000, offsets(5, 1), offsets(5, 1));
    BOOST_TEST(!waits.since_ms());
    waits.note(9000, offsets(6, 1), offsets(5, 1));
    BOOST_TEST(waits.since_ms().value_or(-1) == 9000);
}

// A day without Redis: the oldest hit's age stays exact, and is never said to be less.
BOOST_AUTO_TEST_CASE(a_long_outage_takes_little_memory_and_stays_true)
{
    waiting_since waits;
    for (std::uint64_t i = 1; i <= 10'000; ++i)
        waits.note(static_cast<std::int64_t>(i) * 100, offsets(i), offsets(0));
    BOOST_TEST(waits.since_ms().value_or(-1) == 100);
    for (std::uint64_t done = 0; done < 10'000; done += 77) {
        waits.note(1'000'000, offsets(10'000), offsets(done));
        const auto oldest = static_cast<std::int64_t>(done + 1) * 100;
        BOOST_TEST_REQUIRE(waits.since_ms().has_value());
        BOOST_TEST(*waits.since_ms() <= oldest);
        BOOST_TEST(*waits.since_ms() >= oldest - 1'000'000 / 20);
    }
    waits.note(1'000'000, offsets(10'000), offsets(10'000));
    BOOST_TEST(!waits.since_ms());
}

// What was confirmed and is lost again is older than anything that is remembered.
BOOST_AUTO_TEST_CASE(behind_a_redis_that_fell_back_nothing_is_claimed)
{
    waiting_since waits;
    waits.note(1000, offsets(5), offsets(0));
    waits.note(2000, offsets(5), offsets(5));
    waits.note(3000, offsets(6), offsets(2));
    BOOST_TEST(!waits.since_ms());
    waits.note(4000, offsets(6), offsets(5));
    BOOST_TEST(waits.since_ms().value_or(-1) == 3000);
}

BOOST_AUTO_TEST_CASE(bytes_are_those_of_the_segments_by_their_share_of_hits)
{
    const std::vector<spool::segment> segments{segment_of(10, 1000, offsets(0)),
                                               segment_of(20, 600, offsets(10)),
                                               segment_of(30, 0, offsets(12, 4))};
    const auto of = [&](spool::per_partition confirmed) {
        return unconfirmed_of(segments, offsets(12, 4), confirmed);
    };
    BOOST_TEST(of(offsets(0)).bytes == 1600U);
    BOOST_TEST(of(offsets(0)).begun_ms == 10);
    BOOST_TEST(of(offsets(5)).bytes == 500U + 600U);
    BOOST_TEST(of(offsets(10, 1)).bytes == 500U);
    BOOST_TEST(of(offsets(10, 1)).begun_ms == 20);
    BOOST_TEST(of(offsets(12, 4)).bytes == 0U);
    BOOST_TEST(of(offsets(12, 4)).begun_ms == 0);
    BOOST_TEST(of(offsets(99, 99)).bytes == 0U);  // a disk that lost its end
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace backlog_test
