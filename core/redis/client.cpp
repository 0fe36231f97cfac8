#include "core/redis/client.hpp"

#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/metrics.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <deque>
#include <optional>
#include <random>

namespace luot::redis {

namespace asio = boost::asio;
using asio::generic::stream_protocol;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

}  // namespace

class client::impl : public std::enable_shared_from_this<client::impl> {
public:
    impl(asio::io_context& c, redis_address a, client_options o, metrics_registry& metrics)
        : context(c),
          address(std::move(a)),
          options(std::move(o)),
          socket(c),
          pause(c),
          writable(c),
          round_trips(metrics.add_counter("luot_redis_round_trips_total",
                                          "Pipelines answered by Redis.",
                                          {{"connection", options.name}})),
          errors(
              metrics.add_counter("luot_redis_errors_total",
                                  "Pipelines that Redis did not answer, or answers not understood.",
                                  {{"connection", options.name}})),
          connects(metrics.add_counter("luot_redis_connects_total", "Connections made to Redis.",
                                       {{"connection", options.name}})),
          failed_connects(metrics.add_counter("luot_redis_connect_failures_total",
                                              "Attempts to connect to Redis that failed.",
                                              {{"connection", options.name}})),
          times(metrics.add_histogram("luot_redis_round_trip_seconds",
                                      "From sending a pipeline to Redis to its last answer.",
                                      histogram::scale::work, {{"connection", options.name}})),
          up(metrics.add_switch("luot_redis_up",
                                "1: there is a connection to Redis, and it may be used.",
                                {{"connection", options.name}}))
    {
        writable.expires_at(asio::steady_timer::time_point::max());
    }

    asio::awaitable<void> run();
    asio::awaitable<error_code> connect();
    asio::awaitable<error_code> introduce();
    error_code eviction_of(std::string_view info);
    asio::awaitable<void> read_replies(std::uint64_t connection);
    asio::awaitable<void> write_commands(std::uint64_t connection);
    asio::awaitable<result<replies>> exec(const pipeline& commands, bool is_blocking = false);
    void fail(error_code why);

    struct waiter {
        explicit waiter(asio::io_context& c) : done(c) {}
        std::size_t wanted = 0;
        replies got;
        error_code error;
        bool finished = false;
        asio::steady_timer done;
    };

    asio::io_context& context;
    const redis_address address;
    const client_options options;
    std::vector<const script*> scripts;
    stream_protocol::socket socket;
    asio::steady_timer pause, writable;
    counter &round_trips, &errors, &connects, &failed_connects;
    histogram& times;
    metric_switch& up;

    std::optional<reply_parser> parser;
    std::deque<waiter*> waiting;
    std::string outgoing;
    std::array<char, 64 * 1024> buffer;
    bool has_tried = false, is_unfit = false;
    std::string trouble = "not connected yet";  ///< why there is no connection, or was none
    std::string refused;                        ///< what Redis said against this attempt
    std::uint64_t connection =
        0;  ///< number of the connection, to tell an old coroutine from a new
    bool ready = false;
    bool opened = false;
    bool scripts_missing = false;
    bool stopping = false;
    log::limiter limit{10};
    std::int64_t away_since_ms = steady_ms();
    std::mt19937 jitter{std::random_device{}()};
};

void client::impl::fail(error_code why)
{
    if (opened)
        ++connection;
    if (ready)
        trouble = "the connection was lost: " + why.message();
    opened = ready = false;
    up = false;
    boost::system::error_code ignored;
    socket.close(ignored);
    outgoing.clear();
    parser.reset();
    for (auto* w : std::exchange(waiting, {})) {
        w->error = why;
        w->finished = true;
        w->done.cancel();
    }
    writable.cancel();
    pause.cancel();
}

asio::awaitable<error_code> client::impl::connect()
{
    asio::steady_timer deadline(context, options.connect_timeout);
    // Owned by the handler too: it may be called after this coroutine has ended.
    const auto expired = std::make_shared<bool>(false);
    const auto self = shared_from_this();
    deadline.async_wait([self, expired](boost::system::error_code e) {
        if (!e) {
            *expired = true;
            boost::system::error_code ignored;
            self->socket.close(ignored);
        }
    });
    boost::system::error_code error;
    if (!address.socket_path.empty()) {
        const stream_protocol::endpoint endpoint{
            asio::local::stream_protocol::endpoint(address.socket_path)};
        std::tie(error) = co_await socket.async_connect(endpoint, as_result);
    } else {
        asio::ip::tcp::resolver resolver(context);
        auto [resolve_error, found] =
            co_await resolver.async_resolve(address.host, std::to_string(address.port), as_result);
        error = resolve_error;
        for (const auto& entry : found) {
            if (*expired)
                break;
            boost::system::error_code ignored;
            socket.close(ignored);
            std::tie(error) = co_await socket.async_connect(
                stream_protocol::endpoint(entry.endpoint()), as_result);
            if (!error) {
                socket.set_option(asio::ip::tcp::no_delay(true), ignored);
                break;
            }
        }
    }
    deadline.cancel();
    if (*expired)
        co_return asio::error::timed_out;
    co_return error;
}

asio::awaitable<error_code> client::impl::introduce()
{
    pipeline hello;
    if (!address.password.empty() && !address.user.empty())
        hello.add("AUTH", address.user, address.password);
    else if (!address.password.empty())
        hello.add("AUTH", address.password);
    if (address.database != 0)
        hello.add("SELECT", address.database);
    hello.add("CLIENT", std::string_view("SETNAME"), options.name);
    for (const auto* s : scripts)
        hello.add("SCRIPT", std::string_view("LOAD"), s->source());
    auto answered = co_await exec(hello);
    if (!answered)
        co_return answered.error();
    if (const auto error = answered->first_error(); !error.is_null()) {
        refused = std::string(error.text());
        co_return errc::redis_error;
    }
    scripts_missing = false;
    if (options.format_key.empty())
        co_return error_code{};
    pipeline looking;
    looking.add("GET", options.format_key);
    looking.add("INFO", std::string_view("memory"));
    answered = co_await exec(looking);
    if (!answered)
        co_return answered.error();
    if ((*answered)[0].is_error()) {
        refused = std::string((*answered)[0].text());
        co_return errc::redis_error;
    }
    if (const auto found = (*answered)[0].count(); found > options.format) {
        refused = "its data has format " + std::to_string(found) + ", newer than the " +
                  std::to_string(options.format) +
                  " that this luot knows: upgrade this luot, or give it a Redis of its own";
        co_return errc::newer_format;
    }
    if (const auto error = eviction_of((*answered)[1].text()))
        co_return error;
    if ((*answered)[0].is_null()) {
        // It may be refused (full, read-only): then nothing is written in our format either.
        pipeline setting;
        setting.add("SET", options.format_key, options.format, std::string_view("NX"));
        answered = co_await exec(setting);
        if (!answered)
            co_return answered.error();
    }
    co_return error_code{};
}

/// Evicted counters are lost counters. A user of Redis that may not ask INFO is trusted.
error_code client::impl::eviction_of(std::string_view info)
{
    constexpr std::string_view field = "maxmemory_policy:";
    const auto at = info.find(field);
    if (at == std::string_view::npos)
        return {};
    const auto policy = info.substr(at + field.size());
    const auto name = std::string(policy.substr(0, policy.find_first_of("\r\n")));
    if (name == "noeviction")
        return {};
    refused = "its maxmemory-policy is " + name +
              ", which drops counts when its memory is full: set maxmemory-policy noeviction "
              "(redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf), or give luot "
              "a Redis of its own";
    return errc::redis_evicts;
}

asio::awaitable<void> client::impl::run()
{
    const auto self = shared_from_this();
    std::chrono::milliseconds wait{0};
    while (!stopping) {
        auto error = co_await connect();
        if (!error && !stopping) {
            opened = true;
            parser.emplace();
            const auto mine = ++connection;
            asio::co_spawn(context, read_replies(mine), asio::detached);
            asio::co_spawn(context, write_commands(mine), asio::detached);
            refused.clear();
            error = co_await introduce();
            if (!error && mine == connection && !stopping) {
                connects.add();
                ready = true;
                up = true;
                wait = std::chrono::milliseconds{0};
                if (!options.quiet)
                    log::info("redis_connected", {{"connection", options.name}});
                pause.expires_at(asio::steady_timer::time_point::max());
                co_await pause.async_wait(as_result);  // until fail()
                away_since_ms = steady_ms();
                continue;
            }
        }
        if (stopping)
            break;
        failed_connects.add();
        has_tried = true;
        is_unfit = error == errc::newer_format || error == errc::redis_evicts;
        trouble = refused.empty() ? error.message() : refused;
        refused.clear();
        fail(errc::redis_away);
        // A Redis that is just starting is no news.
        if (!options.quiet && steady_ms() - away_since_ms > 1000 && limit.pass())
            log::warn(
                "redis_away",
                {{"connection", options.name}, {"why", trouble}, {"held_back", limit.held_back()}});
        wait = std::min(options.longest_pause, std::max(wait * 2, std::chrono::milliseconds(50)));
        pause.expires_after(wait / 2 + std::chrono::milliseconds(
                                           jitter() % static_cast<unsigned>(wait.count() / 2 + 1)));
        co_await pause.async_wait(as_result);
    }
    fail(errc::stopping);
}

asio::awaitable<void> client::impl::read_replies(std::uint64_t mine)
{
    const auto self = shared_from_this();
    while (mine == connection) {
        const auto [error, size] = co_await socket.async_read_some(asio::buffer(buffer), as_result);
        if (mine != connection)
            co_return;
        if (error) {
            errors.add();
            fail(errc::redis_away);
            co_return;
        }
        if (parser->feed({buffer.data(), size})) {
            errors.add();
            fail(errc::redis_protocol);
            co_return;
        }
        for (;;) {
            auto parsed = parser->next();
            const bool is_unasked = parsed && *parsed && waiting.empty();  // out of step
            if (!parsed || is_unasked) {
                errors.add();
                fail(errc::redis_protocol);
                co_return;
            }
            if (!*parsed)
                break;
            auto* w = waiting.front();
            if (reply_view(parsed->get()).is_error("NOSCRIPT"))
                scripts_missing = true;
            w->got.add(std::move(*parsed));
            if (w->got.size() == w->wanted) {
                waiting.pop_front();
                w->finished = true;
                w->done.cancel();
            }
        }
    }
}

asio::awaitable<void> client::impl::write_commands(std::uint64_t mine)
{
    const auto self = shared_from_this();
    std::string sending;
    while (mine == connection) {
        if (outgoing.empty()) {
            writable.expires_at(asio::steady_timer::time_point::max());
            co_await writable.async_wait(as_result);
            continue;
        }
        sending.clear();
        sending.swap(outgoing);
        const auto [error, sent] =
            co_await asio::async_write(socket, asio::buffer(sending), as_result);
        if (mine != connection)
            co_return;
        if (error) {
            errors.add();
            fail(errc::redis_away);
        }
    }
}

asio::awaitable<result<replies>> client::impl::exec(const pipeline& commands, bool is_blocking)
{
    if (stopping)
        co_return make_error_code(errc::stopping);
    if (!opened)
        co_return make_error_code(errc::redis_away);
    if (commands.size() == 0)
        co_return replies{};
    const auto self = shared_from_this();
    std::size_t ahead = 0;
    if (scripts_missing) {
        scripts_missing = false;
        pipeline load;
        for (const auto* s : scripts)
            load.add("SCRIPT", std::string_view("LOAD"), s->source());
        outgoing += load.bytes();
        ahead = load.size();
    }
    waiter w{context};
    w.wanted = commands.size();
    waiter loading{context};
    if (ahead > 0) {
        loading.wanted = ahead;
        waiting.push_back(&loading);
    }
    waiting.push_back(&w);
    outgoing += commands.bytes();
    const auto begun_us = steady_us();
    writable.cancel();
    w.done.expires_after(options.command_timeout);
    co_await w.done.async_wait(as_result);
    if (!w.finished) {
        errors.add();
        fail(errc::redis_away);
    }
    if (w.error)
        co_return w.error;
    round_trips.add();
    if (!is_blocking)
        times.observe(steady_us() - begun_us);
    co_return std::move(w.got);
}

client::client(asio::io_context& context, redis_address address, client_options options,
               metrics_registry& metrics)
    : impl_(std::make_shared<impl>(context, std::move(address), std::move(options), metrics))
{
}

client::~client()
{
    stop();
}

void client::use_scripts(std::vector<const script*> scripts)
{
    impl_->scripts = std::move(scripts);
}

void client::start()
{
    asio::co_spawn(impl_->context, impl_->run(), asio::detached);
}

void client::stop()
{
    if (std::exchange(impl_->stopping, true))
        return;
    impl_->fail(errc::stopping);
}

bool client::is_connected() const noexcept
{
    return impl_->ready;
}

std::uint64_t client::connection() const noexcept
{
    return impl_->ready ? impl_->connection : 0;
}

std::string client::trouble() const
{
    return impl_->ready ? std::string{} : impl_->trouble;
}

asio::awaitable<std::string> client::objection(std::chrono::milliseconds most)
{
    const auto self = impl_;
    const auto until = steady_ms() + most.count();
    while (!self->ready && !self->has_tried && !self->stopping && steady_ms() < until) {
        asio::steady_timer again(self->context, std::chrono::milliseconds(5));
        co_await again.async_wait(as_result);
    }
    co_return !self->ready && self->is_unfit ? self->trouble : std::string{};
}

asio::awaitable<bool> client::wait_connected(std::chrono::milliseconds most)
{
    const auto self = impl_;
    const auto until = steady_ms() + most.count();
    while (!self->ready && !self->stopping) {
        const auto left = until - steady_ms();
        if (left <= 0)
            break;
        asio::steady_timer again(self->context,
                                 std::chrono::milliseconds(std::min<std::int64_t>(left, 10)));
        co_await again.async_wait(as_result);
    }
    co_return self->ready;
}

asio::awaitable<result<replies>> client::exec(const pipeline& commands)
{
    const auto self = impl_;
    if (!self->ready && !self->stopping)
        co_return make_error_code(errc::redis_away);
    co_return co_await self->exec(commands);
}

asio::awaitable<result<replies>> client::exec_blocking(const pipeline& commands)
{
    const auto self = impl_;
    if (!self->ready && !self->stopping)
        co_return make_error_code(errc::redis_away);
    co_return co_await self->exec(commands, true);
}

}  // namespace luot::redis
