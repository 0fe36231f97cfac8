#include "core/redis/server_gauges.hpp"

#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <memory>

namespace luot::redis {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds every{5};
constexpr std::chrono::milliseconds until_connected{200};
/// An answer that took longer says too little of when Redis looked at its clock.
constexpr std::int64_t most_round_trip_ms = 500;

std::optional<std::string_view> field_of(std::string_view info, std::string_view name)
{
    for (std::size_t at = 0; at < info.size();) {
        const auto end = std::min(info.find('\n', at), info.size());
        auto line = info.substr(at, end - at);
        at = end + 1;
        if (!line.starts_with(name) || line.substr(name.size(), 1) != ":")
            continue;
        line.remove_prefix(name.size() + 1);
        return line.substr(0, line.find('\r'));
    }
    return std::nullopt;
}

struct seen {
    std::optional<memory_info> memory;
    std::optional<double> skew_ms;
};

asio::awaitable<seen> look(client& redis)
{
    seen out;
    pipeline clock;
    clock.add("TIME");
    const auto asked_ms = unix_ms();
    const auto asked_steady_ms = steady_ms();
    const auto told = co_await redis.exec(clock);
    if (!told)
        co_return out;
    const auto seconds = (*told)[0][0].number(), rest_us = (*told)[0][1].number();
    const auto took_ms = steady_ms() - asked_steady_ms;
    if (seconds && rest_us && took_ms <= most_round_trip_ms)
        out.skew_ms = clock_skew_ms(*seconds * 1'000'000 + *rest_us, asked_ms, asked_ms + took_ms);
    pipeline memory;
    memory.add("INFO", std::string_view("memory"));
    const auto info = co_await redis.exec(memory);
    if (info)
        out.memory = parse_memory_info((*info)[0].text());
    co_return out;
}

}  // namespace

std::optional<memory_info> parse_memory_info(std::string_view info)
{
    memory_info out;
    const auto used = field_of(info, "used_memory"), most = field_of(info, "maxmemory"),
               policy = field_of(info, "maxmemory_policy");
    if (!used || !most || !policy || !parse_number(*used, out.used_bytes) ||
        !parse_number(*most, out.max_bytes))
        return std::nullopt;
    out.evicts = *policy != "noeviction";
    (void)parse_number(field_of(info, "total_system_memory").value_or(""), out.machine_bytes);
    return out;
}

asio::awaitable<void> watch_server(asio::io_context& context, client& redis,
                                   metrics_registry& metrics)
{
    const auto now = std::make_shared<seen>();
    const auto add = [&](const char* name, const char* help, auto value) {
        metrics.add_optional_gauge(name, help, [r = &redis, now, value]() -> std::optional<double> {
            return r->is_connected() ? value(*now) : std::nullopt;
        });
    };
    const auto of_memory = [](auto value) {
        return [value](const seen& s) -> std::optional<double> {
            return s.memory ? std::optional(static_cast<double>(value(*s.memory))) : std::nullopt;
        };
    };
    add("luot_redis_memory_bytes", "Memory that Redis uses.",
        of_memory([](const memory_info& m) { return m.used_bytes; }));
    add("luot_redis_max_memory_bytes", "Memory that Redis may use; 0: no limit.",
        of_memory([](const memory_info& m) { return m.max_bytes; }));
    add("luot_redis_machine_memory_bytes", "Memory of the machine of Redis.",
        [](const seen& s) -> std::optional<double> {
            return s.memory && s.memory->machine_bytes > 0
                       ? std::optional(static_cast<double>(s.memory->machine_bytes))
                       : std::nullopt;
        });
    add("luot_redis_evicts", "1: Redis drops keys when its memory is full, and counts with them.",
        of_memory([](const memory_info& m) { return m.evicts ? 1 : 0; }));
    add("luot_clock_skew_seconds", "How far this process's clock is ahead of that of Redis.",
        [](const seen& s) -> std::optional<double> {
            return s.skew_ms ? std::optional(*s.skew_ms / 1000) : std::nullopt;
        });
    asio::steady_timer timer(context);
    for (;;) {
        const bool is_connected = redis.is_connected();
        seen next;
        if (is_connected)
            next = co_await look(redis);
        *now = next;
        timer.expires_after(is_connected ? std::chrono::milliseconds(every) : until_connected);
        co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

}  // namespace luot::redis
