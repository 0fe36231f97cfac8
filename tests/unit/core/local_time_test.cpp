// Days and hours in a site's zone, over the changes of clocks that real sites have.

#include "core/local_time.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace local_time_test {

using namespace luot;

constexpr std::int64_t minute = 60'000;
constexpr std::int64_t hour = 60 * minute;
constexpr std::int64_t day = 24 * hour;

std::int32_t days(int year, unsigned month, unsigned of_month)
{
    // Days from civil (the Gregorian calendar, by arithmetic): an oracle apart from the library.
    year -= month <= 2;
    const int era = (year >= 0 ? year : year - 399) / 400;
    const auto in_era = static_cast<unsigned>(year - era * 400);
    const unsigned in_year = (153 * (month + (month > 2 ? -3U : 9U)) + 2) / 5 + of_month - 1;
    return era * 146'097 + static_cast<int>(in_era * 365 + in_era / 4 - in_era / 100 + in_year) -
           719'468;
}

std::int64_t utc(int year, unsigned month, unsigned of_month, int h = 0, int m = 0, int s = 0)
{
    return days(year, month, of_month) * day + h * hour + m * minute + s * 1000;
}

/// The local hours of a date, by walking over it minute by minute: hour_start -> minutes in it.
std::map<std::int64_t, int> hours_of(const local_zone& zone, std::int32_t date)
{
    std::map<std::int64_t, int> minutes;
    for (auto at = date * day - 15 * hour; at < (date + 2) * day; at += minute)
        if (zone.date(at) == date)
            ++minutes[zone.hour_start(at)];
    return minutes;
}

int sum_of(const std::map<std::int64_t, int>& minutes)
{
    int sum = 0;
    for (const auto& [start, count] : minutes)
        sum += count;
    return sum;
}

BOOST_AUTO_TEST_SUITE(local_time)

// 17:00 UTC is midnight in Vietnam: a day that turned at 00:00 UTC would count each reader twice.
BOOST_AUTO_TEST_CASE(a_day_turns_at_local_midnight)
{
    const local_zone zone("Asia/Ho_Chi_Minh");
    const auto midnight = utc(2021, 7, 26, 17);
    BOOST_TEST(zone.date(midnight - 1) == days(2021, 7, 26));
    BOOST_TEST(zone.date(midnight) == days(2021, 7, 27));
    BOOST_TEST(zone.hour_start(midnight + 59 * minute) == midnight / 1000);
    BOOST_TEST(hours_of(zone, days(2021, 7, 27)).size() == 24U);
}

BOOST_AUTO_TEST_CASE(time_before_1970_is_time_too)
{
    const local_zone zone("UTC");
    BOOST_TEST(zone.date(-1) == -1);
    BOOST_TEST(zone.hour_start(-1) == -3600);
    BOOST_TEST(date_text(-1) == "1969-12-31");
    BOOST_TEST(utc_text(-1) == "1969-12-31T23:59:59Z");
}

// Two hours with one name, or one that is missing: each hour that was lived has a number of its
// own, and all of the day's minutes are in them.
BOOST_AUTO_TEST_CASE(every_hour_of_a_changed_day_has_its_own_number)
{
    const struct {
        std::string zone;
        std::int32_t date;
        std::size_t hours;
        int minutes;
    } table[] = {
        {"Europe/Berlin", days(2021, 3, 28), 23, 23 * 60},
        {"Europe/Berlin", days(2021, 10, 31), 25, 25 * 60},
        {"Europe/Berlin", days(2021, 7, 26), 24, 24 * 60},
        {"America/New_York", days(2021, 3, 14), 23, 23 * 60},
        {"America/New_York", days(2021, 11, 7), 25, 25 * 60},
        // Half an hour only: the hour of 2 has half its minutes; the hour of 1 has half of them
        // twice.
        {"Australia/Lord_Howe", days(2021, 10, 3), 24, 23 * 60 + 30},
        {"Australia/Lord_Howe", days(2021, 4, 4), 25, 24 * 60 + 30},
        // The clock goes from 24:00 to 01:00: the day has no midnight.
        {"Asia/Beirut", days(2021, 3, 28), 23, 23 * 60},
        // It goes from 24:00 back to 23:00 of the day that ends.
        {"Asia/Beirut", days(2021, 10, 30), 25, 25 * 60},
        {"Asia/Kathmandu", days(2021, 7, 26), 24, 24 * 60},
        {"Pacific/Apia", days(2011, 12, 30), 0, 0},  // a day that never was
        {"Asia/Ho_Chi_Minh", days(2021, 7, 26), 24, 24 * 60},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.zone << ' ' << date_text(row.date))
        {
            const local_zone zone(row.zone);
            const auto minutes = hours_of(zone, row.date);
            BOOST_TEST(minutes.size() == row.hours);
            BOOST_TEST(sum_of(minutes) == row.minutes);
            std::vector<std::int64_t> starts;
            for (const auto& [start, count] : minutes) {
                BOOST_TEST(count <= 60);
                starts.push_back(start);
            }
            BOOST_TEST(zone.hours_of(row.date) == starts, boost::test_tools::per_element());
        }
    }
}

// A number of an hour is read back as a time: it must lie in the hour that it names.
BOOST_AUTO_TEST_CASE(the_start_of_an_hour_lies_in_that_hour)
{
    for (const std::string name : {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
                                   "Asia/Beirut", "Asia/Kathmandu", "America/St_Johns"}) {
        const local_zone zone(name);
        for (auto at = utc(2021, 1, 1); at < utc(2022, 1, 1); at += 15 * minute) {
            const auto start = zone.hour_start(at);
            const bool right = start * 1000 <= at && at - start * 1000 < hour &&
                               zone.hour_start(start * 1000) == start &&
                               zone.date(start * 1000) == zone.date(at);
            if (!right)
                BOOST_ERROR(name << " at " << utc_text(at) << " starts " << utc_text(start * 1000));
        }
    }
}

// The rule in force is kept from one call to the next: going back and forth must not matter.
BOOST_AUTO_TEST_CASE(times_may_come_in_any_order)
{
    const local_zone used("Europe/Berlin");
    for (int i = 0; i < 3000; ++i) {
        const auto at = utc(2021, 1, 1) + (i * 7919LL % 730) * 12 * hour;
        const local_zone fresh("Europe/Berlin");
        if (used.date(at) != fresh.date(at) || used.hour_start(at) != fresh.hour_start(at))
            BOOST_ERROR("at " << utc_text(at));
        if (i % 100 == 0 && i > 0)
            BOOST_TEST(used.date(at - 200 * day) == fresh.date(at - 200 * day));
    }
}

BOOST_AUTO_TEST_CASE(an_unknown_zone_is_refused)
{
    BOOST_CHECK_THROW(local_zone("Asia/Saigon_2"), std::runtime_error);
    BOOST_CHECK_THROW(local_zone(""), std::runtime_error);
}

// The two hours of 2 on the day on which summer ends are told apart by their offsets.
BOOST_AUTO_TEST_CASE(a_local_time_carries_its_offset)
{
    const local_zone berlin("Europe/Berlin"), newfoundland("America/St_Johns"), utc_zone("UTC");
    BOOST_TEST(berlin.local_text(utc(2021, 10, 31, 0)) == "2021-10-31T02:00:00+02:00");
    BOOST_TEST(berlin.local_text(utc(2021, 10, 31, 1)) == "2021-10-31T02:00:00+01:00");
    BOOST_TEST(newfoundland.local_text(utc(2021, 7, 26, 1)) == "2021-07-25T22:30:00-02:30");
    BOOST_TEST(utc_zone.local_text(utc(2021, 7, 26, 8, 31, 5)) == "2021-07-26T08:31:05+00:00");
}

BOOST_AUTO_TEST_CASE(dates_are_written_as_people_sort_them)
{
    BOOST_TEST(date_text(0) == "1970-01-01");
    BOOST_TEST(date_text(days(2021, 7, 26)) == "2021-07-26");
    BOOST_TEST(date_text(days(2024, 2, 29)) == "2024-02-29");
    BOOST_TEST(date_text(days(999, 1, 2)) == "0999-01-02");
    BOOST_TEST(utc_text(utc(2021, 7, 26, 8, 31, 9) + 999) == "2021-07-26T08:31:09Z");
}

BOOST_AUTO_TEST_CASE(a_week_begins_on_monday)
{
    const auto monday = days(2021, 7, 26);
    for (int i = 0; i < 7; ++i) {
        BOOST_TEST_CONTEXT("day " << i)
        BOOST_TEST(monday_of(monday + i) == monday);
    }
    BOOST_TEST(monday_of(monday - 1) == monday - 7);
    BOOST_TEST(monday_of(days(2021, 1, 1)) == days(2020, 12, 28));
    BOOST_TEST(monday_of(0) == -3);  // 1970-01-01 was a Thursday
}

BOOST_AUTO_TEST_CASE(months_are_those_of_the_calendar)
{
    BOOST_TEST(month_begin(days(2021, 7, 26)) == days(2021, 7, 1));
    BOOST_TEST(month_begin(days(2021, 7, 1)) == days(2021, 7, 1));
    BOOST_TEST(month_begin(days(2021, 1, 31), 1) == days(2021, 2, 1));
    BOOST_TEST(month_begin(days(2021, 1, 31), -1) == days(2020, 12, 1));
    BOOST_TEST(month_begin(days(2021, 12, 31), 1) == days(2022, 1, 1));
    BOOST_TEST(month_begin(days(2021, 3, 31), -13) == days(2020, 2, 1));
    BOOST_TEST(month_begin(days(2021, 3, 31), 24) == days(2023, 3, 1));
    BOOST_TEST(month_of(days(2021, 1, 1)) == 1U);
    BOOST_TEST(month_of(days(2021, 12, 31)) == 12U);
    BOOST_TEST(month_of(days(2024, 2, 29)) == 2U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace local_time_test
