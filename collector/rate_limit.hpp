// How many hits a second one client may send. Bounded memory whatever comes: a table of fixed size,
// in which the clients that were quiet for longest are forgotten first.

#pragma once

#include "core/http/address.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

namespace luot::collector {

/// Token buckets of all clients, one per process. Thread-safe and lock-free.
///
/// A bucket is one number, the time at which it will be full again (the theoretical arrival time of
/// the generic cell rate algorithm, ITU-T I.371). A client is an IPv4 address or an IPv6 /64.
class rate_limiter {
public:
    /// A client that was quiet may send what comes in so many seconds at once.
    static constexpr std::uint64_t burst_seconds = 5;
    /// Clients remembered, about; beyond, one that was forgotten may get more than its rate.
    static constexpr std::size_t most_clients = 1 << 16;

    rate_limiter();

    /// Whether this client may send another hit now, and counts it then. `per_second` 0: no limit.
    /// `now_us` is of a clock that never goes back.
    [[nodiscard]] bool allow(const http::ip_address& client, std::uint32_t per_second,
                             std::int64_t now_us) noexcept;

private:
    // A client may be in any slot of the one set that its hash names. A slot: 20 bits of the hash,
    // and 44 bits of the time in units of 16 us.
    static constexpr std::size_t ways = 4;
    using set = std::array<std::atomic<std::uint64_t>, ways>;
    static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

    const std::uint64_t seed_;  // nobody outside can choose clients that meet in one set
    std::unique_ptr<set[]> sets_;
};

}  // namespace luot::collector
