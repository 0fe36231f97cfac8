#include "collector/rate_limit.hpp"

#include "core/bytes.hpp"

#include <algorithm>
#include <string_view>

namespace luot::collector {

namespace {

constexpr unsigned unit_bits = 4;  // a unit is 16 us: 44 bits of them are nine years
constexpr std::uint64_t units_per_second = 1'000'000 >> unit_bits;
constexpr unsigned time_bits = 44;
constexpr std::uint64_t time_mask = (std::uint64_t{1} << time_bits) - 1;
constexpr int most_tries = 8;

}  // namespace

rate_limiter::rate_limiter()
    : seed_(random_u64()), sets_(std::make_unique<set[]>(most_clients / ways))
{
}

bool rate_limiter::allow(const http::ip_address& client, std::uint32_t per_second,
                         std::int64_t now_us) noexcept
{
    if (per_second == 0)
        return true;
    const auto key = http::client_key(client);
    const auto hash = checksum({reinterpret_cast<const char*>(key.data()), key.size()}, seed_);
    const auto tag = hash >> time_bits;
    auto& slots = sets_[hash % (most_clients / ways)];
    const auto now = (static_cast<std::uint64_t>(now_us) >> unit_bits) & time_mask;
    const auto cost = std::max<std::uint64_t>(1, units_per_second / per_second);

    // Another thread may take the same slot in between: then look again.
    for (int attempt = 0; attempt < most_tries; ++attempt) {
        std::atomic<std::uint64_t>* mine = nullptr;
        std::uint64_t held = 0;
        for (auto& slot : slots) {
            const auto value = slot.load(std::memory_order_relaxed);
            const bool is_ours = value != 0 && value >> time_bits == tag;
            if (!mine || is_ours || (value & time_mask) < (held & time_mask)) {
                mine = &slot;
                held = value;
            }
            if (is_ours)
                break;
        }
        const bool is_known = held != 0 && held >> time_bits == tag;
        const auto full_at = is_known ? std::max(held & time_mask, now) : now;
        if (full_at + cost > now + burst_seconds * units_per_second)
            return false;
        if (mine->compare_exchange_weak(held, tag << time_bits | (full_at + cost),
                                        std::memory_order_relaxed))
            return true;
    }
    return true;
}

}  // namespace luot::collector
