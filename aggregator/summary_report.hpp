// The periods of a summary - today, this week, last month ... - beside those before them, and
// narrowed to one row of a breakdown. docs/reports.md has the definitions.

#pragma once

#include "aggregator/reports.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/json/fwd.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

namespace luot::aggregator {

struct summary_period {
    std::string_view name;
    /// Its days, those included that are yet to come: whole months are read from their months.
    date_range range;
    /// As many of its days as have begun, a day, week, month or year before; not in a month that
    /// has fewer.
    date_range before;
};

/// today to this_year, in the order in which they are answered.
[[nodiscard]] std::vector<summary_period> summary_periods(std::int32_t today);

/// Adds to each period of a summary what it was before (`previous`). Errors as of read_top().
[[nodiscard]] boost::asio::awaitable<error_code> add_periods_before(boost::json::object& summary,
                                                                    redis::client& redis,
                                                                    fall_back_guard& guard,
                                                                    const site_table::site& site,
                                                                    std::int32_t today);

/// Adds the periods with what one row counts in them. `kept`: kept_from(). Errors as of read_top().
[[nodiscard]] boost::asio::awaitable<error_code> add_row_periods(
    boost::json::object& summary, redis::client& redis, fall_back_guard& guard,
    const site_table::site& site, const row_filter& row, std::int32_t today, bool compares,
    std::int32_t kept);

}  // namespace luot::aggregator
