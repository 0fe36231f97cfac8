// Days, hours and weeks in a site's time zone, by the system's tz data.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace luot {

/// A time zone with the rule in force cached: looking up a time near the last one costs a
/// comparison. Not thread-safe (the cache): one object a thread.
class local_zone {
public:
    /// Throws std::runtime_error when the system does not know the name.
    explicit local_zone(std::string_view name);
    ~local_zone();
    local_zone(local_zone&&) noexcept;
    local_zone& operator=(local_zone&&) noexcept;

    /// Days since 1970-01-01 on the calendar of the zone.
    [[nodiscard]] std::int32_t date(std::int64_t unix_ms) const;

    /// Unix time in seconds at which the local hour of this time began. Names an hour for ever,
    /// through clock changes (days of 23 and 25 hours) and changes of a site's zone.
    [[nodiscard]] std::int64_t hour_start(std::int64_t unix_ms) const;

    /// The hours of a date, by hour_start(): 24, or 23 or 25 where clocks change. Empty for a date
    /// that the zone has skipped.
    [[nodiscard]] std::vector<std::int64_t> hours_of(std::int32_t date) const;

    /// "2021-07-26T08:00:00+07:00"
    [[nodiscard]] std::string local_text(std::int64_t unix_ms) const;

private:
    struct rule;
    [[nodiscard]] std::int64_t local_seconds(std::int64_t unix_ms) const;

    std::unique_ptr<rule> rule_;
};

/// "2021-07-26" for days since 1970-01-01.
[[nodiscard]] std::string date_text(std::int32_t date);

/// The inverse; false for anything else.
[[nodiscard]] bool parse_date(std::string_view text, std::int32_t& date) noexcept;

/// "2021-07-26T08:31:00Z"
[[nodiscard]] std::string utc_text(std::int64_t unix_ms);

/// The Monday of the week in which the date lies.
[[nodiscard]] std::int32_t monday_of(std::int32_t date) noexcept;

/// The first day of the month of the date, `months` months on (0: this month, -1: the one before).
[[nodiscard]] std::int32_t month_begin(std::int32_t date, int months = 0) noexcept;

/// How many months of its year have begun at that date: 1 to 12.
[[nodiscard]] unsigned month_of(std::int32_t date) noexcept;

}  // namespace luot
