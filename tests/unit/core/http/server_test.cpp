// What the HTTP server keeps count of. How it behaves towards clients is tested in tests/system.

#include "core/http/server.hpp"

#include "core/metrics.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <list>
#include <string>
#include <string_view>

namespace {

using namespace luot;
namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::string_view late_answer = "HTTP/1.1 204 No Content\r\n\r\n";

/// A server whose /late answers at the end of the turn, as hits are, and whose /large at once.
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
        auto& wire = clients_.emplace_back(context_);
        wire.connect({asio::ip::make_address("127.0.0.1"), server_.local_address().port});
        asio::write(wire, asio::buffer(requests));
        wire.non_blocking(true);
        std::string answers(100'000, 0);
        std::size_t size = 0;
        boost::system::error_code error;
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!std::string_view(answers).substr(0, size).ends_with(until)) {
            BOOST_REQUIRE(std::chrono::steady_clock::now() < deadline);
            context_.restart();
            context_.run_one_for(std::chrono::milliseconds(1));
            size +=
                wire.read_some(asio::buffer(answers.data() + size, answers.size() - size), error);
            if (error && error != asio::error::would_block)
                break;
        }
        answers.resize(size);
        return answers;
    }

    std::size_t connections() { return server_.connections(); }

private:
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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
