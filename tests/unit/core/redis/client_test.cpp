// The client against a real redis-server: what it does when that goes away, freezes, forgets or
// refuses.

#include "core/redis/client.hpp"

#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "tests/unit/support/redis_server.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <vector>

namespace redis_client_test {

using namespace luot;
using namespace luot::redis;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using luot::testing::redis_server;

/// A client in an event loop of its own; a test fails when work is left in it at the end.
struct world {
    explicit world(const redis_address& address, client_options options = quick())
        : redis(context, address, std::move(options), registry)
    {
    }

    ~world()
    {
        redis.stop();
        context.run_for(5s);
        BOOST_TEST(context.stopped(), "work is left behind in the event loop");
    }

    static client_options quick()
    {
        client_options o;
        o.command_timeout = 300ms;
        o.connect_timeout = 300ms;
        o.longest_pause = 20ms;
        o.quiet = true;
        return o;
    }

    /// Runs a coroutine to its end, 20 s at most.
    void run(const std::function<asio::awaitable<void>()>& body)
    {
        bool done = false;
        std::exception_ptr failure;
        asio::co_spawn(context, body(), [&](std::exception_ptr e) {
            failure = e;
            done = true;
        });
        const auto until = std::chrono::steady_clock::now() + 20s;
        while (!done && std::chrono::steady_clock::now() < until) {
            context.restart();
            context.run_one_for(100ms);
        }
        BOOST_TEST_REQUIRE(done, "the test's coroutine does not end");
        if (failure)
            std::rethrow_exception(failure);
    }

    /// Waits for a condition, 10 s at most.
    asio::awaitable<bool> eventually(std::function<bool()> condition)
    {
        for (int i = 0; i < 2000 && !condition(); ++i) {
            asio::steady_timer pause(context, 5ms);
            co_await pause.async_wait(asio::use_awaitable);
        }
        co_return condition();
    }

    asio::io_context context;
    metrics_registry registry;
    client redis;
};

pipeline ping()
{
    pipeline p;
    p.add("PING");
    return p;
}

BOOST_AUTO_TEST_SUITE(redis_client,
                      *boost::unit_test::precondition(luot::testing::has_redis_server))

BOOST_AUTO_TEST_CASE(a_pipeline_is_answered_in_its_order)
{
    redis_server server;
    world w(server.address());
    BOOST_TEST(!w.redis.is_connected());
    BOOST_TEST(w.redis.trouble() != "");
    w.redis.start();
    w.run([&]() -> asio::awaitable<void> {
        const bool connected = co_await w.redis.wait_connected(10s);
        BOOST_TEST_REQUIRE(connected);
        BOOST_TEST(w.redis.trouble() == "");
        pipeline p;
        const std::string binary("\0\r\n\xFF", 4);
        for (int i = 0; i < 1000; ++i)
            p.add("ECHO", std::string_view(binary + std::to_string(i)));
        p.add("NO_SUCH_COMMAND").add("PING");
        const auto answers = co_await w.redis.exec(p);
        BOOST_TEST_REQUIRE(answers.has_value());
        BOOST_TEST_REQUIRE(answers->size() == 1002U);
        for (std::size_t i = 0; i < 1000; ++i)
            if ((*answers)[i].text() != binary + std::to_string(i))
                BOOST_ERROR("answer " << i);
        // An error is an answer like any other.
        BOOST_TEST((*answers)[1000].is_error());
        BOOST_TEST((*answers)[1001].text() == "PONG");
        BOOST_TEST(answers->first_error().text() == (*answers)[1000].text());
        const auto none = co_await w.redis.exec(pipeline{});
        BOOST_TEST_REQUIRE(none.has_value());
        BOOST_TEST(none->size() == 0U);
    });
}

BOOST_AUTO_TEST_CASE(coroutines_that_share_a_client_get_their_own_answers)
{
    redis_server server;
    auto patient = world::quick();
    patient.command_timeout = 60s;
    world w(server.address(), patient);
    w.redis.start();
    int finished = 0;
    w.run([&]() -> asio::awaitable<void> {
        co_await w.redis.wait_connected(10s);
        for (int i = 0; i < 50; ++i) {
            const auto one = [&w, &finished, i]() -> asio::awaitable<void> {
                for (int round = 0; round < 20; ++round) {
                    pipeline p;
                    for (int n = 0; n <= i % 5; ++n)
                        p.add("ECHO", i * 1000 + round);
                    const auto answers = co_await w.redis.exec(p);
                    BOOST_TEST_REQUIRE(answers.has_value());
                    BOOST_TEST_REQUIRE(answers->size() == static_cast<std::size_t>(i % 5 + 1));
                    for (std::size_t n = 0; n < answers->size(); ++n)
                        if ((*answers)[n].count() != i * 1000 + round)
                            BOOST_ERROR("another one's answer");
                }
                ++finished;
            };
            asio::co_spawn(w.context, one, [](std::exception_ptr e) {
                if (e)
                    std::rethrow_exception(e);
            });
        }
        const bool all = co_await w.eventually([&] { return finished == 50; });
        BOOST_TEST(all);
    });
}

// What a script is called must be what Redis calls it.
BOOST_AUTO_TEST_CASE(the_name_of_a_script_is_that_of_script_load)
{
    redis_server server;
    world w(server.address());
    const script sources[] = {script{"return 1"}, script{"return '\xE1\xBA\xBF'"},
                              script{"-- "
                                     "................................................."
                                     "\nreturn ARGV[1]"}};
    w.redis.start();
    w.run([&]() -> asio::awaitable<void> {
        co_await w.redis.wait_connected(10s);
        for (const auto& s : sources) {
            pipeline p;
            p.add("SCRIPT", std::string_view("LOAD"), s.source());
            const auto answers = co_await w.redis.exec(p);
            BOOST_TEST_REQUIRE(answers.has_value());
            BOOST_TEST((*answers)[0].text() == s.sha1());
        }
    });
}

BOOST_AUTO_TEST_CASE(a_wrong_password_is_told_as_long_as_it_is_wrong)
{
    redis_server server({"--requirepass", "right"});
    auto address = server.address();
    address.password = "wrong";
    world w(address);
    w.redis.start();
    w.run([&]() -> asio::awaitable<void> {
        const bool refused = co_await w.eventually(
            [&] { return w.redis.trouble().find("WRONGPASS") != std::string::npos; });
        BOOST_TEST(refused, w.redis.trouble());
        // also while it is trying again
        std::string other;
        for (int i = 0; i < 300; ++i) {
            if (w.redis.trouble().find("WRONGPASS") == std::string::npos)
                other = '"' + w.redis.trouble() + '"';
            asio::steady_timer pause(w.context, 1ms);
            co_await pause.async_wait(asio::use_awaitable);
        }
        BOOST_TEST(other == "");
        BOOST_TEST(!w.redis.is_connected());
        const auto answers = co_await w.redis.exec(ping());
        BOOST_TEST(answers.error() == make_error_code(errc::redis_away));
    });
}

BOOST_AUTO_TEST_CASE(password_and_database_are_used)
{
    redis_server server({"--requirepass", "right"});
    auto address = server.address();
    address.password = "right";
    address.database = 3;
    auto options = world::quick();
    options.name = "luot-test";
    world w(address, options);
    w.redis.start();
    w.run([&]() -> asio::awaitable<void> {
        const bool connected = co_await w.redis.wait_connected(10s);
        BOOST_TEST_REQUIRE(connected, w.redis.trouble());
        pipeline p;
        p.add("CLIENT", std::string_view("INFO"));
        const auto answers = co_await w.redis.exec(p);
        BOOST_TEST_REQUIRE(answers.has_value());
        const std::string info((*answers)[0].text());
        BOOST_TEST(info.find("name=luot-test ") != std::string::npos, info);
        BOOST_TEST(info.find("db=3 ") != std::string::npos, info);
    });
}

BOOST_AUTO_TEST_CASE(without_a_server_the_trouble_is_named_and_nothing_waits)
{
    luot::testing::temp_dir dir;
    redis_address address;
    address.socket_path = dir.file("nobody");
    world w(address);
    w.redis.start();
    w.run([&]() -> asio::awaitable<void> {
        const auto begun = steady_ms();
        const bool connected = co_await w.redis.wait_connected(100ms);
        BOOST_TEST(!connected);
        BOOST_TEST(steady_ms() - begun >= 100);
        BOOST_TEST(w.redis.trouble().find("No such file") != std::string::npos, w.redis.trouble());
        const auto asked = steady_ms();
        const auto answers = co_await w.redis.exec(ping());
        BOOST_TEST(answers.error() == make_error_code(errc::redis_away));
        BOOST_TEST(steady_ms() - asked < 50);
    });
}

// Whether the commands have run is not known: a client that went on with the same connection would
// read the late answer as the answer to something else.
BOOST_AUTO_TEST_CASE(a_frozen_server_is_left_and_found_again)
{
    redis_server server;
    world w(server.address());
    w.redis.start();
    w.run([&]() -> asio::awaitable<void> {
        co_await w.redis.wait_connected(10s);
        server.freeze();
        pipeline late;
        late.add("ECHO", std::string_view("late"));
        const auto begun = steady_ms();
        const auto answers = co_await w.redis.exec(late);
        BOOST_TEST(answers.error() == make_error_code(errc::redis_away));
        BOOST_TEST(steady_ms() - begun >= 290);
        BOOST_TEST(steady_ms() - begun < 5000);
        BOOST_TEST(!w.redis.is_connected());
        BOOST_TEST(w.redis.trouble() != "");
        server.thaw();
        const bool again = co_await w.redis.wait_connected(10s);
        BOOST_TEST(again);
        for (int i = 0; i < 5; ++i) {
            pipeline p;
            p.add("ECHO", i);
            const auto now = co_await w.redis.exec(p);
            BOOST_TEST_REQUIRE(now.has_value());
            BOOST_TEST_REQUIRE(now->size() == 1U);
            BOOST_TEST((*now)[0].count() == i);
        }
    });
}

BOOST_AUTO_TEST_CASE(all_that_waits_fails_when_the_server_dies_and_it_is_found_when_it_is_back)
{
    redis_server server;
    world w(server.address());
    w.redis.start();
    int failed = 0;
    w.run([&]() -> asio::awaitable<void> {
        co_await w.redis.wait_connected(10s);
        server.freeze();
        const auto one = [&]() -> asio::awaitable<void> {
            const auto answers = co_await w.redis.exec(ping());
            BOOST_TEST(answers.error() == make_error_code(errc::redis_away));
            ++failed;
        };
        for (int i = 0; i < 10; ++i)
            asio::co_spawn(w.context, one, [](std::exception_ptr) {});
        asio::steady_timer pause(w.context, 20ms);
        co_await pause.async_wait(asio::use_awaitable);
        server.stop();
        const bool all = co_await w.eventually([&] { return failed == 10; });
        BOOST_TEST(all);
        BOOST_TEST(!w.redis.is_connected());
        server.start();
        const bool again = co_await w.redis.wait_connected(10s);
        BOOST_TEST(again);
        const auto answers = co_await w.redis.exec(ping());
        BOOST_TEST(answers.has_value());
    });
    const auto text = w.registry.text();
    BOOST_TEST(text.find("luot_redis_connects_total{connection=\"luot\"} 2") != std::string::npos,
               text);
}

// A restarted Redis, or SCRIPT FLUSH, forgets scripts: one failed call, then they are there again.
BOOST_AUTO_TEST_CASE(forgotten_scripts_are_loaded_again)
{
    redis_server server;
    world w(server.address());
    static const script answer{"return ARGV[1]"};
    w.redis.use_scripts({&answer});
    w.redis.start();
    const auto call = [](int i) {
        pipeline p;
        p.add("PING").add(evaluate(answer, 0).add(i));
        return p;
    };
    w.run([&]() -> asio::awaitable<void> {
        co_await w.redis.wait_connected(10s);
        const auto first = co_await w.redis.exec(call(1));
        BOOST_TEST_REQUIRE(first.has_value());
        BOOST_TEST((*first)[1].count() == 1);

        pipeline flush;
        flush.add("SCRIPT", std::string_view("FLUSH"));
        co_await w.redis.exec(flush);
        const auto missing = co_await w.redis.exec(call(2));
        BOOST_TEST_REQUIRE(missing.has_value());
        BOOST_TEST((*missing)[1].is_error("NOSCRIPT"));
        const auto again = co_await w.redis.exec(call(3));
        BOOST_TEST_REQUIRE(again.has_value());
        BOOST_TEST_REQUIRE(again->size() == 2U);
        BOOST_TEST((*again)[0].text() == "PONG");
        BOOST_TEST((*again)[1].count() == 3);

        server.stop();
        const bool lost = co_await w.eventually([&] { return !w.redis.is_connected(); });
        BOOST_TEST(lost);
        server.start();
        co_await w.redis.wait_connected(10s);
        const auto after = co_await w.redis.exec(call(4));
        BOOST_TEST_REQUIRE(after.has_value());
        BOOST_TEST((*after)[1].count() == 4);
    });
}

BOOST_AUTO_TEST_CASE(a_stopped_client_says_that_it_stops)
{
    redis_server server;
    world w(server.address());
    w.redis.start();
    bool ended = false;
    w.run([&]() -> asio::awaitable<void> {
        co_await w.redis.wait_connected(10s);
        server.freeze();
        const auto one = [&]() -> asio::awaitable<void> {
            const auto answers = co_await w.redis.exec(ping());
            BOOST_TEST(answers.error() == make_error_code(errc::stopping));
            ended = true;
        };
        asio::co_spawn(w.context, one, [](std::exception_ptr) {});
        asio::steady_timer pause(w.context, 20ms);
        co_await pause.async_wait(asio::use_awaitable);
        w.redis.stop();
        const bool all = co_await w.eventually([&] { return ended; });
        BOOST_TEST(all);
        const auto answers = co_await w.redis.exec(ping());
        BOOST_TEST(answers.error() == make_error_code(errc::stopping));
        const bool connected = co_await w.redis.wait_connected(5s);
        BOOST_TEST(!connected);
        server.thaw();
    });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace redis_client_test
