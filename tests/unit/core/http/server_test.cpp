// What the HTTP server keeps count of. How it behaves towards clients is tested in tests/system.

#include "core/http/server.hpp"

#include "core/http/stream.hpp"
#include "core/metrics.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>
#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <vector>

namespace server_test {

using namespace luot;
namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::string_view late_answer = "HTTP/1.1 204 No Content\r\n\r\n";

/// A server whose /late answers at the end of the turn, as hits are, whose /large at once, and
/// whose /slow when it is let go, as reads do once Redis has answered.
class world {
public:
    static constexpr std::size_t large_bytes = 8'000;
    static constexpr std::size_t max_buffered_bytes = 64'000;

    world()
    {
        routes_.add(http::method::get, "/late", [this](http::exchange& e) {
            asio::post(context_, [c = e.defer()] { c->answer(late_answer); });
        });
        routes_.add(http::method::get, "/large", [](http::exchange& e) {
            http::response r;
            r.body = std::string(large_bytes, 'x') + "end";
            e.respond(r);
        });
        routes_.add(http::method::post, "/slow",
                    http::waiting_handler([this](const http::request&) { return slow(); }));
        routes_.add(http::method::get, "/stream",
                    http::waiting_handler([this](const http::request&) { return begin_stream(); }));
        routes_.set_common_headers("Access-Control-Allow-Origin: *\r\n");
        server_.listen({"127.0.0.1", 0});
    }

    ~world()
    {
        clients_.clear();
        server_.close_all();
        context_.restart();
        context_.run_for(std::chrono::milliseconds(50));
    }

    world(const world&) = delete;
    world& operator=(const world&) = delete;

    /// A client that stays: its requests, and all answers up to these bytes; less when it is
    /// closed.
    std::string ask(std::string_view requests, std::string_view until)
    {
        return answer_to(send(requests), until);
    }

    /// Sends a request whose answer is read later.
    tcp::socket& send(std::string_view request)
    {
        auto& wire = clients_.emplace_back(context_);
        wire.connect({asio::ip::make_address("127.0.0.1"), server_.local_address().port});
        asio::write(wire, asio::buffer(request));
        wire.non_blocking(true);
        return wire;
    }

    /// What the client of send() gets, up to these bytes; less when it is closed.
    std::string answer_to(tcp::socket& wire, std::string_view until)
    {
        std::string answers(100'000, 0);
        std::size_t size = 0;
        boost::system::error_code error;
        const auto is_whole = [&] {
            size +=
                wire.read_some(asio::buffer(answers.data() + size, answers.size() - size), error);
            return std::string_view(answers).substr(0, size).ends_with(until) ||
                   (error && error != asio::error::would_block);
        };
        run_until(is_whole);
        answers.resize(size);
        return answers;
    }

    void run_until(const std::function<bool()>& condition)
    {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition()) {
            BOOST_REQUIRE(std::chrono::steady_clock::now() < deadline);
            context_.restart();
            context_.run_one_for(std::chrono::milliseconds(1));
        }
    }

    std::size_t connections() { return server_.connections(); }

    void stop() { server_.stop(); }

    bool has_refused(int count)
    {
        return metrics_.text().find(
                   fmt::format("luot_http_memory_refused_total{{port=\"public\"}} {}\n", count)) !=
               std::string::npos;
    }

    bool has_timed_out(int count)
    {
        return metrics_.text().find(fmt::format("luot_http_timeouts_total{{port=\"public\"}} {}\n",
                                                count)) != std::string::npos;
    }

    std::shared_ptr<http::stream> stream;  ///< what the last request for /stream was given
    std::size_t waiting = 0;               ///< requests that /slow has in hand
    bool are_let_go = false;

private:
    asio::awaitable<http::response> slow()
    {
        ++waiting;
        asio::steady_timer pause(context_);
        while (!are_let_go) {
            pause.expires_after(std::chrono::milliseconds(1));
            co_await pause.async_wait(asio::use_awaitable);
        }
        --waiting;
        http::response r;
        r.body = "done";
        co_return r;
    }

    asio::awaitable<http::response> begin_stream()
    {
        http::response r;
        r.content_type = "text/event-stream";
        r.goes_on = stream = std::make_shared<http::stream>();
        BOOST_TEST(stream->send("early\n"));
        co_return r;
    }

    static http::server_options options()
    {
        http::server_options o;
        o.max_buffered_bytes = max_buffered_bytes;
        return o;
    }

    asio::io_context context_;
    metrics_registry metrics_;
    http::router routes_;
    http::server server_{context_, routes_, options(), metrics_, "public"};
    std::list<tcp::socket> clients_;
};

BOOST_AUTO_TEST_SUITE(http_server)

// An answer that waited for one before it was kept in memory; sent, it is no more.
BOOST_AUTO_TEST_CASE(idle_connections_do_not_count_as_memory_that_they_gave_back)
{
    world w;
    const std::size_t count = 3 * world::max_buffered_bytes / world::large_bytes;
    for (std::size_t i = 0; i < count; ++i) {
        const auto answers = w.ask(
            "GET /late HTTP/1.1\r\nHost: a\r\n\r\n"
            "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
            "xend");
        BOOST_TEST(answers.starts_with(late_answer));
        BOOST_TEST(answers.size() > world::large_bytes);
    }
    BOOST_TEST(w.connections() == count);
}

// What a handler works on cannot be given back: while that is too much, no more is taken in hand.
// Hits are taken all the same.
BOOST_AUTO_TEST_CASE(who_would_have_to_wait_is_told_to_come_again_while_too_many_wait)
{
    world w;
    const std::size_t body_bytes = 12'000;
    const auto request =
        fmt::format("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}", body_bytes,
                    std::string(body_bytes, 'x'));
    std::vector<tcp::socket*> held;
    const auto most = world::max_buffered_bytes / body_bytes;
    int refused = 0;
    for (std::size_t i = 0; i < most + 3; ++i) {
        auto& wire = w.send(request);
        w.run_until([&] { return w.waiting > held.size() || wire.available() > 0; });
        if (w.waiting > held.size()) {
            held.push_back(&wire);
            BOOST_TEST(refused == 0);
            continue;
        }
        ++refused;
        const auto answer = w.answer_to(wire, "}");
        BOOST_TEST(answer.starts_with("HTTP/1.1 503 "));
        BOOST_TEST(answer.find("\r\nRetry-After: 1\r\n") != std::string::npos);
        BOOST_TEST(answer.find("\r\nAccess-Control-Allow-Origin: *\r\n") != std::string::npos);
        BOOST_TEST(answer.find("\"busy\"") != std::string::npos);
        BOOST_TEST(w.ask("GET /late HTTP/1.1\r\nHost: a\r\n\r\n", late_answer) == late_answer);
    }
    BOOST_TEST(held.size() >= most / 2);
    BOOST_TEST(refused >= 3);
    BOOST_TEST(w.has_refused(refused));

    w.are_let_go = true;
    for (auto* wire : held)
        BOOST_TEST(w.answer_to(*wire, "done").starts_with("HTTP/1.1 200 "));
    BOOST_TEST(w.ask(request, "done").starts_with("HTTP/1.1 200 "));
    BOOST_TEST(w.has_refused(refused));
}

BOOST_AUTO_TEST_CASE(an_answer_that_goes_on_is_sent_as_it_comes)
{
    world w;
    auto& wire = w.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto head = w.answer_to(wire, "early\n");
    BOOST_TEST(head.starts_with("HTTP/1.1 200 "));
    BOOST_TEST(head.find("\r\nConnection: close\r\n\r\nearly\n") != std::string::npos);
    BOOST_TEST(head.find("Content-Length") == std::string::npos);
    BOOST_TEST(w.stream->send("one\n"));
    BOOST_TEST(w.answer_to(wire, "one\n") == "one\n");
    // What the client says meanwhile is nobody's business.
    asio::write(wire, asio::buffer(std::string_view("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")));
    BOOST_TEST(w.stream->send("two\n"));
    BOOST_TEST(w.answer_to(wire, "two\n") == "two\n");
    w.stream->end();
    BOOST_TEST(!w.stream->send("three\n"));
    w.run_until([&] { return w.connections() == 0; });
}

BOOST_AUTO_TEST_CASE(a_client_that_leaves_ends_its_stream)
{
    world w;
    auto& wire = w.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    w.answer_to(wire, "early\n");
    wire.close();
    w.run_until([&] { return !w.stream->is_open(); });
    w.run_until([&] { return w.connections() == 0; });
}

BOOST_AUTO_TEST_CASE(who_asks_for_the_head_of_a_stream_gets_no_more)
{
    world w;
    auto& wire = w.send("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto head = w.answer_to(wire, "never");
    BOOST_TEST(head.ends_with("\r\n\r\n"));
    w.run_until([&] { return !w.stream->is_open() && w.connections() == 0; });
}

// It would only take memory, here and in the kernel.
BOOST_AUTO_TEST_CASE(a_client_that_does_not_take_its_stream_is_closed)
{
    world w;
    auto& wire = w.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    w.answer_to(wire, "early\n");
    const std::string event(10'000, 'x');
    std::size_t sent = 0;
    while (w.stream->send(event)) {
        sent += event.size();
        BOOST_REQUIRE(sent < 100'000'000);
    }
    BOOST_TEST(sent >= event.size());
    w.run_until([&] { return w.connections() == 0; });
    BOOST_TEST(w.has_timed_out(1));
}

BOOST_AUTO_TEST_CASE(streams_end_when_the_server_stops)
{
    world w;
    auto& wire = w.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    w.answer_to(wire, "early\n");
    BOOST_TEST(w.stream->send("last\n"));
    w.stop();
    BOOST_TEST(w.answer_to(wire, "never") == "last\n");
    BOOST_TEST(!w.stream->is_open());
    w.run_until([&] { return w.connections() == 0; });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace server_test
