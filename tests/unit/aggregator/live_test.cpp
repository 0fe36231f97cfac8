// What is known of the last minute, from totals that were read now and then.

#include "aggregator/live.hpp"

#include "aggregator/progress.hpp"
#include "core/http/stream.hpp"
#include "core/redis/reads.hpp"
#include "tests/unit/support/redis_session.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace live_test {

using namespace luot;
using namespace luot::aggregator;
using namespace luot::testing;

/// Takes the place of a connection.
struct client final : http::stream::wire {
    void push(std::string_view bytes) override { heard += bytes; }
    void wake() override { was_woken = true; }

    std::string heard;
    bool was_woken = false;
};

std::shared_ptr<const config> open_site(bool is_open = true)
{
    auto c = std::make_shared<config>();
    auto& site = c->sites.emplace_back();
    site.id = "skhcn";
    if (is_open)
        site.public_routes = {public_route::stats};
    return c;
}

BOOST_AUTO_TEST_SUITE(live_figures)

BOOST_AUTO_TEST_CASE(a_window_grows_to_a_minute_and_then_moves_on)
{
    minute_window w;
    BOOST_TEST(w.views() == 0);
    BOOST_TEST(w.seconds() == 0);
    // A view a second, ten before anybody looked.
    for (std::int64_t second = 0; second <= 300; ++second) {
        w.add(1'000'000 + second * 1000, 10 + second);
        BOOST_TEST_REQUIRE(w.seconds() == std::min<std::int64_t>(second, 60));
        BOOST_TEST_REQUIRE(w.views() == std::min<std::int64_t>(second, 60));
    }
    for (std::int64_t second = 301; second <= 360; ++second)
        w.add(1'000'000 + second * 1000, 310);
    BOOST_TEST(w.views() == 0);
    BOOST_TEST(w.seconds() == 60);
}

// Views of five minutes are not those of one.
BOOST_AUTO_TEST_CASE(after_a_gap_the_window_begins_again)
{
    minute_window w;
    for (std::int64_t second = 0; second <= 60; ++second)
        w.add(second * 1000, second);
    w.add(300'000, 1'000'000);
    BOOST_TEST(w.views() == 0);
    BOOST_TEST(w.seconds() == 0);
    w.add(301'000, 1'000'002);
    BOOST_TEST(w.views() == 2);
    BOOST_TEST(w.seconds() == 1);
}

BOOST_AUTO_TEST_CASE(reads_that_come_late_are_told_as_they_are)
{
    minute_window w;
    w.add(0, 0);
    w.add(30'000, 30);
    w.add(63'000, 63);  // the first read is a little more than a minute ago
    BOOST_TEST(w.views() == 63);
    BOOST_TEST(w.seconds() == 63);
    w.add(91'000, 91);
    BOOST_TEST(w.views() == 61);
    BOOST_TEST(w.seconds() == 61);
}

BOOST_AUTO_TEST_CASE(counts_that_were_set_back_begin_a_new_window)
{
    minute_window w;
    w.add(0, 1000);
    w.add(1000, 1010);
    w.add(2000, 7);
    BOOST_TEST(w.views() == 0);
    w.add(3000, 9);
    BOOST_TEST(w.views() == 2);
}

BOOST_AUTO_TEST_CASE(places_are_bounded_from_all_threads)
{
    live_places places;
    std::atomic<std::size_t> got{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (std::size_t n = 0; n < live_places::most; ++n)
                got += places.try_take() ? 1 : 0;
        });
    for (auto& t : threads)
        t.join();
    BOOST_TEST(got == live_places::most);
    BOOST_TEST(places.taken() == live_places::most);
    BOOST_TEST(!places.try_take());
    places.give_back(2);
    BOOST_TEST(places.try_take());
    BOOST_TEST(places.taken() == live_places::most - 1);
}

/// A live_api on a Redis, asked without a socket.
struct listening {
    std::deque<client> clients;  // outlive their streams
    redis_session session{{&redis::reads::source()}};
    metrics_registry metrics;
    fall_back_guard guard;
    live_places places;
    http::router routes;
    std::unique_ptr<live_api> api;
    std::vector<std::shared_ptr<http::stream>> streams;

    listening()
        : api(std::make_unique<live_api>(
              session.context(), session.client(), guard, places, open_site(), metrics,
              live_options{std::chrono::milliseconds(2), std::chrono::milliseconds(20)}))
    {
        api->add_routes(routes);
    }

    /// The status; the stream of 200 goes to the newest client.
    int listen()
    {
        http::request r;
        r.method = http::method::get;
        r.path = "/api/v1/live";
        r.query = "site=skhcn";
        const auto answer = session.run((*routes.find(r).waiting)(r));
        if (answer.goes_on) {
            answer.goes_on->attach(clients.emplace_back());
            streams.push_back(answer.goes_on);
        }
        return answer.status;
    }

    void wait_until_heard(client& who, std::string_view what)
    {
        session.run_until([&] { return who.heard.find(what) != std::string::npos; });
    }
};

// Between two seconds nothing is new on a quiet site.
BOOST_AUTO_TEST_CASE(silence_is_broken_by_heartbeats)
{
    listening l;
    BOOST_TEST(l.listen() == 200);
    l.wait_until_heard(l.clients[0], "\n\n:\n\n:\n\n");
    BOOST_TEST(l.clients[0].heard.starts_with("retry: 3000\n\ndata: {"));
}

BOOST_AUTO_TEST_CASE(a_new_configuration_sends_all_away)
{
    listening l;
    BOOST_TEST(l.listen() == 200);
    BOOST_TEST(l.listen() == 200);
    l.wait_until_heard(l.clients[1], "data: ");
    l.api->use(open_site(false));
    BOOST_TEST(l.clients[0].was_woken);
    BOOST_TEST(l.clients[1].was_woken);
    BOOST_TEST(l.places.taken() == 0);
    BOOST_TEST(l.listen() == 401);
    l.api->use(open_site());
    BOOST_TEST(l.listen() == 200);
    BOOST_TEST(l.places.taken() == 1);
}

BOOST_AUTO_TEST_CASE(the_place_of_who_left_is_free_again)
{
    listening l;
    for (std::size_t i = 0; i < live_places::most; ++i)
        BOOST_TEST_REQUIRE(l.listen() == 200);
    BOOST_TEST(l.listen() == 503);
    l.streams[3]->detach();
    l.session.run_until([&] { return l.places.taken() < live_places::most; });
    BOOST_TEST(l.listen() == 200);
    l.wait_until_heard(l.clients.back(), "data: ");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace live_test
