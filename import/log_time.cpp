#include "import/log_time.hpp"

#include <chrono>
#include <cstring>

namespace luot::importer {
namespace {

constexpr std::int64_t seconds_per_day = 86'400;

bool is_digit(char c) noexcept
{
    return c >= '0' && c <= '9';
}

/// The number that `count` digits at `at` are; -1 when they are no digits.
int digits(const char* at, int count) noexcept
{
    int number = 0;
    for (int i = 0; i < count; ++i) {
        if (!is_digit(at[i]))
            return -1;
        number = number * 10 + (at[i] - '0');
    }
    return number;
}

/// "10:05:03" to seconds; -1 when it is none. A leap second is the first second of the next minute.
int clock_seconds(const char* at) noexcept
{
    const int hour = digits(at, 2), minute = digits(at + 3, 2), second = digits(at + 6, 2);
    if (at[2] != ':' || at[5] != ':' || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
        second < 0 || second > 60)
        return -1;
    return hour * 3600 + minute * 60 + second;
}

/// Unix seconds at 00:00 UTC of that date; false when the calendar has no such date.
bool midnight_utc(int year, int month, int day, std::int64_t& seconds) noexcept
{
    if (year < 1970 || month < 1 || day < 1)
        return false;
    const std::chrono::year_month_day date{std::chrono::year{year},
                                           std::chrono::month{static_cast<unsigned>(month)},
                                           std::chrono::day{static_cast<unsigned>(day)}};
    if (!date.ok())
        return false;
    seconds = std::chrono::sys_days{date}.time_since_epoch().count() * seconds_per_day;
    return true;
}

/// 1 to 12; 0 for what is no month.
int month_number(const char* name) noexcept
{
    constexpr std::string_view names = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (std::size_t i = 0; i < names.size(); i += 3)
        if (std::memcmp(names.data() + i, name, 3) == 0)
            return static_cast<int>(i / 3) + 1;
    return 0;
}

/// A sign, two digits of hours and two of minutes ("+0700"); false when it is none.
bool zone_offset(char sign, const char* hours, const char* minutes, int& seconds) noexcept
{
    const int h = digits(hours, 2), m = digits(minutes, 2);
    if ((sign != '+' && sign != '-') || h < 0 || h > 23 || m < 0 || m > 59)
        return false;
    seconds = (h * 3600 + m * 60) * (sign == '-' ? -1 : 1);
    return true;
}

/// ".123456" to 123, off the front of `text`. False when a point has no digit behind it.
bool take_fraction(std::string_view& text, int& milliseconds) noexcept
{
    milliseconds = 0;
    if (text.empty() || text[0] != '.')
        return true;
    std::size_t end = 1;
    for (int weight = 100; end < text.size() && is_digit(text[end]); ++end, weight /= 10)
        milliseconds += (text[end] - '0') * weight;
    text.remove_prefix(end);
    return end > 1;
}

bool read_iso(std::string_view text, std::int64_t& unix_ms) noexcept
{
    constexpr std::size_t shortest = 20;  // 2015-05-17T10:05:03Z
    if (text.size() < shortest || text[4] != '-' || text[7] != '-' ||
        (text[10] != 'T' && text[10] != ' '))
        return false;
    const char* const at = text.data();
    const int clock = clock_seconds(at + 11);
    std::int64_t midnight = 0;
    if (clock < 0 || !midnight_utc(digits(at, 4), digits(at + 5, 2), digits(at + 8, 2), midnight))
        return false;
    text.remove_prefix(19);
    int milliseconds = 0, offset = 0;
    if (!take_fraction(text, milliseconds))
        return false;
    const bool utc = text == "Z";
    const bool basic = text.size() == 5 && zone_offset(text[0], &text[1], &text[3], offset);
    const bool extended =
        text.size() == 6 && text[3] == ':' && zone_offset(text[0], &text[1], &text[4], offset);
    unix_ms = (midnight + clock - offset) * 1000 + milliseconds;
    return (utc || basic || extended) && unix_ms >= 0;
}

bool read_number(std::string_view text, std::int64_t& unix_ms) noexcept
{
    std::size_t size = 0;
    std::uint64_t number = 0;
    while (size < text.size() && size < 19 && is_digit(text[size]))
        number = number * 10 + static_cast<unsigned>(text[size++] - '0');
    text.remove_prefix(size);
    int milliseconds = 0;
    if (size == 0 || !take_fraction(text, milliseconds) || !text.empty())
        return false;
    if (number >= 100'000'000'000'000'000)
        number /= 1'000'000;
    else if (number >= 100'000'000'000'000)
        number /= 1'000;
    else if (number < 100'000'000'000)
        number = number * 1'000 + static_cast<unsigned>(milliseconds);
    unix_ms = static_cast<std::int64_t>(number);
    return true;
}

}  // namespace

bool time_reader::read_clf(std::string_view text, std::int64_t& unix_ms) noexcept
{
    constexpr std::size_t day_bytes = 12, zone_at = 20;  // "17/May/2015:", " +0700"
    if (text.size() != clf_bytes)
        return false;
    const char* const at = text.data();
    if (std::memcmp(at, last_, clf_bytes) == 0) {
        unix_ms = last_ms_;
        return true;
    }
    std::int64_t midnight = midnight_;
    if (std::memcmp(at, last_, day_bytes) != 0 ||
        std::memcmp(at + zone_at, last_ + zone_at, clf_bytes - zone_at) != 0) {
        int offset = 0;
        if (at[2] != '/' || at[6] != '/' || at[11] != ':' || at[zone_at] != ' ' ||
            !midnight_utc(digits(at + 7, 4), month_number(at + 3), digits(at, 2), midnight) ||
            !zone_offset(at[21], at + 22, at + 24, offset))
            return false;
        midnight -= offset;
    }
    const int clock = clock_seconds(at + day_bytes);
    if (clock < 0 || midnight + clock < 0)
        return false;
    std::memcpy(last_, at, clf_bytes);
    midnight_ = midnight;
    unix_ms = last_ms_ = (midnight + clock) * 1000;
    return true;
}

bool time_reader::read(std::string_view text, std::int64_t& unix_ms) noexcept
{
    if (text.size() == clf_bytes + 2 && text.front() == '[' && text.back() == ']')
        text = text.substr(1, clf_bytes);
    return read_clf(text, unix_ms) || read_iso(text, unix_ms) || read_number(text, unix_ms);
}

}  // namespace luot::importer
