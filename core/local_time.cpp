#include "core/local_time.hpp"

#include "core/bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <date/tz.h>

namespace luot {

namespace {

using namespace std::chrono;

date::sys_days as_days(std::int32_t days)
{
    return date::sys_days{date::days{days}};
}

date::year_month_day calendar(std::int32_t days)
{
    return date::year_month_day{as_days(days)};
}

}  // namespace

struct local_zone::rule {
    const date::time_zone* zone;
    date::sys_info now{};
};

local_zone::local_zone(std::string_view name)
    : rule_(std::make_unique<rule>(rule{date::locate_zone(std::string(name))}))
{
}

local_zone::~local_zone() = default;
local_zone::local_zone(local_zone&&) noexcept = default;
local_zone& local_zone::operator=(local_zone&&) noexcept = default;

std::int64_t local_zone::local_seconds(std::int64_t unix_ms) const
{
    const date::sys_seconds at{floor<seconds>(milliseconds{unix_ms})};
    if (at < rule_->now.begin || at >= rule_->now.end)
        rule_->now = rule_->zone->get_info(at);
    return (at.time_since_epoch() + rule_->now.offset).count();
}

std::int32_t local_zone::date(std::int64_t unix_ms) const
{
    return static_cast<std::int32_t>(floor<date::days>(seconds{local_seconds(unix_ms)}).count());
}

std::int64_t local_zone::hour_start(std::int64_t unix_ms) const
{
    const seconds local{local_seconds(unix_ms)};
    const auto unix_seconds = floor<seconds>(milliseconds{unix_ms});
    const auto start = unix_seconds - (local - floor<hours>(local));
    // Where clocks change by half an hour, an hour may begin with the change.
    return std::max(start, rule_->now.begin.time_since_epoch()).count();
}

std::vector<std::int64_t> local_zone::hours_of(std::int32_t date) const
{
    // No zone is further than 14 hours from UTC.
    std::vector<std::int64_t> hours;
    const auto midnight_s = std::int64_t{date} * 86'400;
    for (auto at = midnight_s - 15 * 3600; at < midnight_s + 39 * 3600; at += 1800) {
        const auto start = hour_start(at * 1000);
        if (this->date(start * 1000) == date && (hours.empty() || hours.back() < start))
            hours.push_back(start);
    }
    return hours;
}

std::string local_zone::local_text(std::int64_t unix_ms) const
{
    const auto local = local_seconds(unix_ms);
    const auto offset_minutes = duration_cast<minutes>(rule_->now.offset).count();
    const auto text = utc_text(local * 1000);
    return fmt::format("{}{}{:02}:{:02}", std::string_view(text).substr(0, text.size() - 1),
                       offset_minutes < 0 ? '-' : '+', std::abs(offset_minutes) / 60,
                       std::abs(offset_minutes) % 60);
}

std::string date_text(std::int32_t days)
{
    const auto ymd = calendar(days);
    return fmt::format("{:04}-{:02}-{:02}", int{ymd.year()}, unsigned{ymd.month()},
                       unsigned{ymd.day()});
}

bool parse_date(std::string_view text, std::int32_t& date) noexcept
{
    std::uint64_t year = 0, month = 0, day = 0;
    if (text.size() != 10 || text[4] != '-' || text[7] != '-' ||
        !parse_number(text.substr(0, 4), year) || !parse_number(text.substr(5, 2), month) ||
        !parse_number(text.substr(8), day))
        return false;
    const auto ymd =
        date::year(static_cast<int>(year)) / static_cast<int>(month) / static_cast<int>(day);
    if (!ymd.ok())
        return false;
    date = static_cast<std::int32_t>(date::sys_days{ymd}.time_since_epoch().count());
    return true;
}

std::string utc_text(std::int64_t unix_ms)
{
    const auto at = floor<seconds>(milliseconds{unix_ms});
    const auto days = floor<date::days>(at);
    const auto time = at - days;
    return fmt::format("{}T{:02}:{:02}:{:02}Z", date_text(static_cast<std::int32_t>(days.count())),
                       time.count() / 3600, time.count() / 60 % 60, time.count() % 60);
}

std::int32_t monday_of(std::int32_t days) noexcept
{
    return days - static_cast<std::int32_t>((date::weekday{as_days(days)} - date::Monday).count());
}

std::int32_t month_begin(std::int32_t days, int months) noexcept
{
    const auto ymd = calendar(days);
    const auto month = ymd.year() / ymd.month() + date::months{months};
    return static_cast<std::int32_t>(date::sys_days{month / 1}.time_since_epoch().count());
}

unsigned month_of(std::int32_t days) noexcept
{
    return unsigned{calendar(days).month()};
}

}  // namespace luot
