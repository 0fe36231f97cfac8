// One client among many: seen when it sends most of a run, whoever else comes.

#include "collector/client_watch.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>

namespace client_watch_test {

using namespace luot;
using collector::client_watch;

http::ip_address client(std::uint32_t number)
{
    http::ip_address out{};
    BOOST_TEST_REQUIRE(http::parse_address(
        "10." + std::to_string(number / 256) + '.' + std::to_string(number % 256) + ".1", out));
    return out;
}

BOOST_AUTO_TEST_SUITE(client_watching)

BOOST_AUTO_TEST_CASE(a_client_that_sends_most_of_a_run_is_seen_among_any_others)
{
    client_watch watch;
    for (int run = 0; run < 3; ++run) {
        std::uint32_t mine = 0, said = 0;
        for (std::uint32_t i = 0; i < client_watch::run; ++i) {
            const bool is_mine = i % 4 != 0;
            mine += is_mine ? 1 : 0;
            const auto answer = watch.count(client(is_mine ? 60'000 : i));
            BOOST_TEST(answer.has_value() == (i + 1 == client_watch::run));
            said = answer.value_or(0);
        }
        BOOST_TEST(said <= mine);
        BOOST_TEST(said >= mine - (client_watch::run - mine) / 9 - 1);
    }
}

BOOST_AUTO_TEST_CASE(many_clients_are_no_proxy)
{
    client_watch watch;
    std::uint32_t said = client_watch::run;
    for (std::uint32_t i = 0; i < client_watch::run; ++i)
        said = watch.count(client(i % 50)).value_or(said);
    BOOST_TEST(said < client_watch::run / 4);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace client_watch_test
