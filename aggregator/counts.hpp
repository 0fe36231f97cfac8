// The numbers of a site as they are shown, read from Redis in one transaction, so that they add up.

#pragma once

#include "aggregator/fold/fold.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace luot::aggregator {

class fall_back_guard;

inline constexpr std::int64_t online_ms = 5 * 60 * 1000;

/// Views, visits and visitors of a period. visitors: of one day, an estimate; of longer periods the
/// sum of its days (visitor_days). visit_ms: how long the visits that began in it have lasted.
struct period_counts {
    std::int64_t views = 0, visits = 0, visitors = 0;
    std::int64_t bounces = 0, reloads = 0, visit_ms = 0;
};
/// Durations are told in whole seconds, rounded down.
[[nodiscard]] constexpr std::int64_t visit_seconds(std::int64_t visit_ms) noexcept
{
    return visit_ms / 1000;
}

struct summary_counts {
    period_counts today, yesterday, this_week, this_month, last_month, this_year, total;
};

struct site_counts {
    std::int64_t views = 0, visits = 0, online = 0;  ///< of all time, baseline included; and now
    /// Per path asked for; nullopt: beyond the site's limits, not counted apart.
    std::vector<std::optional<std::int64_t>> pages;
    std::optional<summary_counts> summary;
};

/// Reads a site's numbers. `paths` are normalised; an empty one answers nullopt.
/// Errors: redis_away (also while Redis is behind what was shown before), redis_error.
[[nodiscard]] boost::asio::awaitable<result<site_counts>> read_counts(
    redis::client& redis, fall_back_guard& guard, const site_table::site& site,
    std::uint32_t max_paths, std::vector<std::string> paths, bool with_summary,
    std::int64_t now_ms);

}  // namespace luot::aggregator
