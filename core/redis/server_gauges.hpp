// What a process sees of its Redis: memory, whether it may drop keys, and how far its clock is off
// ours. Read every few seconds, shown from memory.

#pragma once

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace boost::asio {
class io_context;
}

namespace luot {
class metrics_registry;
}

namespace luot::redis {

class client;

/// Of what INFO memory says.
struct memory_info {
    std::uint64_t used_bytes = 0, max_bytes = 0;  ///< max 0: no limit
    bool evicts = false;              ///< a policy other than noeviction: counts would be dropped
    std::uint64_t machine_bytes = 0;  ///< of its machine; 0: it does not say

    bool operator==(const memory_info&) const = default;
};

/// nullopt when a field is missing.
[[nodiscard]] std::optional<memory_info> parse_memory_info(std::string_view info);

/// How far our clock is ahead, ms, from Redis' time and the Unix times at which it was asked and
/// had answered.
[[nodiscard]] constexpr double clock_skew_ms(std::int64_t redis_us, std::int64_t asked_ms,
                                             std::int64_t answered_ms) noexcept
{
    return static_cast<double>(asked_ms + answered_ms) / 2 - static_cast<double>(redis_us) / 1000;
}

/// The gauges luot_redis_memory_bytes, _max_memory_bytes, _machine_memory_bytes, _evicts and
/// luot_clock_skew_seconds. They are asked for on the thread of `context`, to which `redis`
/// belongs; both must outlive the registry's last scrape. Runs as long as the context does; what
/// Redis did not say the last time is not shown.
[[nodiscard]] boost::asio::awaitable<void> watch_server(boost::asio::io_context& context,
                                                        client& redis, metrics_registry& metrics);

}  // namespace luot::redis
