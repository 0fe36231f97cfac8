// Reports: which months and days a period is read from, and which rows are shown.

#include "aggregator/reports.hpp"

#include "tests/unit/support/hits.hpp"

#include <boost/test/unit_test.hpp>

#include <set>
#include <string>

namespace reports_test {

using namespace luot;
using namespace luot::aggregator;
using namespace luot::testing;

BOOST_AUTO_TEST_SUITE(reports)

BOOST_AUTO_TEST_CASE(a_period_is_read_from_whole_months_and_the_days_beside_them)
{
    const struct {
        date_range range;
        std::vector<std::int32_t> months;
        std::size_t days;
    } table[] = {
        {{days(2021, 7, 26), days(2021, 7, 26)}, {}, 1},
        {{days(2021, 7, 1), days(2021, 7, 31)}, {days(2021, 7, 1)}, 0},
        {{days(2021, 7, 1), days(2021, 7, 30)}, {}, 30},
        {{days(2021, 6, 30), days(2021, 9, 1)}, {days(2021, 7, 1), days(2021, 8, 1)}, 2},
        {{days(2020, 2, 1), days(2020, 2, 29)}, {days(2020, 2, 1)}, 0},
        {{days(2021, 12, 2), days(2022, 1, 31)}, {days(2022, 1, 1)}, 30},
    };
    for (const auto& row : table) {
        const auto parts = parts_of(row.range);
        BOOST_TEST(parts.months == row.months, boost::test_tools::per_element());
        BOOST_TEST(parts.days.size() == row.days);
        // Each day of the period is in one part, and no other day.
        std::set<std::int32_t> read(parts.days.begin(), parts.days.end());
        for (const auto month : parts.months)
            for (auto date = month; date < month_begin(month, 1); ++date)
                BOOST_TEST(read.insert(date).second);
        BOOST_TEST(static_cast<std::int64_t>(read.size()) == row.range.days());
        BOOST_TEST(*read.begin() == row.range.from);
        BOOST_TEST(*read.rbegin() == row.range.to);
    }
}

BOOST_AUTO_TEST_CASE(rows_and_the_rest_add_up_to_the_total)
{
    row_sum sum;
    for (const auto& [key, views] : {std::pair{"/b", 5},
                                     {"/a", 5},
                                     {"(other)", 50},
                                     {"/c", 1},
                                     {"/d", 7},
                                     {"/c", 1},
                                     {"/e", 1},
                                     {"/e", -1},
                                     {"(none)", 2}})
        sum.add(key, views);
    const auto top = sum.top(3);
    BOOST_TEST((top.rows == std::vector<report_row>{{"/d", 7}, {"/a", 5}, {"/b", 5}}));
    BOOST_TEST(top.total == 71);
    BOOST_TEST(top.other == 54);
    const auto all = sum.top(1000);
    BOOST_TEST(all.rows.size() == 5U);
    BOOST_TEST(all.other == 50);
    BOOST_TEST(row_sum{}.top(10).rows.empty());
}

BOOST_AUTO_TEST_CASE(a_row_of_properties_is_of_one_event_and_one_key)
{
    const struct {
        std::string member, event, property, wanted;
    } table[] = {
        {"download\037file\037a.pdf", "download", "file", "a.pdf"},
        {"download\037file\037a.pdf", "download", "", "file"},
        {"download\037file\037a.pdf", "download", "fil", "none"},
        {"download\037file\037a.pdf", "download", "filed", "none"},
        {"download\037file\037a.pdf", "down", "file", "none"},
        {"download\037file\037a.pdf", "downloads", "file", "none"},
        {"download\037file\037a.pdf", "download\037file", "", "none"},
        {"(other)", "(other)", "", "none"},
        {"(other)", "download", "file", "none"},
        {"download\037file", "download", "file", "none"},
        {"", "download", "file", "none"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.member << " of " << row.event << ' ' << row.property)
        BOOST_TEST(property_row(row.member, row.event, row.property).value_or("none") ==
                   row.wanted);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace reports_test
