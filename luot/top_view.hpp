// One picture of `luot top`, as a pure function of two moments.

#pragma once

#include "luot/admin_port.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace luot {

/// What was known at one moment.
struct top_sample {
    struct daemon {
        std::string address;
        std::optional<scraped_metrics> metrics;
        std::string trouble;  ///< why there are none
    };
    struct site {
        std::string id;
        std::int64_t views = 0, views_today = 0, visits_today = 0, online = 0;
        bool is_known = false;
    };
    std::int64_t steady_ms = 0, unix_ms = 0;
    std::vector<daemon> daemons;
    std::vector<site> sites;
    std::string redis_trouble;  ///< empty: it answered
    double redis_seconds = 0;   ///< that its answers took, all sites together
    std::int64_t redis_bytes = 0, redis_most_bytes = 0;  ///< 0: not known; no limit
};

struct screen_size {
    std::size_t columns = 80, rows = 24;
};

/// Lines without control characters, none longer than the screen and no more than it has; rates
/// are those between the two moments. Sites are shown by their views of today.
[[nodiscard]] std::vector<std::string> top_frame(const top_sample& before, const top_sample& now,
                                                 screen_size screen);

}  // namespace luot
