// Hits a second of one client: the burst, what refills it, and that a flood of clients frees nobody
// who is at the limit.

#include "collector/rate_limit.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>

namespace rate_limit_test {

using namespace luot;
using luot::collector::rate_limiter;

constexpr std::int64_t second_us = 1'000'000;
constexpr std::int64_t now_us = 12'345 * second_us;
constexpr std::uint32_t rate = 20;
constexpr int burst = static_cast<int>(rate * rate_limiter::burst_seconds);

http::ip_address address(const std::string& text)
{
    http::ip_address out{};
    BOOST_TEST_REQUIRE(http::parse_address(text, out));
    return out;
}

http::ip_address client(std::uint32_t number)
{
    http::ip_address out = address("10.0.0.0");
    for (int byte = 0; byte < 4; ++byte)
        out[15 - byte] = static_cast<unsigned char>(number >> (8 * byte));
    return out;
}

int taken_of(rate_limiter& limiter, const http::ip_address& from, int hits, std::int64_t at_us,
             std::uint32_t per_second = rate)
{
    int taken = 0;
    for (int i = 0; i < hits; ++i)
        taken += limiter.allow(from, per_second, at_us) ? 1 : 0;
    return taken;
}

BOOST_AUTO_TEST_SUITE(rate_limit)

BOOST_AUTO_TEST_CASE(a_quiet_client_may_send_a_burst_and_then_its_rate)
{
    rate_limiter limiter;
    const auto me = address("192.0.2.7");
    BOOST_TEST(taken_of(limiter, me, 2 * burst, now_us) == burst);
    BOOST_TEST(taken_of(limiter, me, burst, now_us + second_us) == static_cast<int>(rate));
    // Refused hits cost nothing: the bucket is full again when the burst's time has passed.
    BOOST_TEST(taken_of(limiter, me, 2 * burst, now_us + 60 * second_us) == burst);
}

BOOST_AUTO_TEST_CASE(no_rate_is_no_limit)
{
    rate_limiter limiter;
    BOOST_TEST(taken_of(limiter, address("192.0.2.7"), 10'000, now_us, 0) == 10'000);
}

BOOST_AUTO_TEST_CASE(a_very_high_rate_is_one_too)
{
    rate_limiter limiter;
    BOOST_TEST(limiter.allow(address("192.0.2.7"), 4'000'000'000U, now_us));
}

BOOST_AUTO_TEST_CASE(clients_are_apart_and_ipv6_is_taken_by_its_64)
{
    rate_limiter limiter;
    BOOST_TEST(taken_of(limiter, address("192.0.2.7"), 2 * burst, now_us) == burst);
    BOOST_TEST(limiter.allow(address("192.0.2.8"), rate, now_us));
    BOOST_TEST(taken_of(limiter, address("2001:db8:1:2::1"), 2 * burst, now_us) == burst);
    BOOST_TEST(!limiter.allow(address("2001:db8:1:2:ffff::9"), rate, now_us));
    BOOST_TEST(limiter.allow(address("2001:db8:1:3::1"), rate, now_us));
}

BOOST_AUTO_TEST_CASE(a_flood_of_clients_refuses_nobody_new_and_frees_nobody_at_the_limit)
{
    rate_limiter limiter;
    const auto greedy = address("192.0.2.7");
    BOOST_TEST(taken_of(limiter, greedy, 2 * burst, now_us) == burst);
    std::uint32_t refused = 0, freed = 0;
    for (std::uint32_t other = 0; other < 500'000; ++other) {
        refused += limiter.allow(client(other), rate, now_us) ? 0 : 1;
        if (other % 1000 == 0)
            freed += limiter.allow(greedy, rate, now_us) ? 1 : 0;
    }
    BOOST_TEST(refused == 0U);
    BOOST_TEST(freed == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace rate_limit_test
