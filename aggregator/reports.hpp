// What a site's views of a period consist of, and how they went over time: read from the breakdowns
// and the counts of days and months. docs/reports.md has the definitions.

#pragma once

#include "aggregator/counts.hpp"
#include "aggregator/fold/fold.hpp"
#include "core/breakdown.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace luot::aggregator {

/// Local dates, days since 1970-01-01, both included.
struct date_range {
    std::int32_t from = 0, to = 0;

    [[nodiscard]] std::int64_t days() const noexcept { return std::int64_t{to} - from + 1; }
};

/// Days that one report reads at most.
inline constexpr std::int64_t most_report_days = 3'660;
/// Points of a series at most.
inline constexpr std::int64_t most_points = 10'000;

struct report_row {
    std::string key;
    std::int64_t views = 0;

    bool operator==(const report_row&) const = default;
};

/// The rows with most views; `total` = their sum + `other`.
struct top_rows {
    std::vector<report_row> rows;
    std::int64_t total = 0, other = 0;
    std::int64_t hidden = 0;  ///< of `other`: of pages that stand in no list

    /// Of all rows: whether one that is not among them has counted nothing. Else it may be among
    /// those that were counted together.
    [[nodiscard]] bool tells_all() const noexcept { return other == hidden; }
};

/// Sums rows of several days and months by their keys.
class row_sum {
public:
    void add(std::string_view key, std::int64_t views);
    /// The first `limit` by views, then by key; what is in other_member is no row.
    [[nodiscard]] top_rows top(std::size_t limit) const;

private:
    tally rows_;
};

/// A period as the fewest months and days: whole months and the days beside them.
struct period_parts {
    std::vector<std::int32_t> months;  ///< by their first days
    std::vector<std::int32_t> days;
};
[[nodiscard]] period_parts parts_of(date_range range);

/// As many days before.
[[nodiscard]] date_range period_before(date_range range) noexcept;
/// The same by months: as many whole months before those that the range touches.
[[nodiscard]] date_range months_before(date_range range) noexcept;

/// The first day whose rows are surely kept yet, when a day's are for so many.
[[nodiscard]] std::int32_t kept_from(std::int32_t today, std::uint32_t keep_days) noexcept;
/// Whether a report of the range reads days before that one; it finds nothing of them.
[[nodiscard]] bool reads_forgotten(date_range range, std::int32_t kept_from);

/// One row of a breakdown, which a report is narrowed to.
struct row_filter {
    std::optional<breakdown> by;  ///< nullopt: bots, by their kind
    std::string key;

    bool operator==(const row_filter&) const = default;
};

/// What a row counted.
struct row_count {
    std::int64_t value = 0;
    /// Of days and months without this row, what was counted in `(other)`: so many more may be the
    /// row's, since it may have found no place.
    std::int64_t in_other = 0;

    bool operator==(const row_count&) const = default;
};

/// Rows that wait are written when a report wants them (settle.hpp): says so, and waits for them, a
/// second and a half at most, so that a report holds what its reader has just seen counted.
[[nodiscard]] boost::asio::awaitable<void> await_rows(redis::client& redis, unsigned partition);

/// Rows of a breakdown, or of bots by their kind where `by` is nullopt. `depth`: only so many rows
/// of each day and month are looked at, the first; `total` is of these then. 0: all. Errors:
/// redis_away (also while Redis is behind what was shown before), redis_error.
[[nodiscard]] boost::asio::awaitable<result<top_rows>> read_top(
    redis::client& redis, fall_back_guard& guard, const site_table::site& site,
    std::optional<breakdown> by, date_range range, std::size_t limit, std::size_t depth = 0);

/// The row of a report of one event's properties that a row of breakdown::event_property belongs
/// to: the value of `property`, or, where that is empty, the key. nullopt: it is of no such event.
[[nodiscard]] std::optional<std::string_view> property_row(std::string_view member,
                                                           std::string_view event,
                                                           std::string_view property) noexcept;

/// Events of one name by the values of one property, or (`property` empty) by the keys that they
/// have. What found no place among the rows is in none: whose it is is not known.
/// Errors as of read_top().
[[nodiscard]] boost::asio::awaitable<result<top_rows>> read_properties(
    redis::client& redis, fall_back_guard& guard, const site_table::site& site,
    std::string_view event, std::string_view property, date_range range, std::size_t limit);

/// One row in each of some periods. Errors as of read_top().
[[nodiscard]] boost::asio::awaitable<result<std::vector<row_count>>> read_row(
    redis::client& redis, fall_back_guard& guard, const site_table::site& site,
    const row_filter& row, const std::vector<date_range>& periods);

/// The counts of a site in each of some periods. Errors as of read_top().
[[nodiscard]] boost::asio::awaitable<result<std::vector<period_counts>>> read_periods(
    redis::client& redis, fall_back_guard& guard, const site_table::site& site,
    const std::vector<date_range>& periods);

enum class metric : std::uint8_t {
    views,
    visits,
    visitors,
    events,
    bots,
    bounces,
    reloads,
    visit_seconds,
};

/// What the rows of a dimension count.
[[nodiscard]] metric metric_of(std::optional<breakdown> by) noexcept;

enum class time_step : std::uint8_t { hour, day, month };

struct point {
    std::int64_t at = 0;  ///< days since 1970-01-01 (a month: its first day); of an hour Unix ms
    std::int64_t value = 0;
    std::int64_t in_other = 0;  ///< row_count::in_other

    bool operator==(const point&) const = default;
};

/// Visitors of the site's pages, by page, where the site tells them apart (`path_visitors`): the
/// sum of the days of the range, on each of which a reader is one. Errors as of read_top().
[[nodiscard]] boost::asio::awaitable<result<std::unordered_map<std::string, std::int64_t>>>
read_path_visitors(redis::client& redis, fall_back_guard& guard, const site_table::site& site,
                   date_range range);

/// One point for each step of the range, also where nothing was counted. Visitors of a month are
/// the sum of its days (visitor_days). Hours have views and visits, and add up to their
/// days; `row` is none of theirs. With `row` what that row counts (metric_of()), by days and
/// months. Errors as of read_top().
[[nodiscard]] boost::asio::awaitable<result<std::vector<point>>> read_series(
    redis::client& redis, fall_back_guard& guard, const site_table::site& site, metric what,
    time_step step, date_range range, const std::optional<row_filter>& row);

}  // namespace luot::aggregator
