// What reports are asked with: filters, the period before, and which days are kept.

#include "aggregator/report_query.hpp"

#include "aggregator/summary_report.hpp"
#include "core/local_time.hpp"
#include "tests/unit/support/hits.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace report_query_test {

using namespace luot;
using namespace luot::aggregator;
using namespace luot::testing;

std::string text_of(date_range range)
{
    return date_text(range.from) + ' ' + date_text(range.to);
}

BOOST_AUTO_TEST_SUITE(report_queries)

BOOST_AUTO_TEST_CASE(each_dimension_of_top_is_a_filter_by_its_name)
{
    site_config site;
    site.hosts = {"a.example"};
    for (const auto& name : breakdown_names) {
        if (name.request.empty())
            continue;
        BOOST_TEST_CONTEXT(name.request)
        {
            BOOST_TEST(is_dimension(name.request));
            const auto answer = filter_of({{std::string(name.request), "/a/"}}, site);
            BOOST_TEST_REQUIRE(answer.filter.has_value());
            BOOST_TEST(!answer.refused.has_value());
            BOOST_TEST((answer.filter->by == name.what));
            // Pages are named as hits name them; of all else a row is a row.
            BOOST_TEST(answer.filter->key == (is_of_pages(name.what) ? "/a" : "/a/"));
        }
    }
    const auto bots = filter_of({{"bot", "search"}}, site);
    BOOST_TEST_REQUIRE(bots.filter.has_value());
    BOOST_TEST(!bots.filter->by.has_value());
    for (const auto* name : {"", "shoe", "page_visits", "pages", "event_properties"})
        BOOST_TEST(!is_dimension(name), name);
}

BOOST_AUTO_TEST_CASE(what_is_no_single_row_is_refused)
{
    site_config site;
    site.hosts = {"a.example"};
    for (const auto& asked :
         {report_parameters{{"country", "VN"}, {"device", "mobile"}},
          report_parameters{{"country", ""}}, report_parameters{{"path", "https://b.example/"}}}) {
        const auto answer = filter_of(asked, site);
        BOOST_TEST_REQUIRE(answer.refused.has_value());
        BOOST_TEST(answer.refused->status == 400);
        BOOST_TEST(!answer.filter.has_value());
    }
    for (const auto& none : {report_parameters{}, report_parameters{{"path", ""}}}) {
        const auto answer = filter_of(none, site);
        BOOST_TEST((!answer.refused && !answer.filter));
    }
}

BOOST_AUTO_TEST_CASE(a_comparison_is_asked_for_by_one_word)
{
    BOOST_TEST((compares({}) == false));
    BOOST_TEST((compares({{"compare", "previous"}}) == true));
    for (const auto* other : {"", "1", "Previous", "year"})
        BOOST_TEST(!compares({{"compare", other}}).has_value(), other);
}

BOOST_AUTO_TEST_CASE(the_period_before_is_as_long_and_ends_where_the_period_begins)
{
    BOOST_TEST(text_of(period_before({days(2021, 7, 26), days(2021, 7, 26)})) ==
               "2021-07-25 2021-07-25");
    BOOST_TEST(text_of(period_before({days(2021, 7, 1), days(2021, 7, 31)})) ==
               "2021-05-31 2021-06-30");
    BOOST_TEST(text_of(months_before({days(2021, 7, 26), days(2021, 7, 26)})) ==
               "2021-06-01 2021-06-30");
    BOOST_TEST(text_of(months_before({days(2021, 12, 31), days(2022, 1, 1)})) ==
               "2021-10-01 2021-11-30");
}

BOOST_AUTO_TEST_CASE(days_are_forgotten_and_months_are_not)
{
    const auto kept = kept_from(days(2021, 7, 26), 400);
    BOOST_TEST(date_text(kept) == "2020-06-21");
    BOOST_TEST(!reads_forgotten({kept, kept + 1}, kept));
    BOOST_TEST(reads_forgotten({kept - 1, kept + 1}, kept));
    BOOST_TEST(!reads_forgotten({days(2019, 1, 1), days(2019, 12, 31)}, kept));
    BOOST_TEST(reads_forgotten({days(2019, 1, 1), days(2020, 1, 1)}, kept));
    BOOST_TEST(!reads_forgotten({days(2019, 1, 1), days(2020, 6, 30)}, kept));
}

BOOST_AUTO_TEST_CASE(each_period_of_a_summary_has_one_before)
{
    const struct {
        std::int32_t today;
        std::vector<std::string> before;
    } table[] = {
        {days(2021, 7, 28),
         {"2021-07-27 2021-07-27", "2021-07-26 2021-07-26", "2021-07-19 2021-07-21",
          "2021-06-01 2021-06-28", "2021-05-01 2021-05-31", "2020-01-01 2020-07-28"}},
        // A month, or a year, that has no such day ends earlier.
        {days(2021, 3, 31),
         {"2021-03-30 2021-03-30", "2021-03-29 2021-03-29", "2021-03-22 2021-03-24",
          "2021-02-01 2021-02-28", "2021-01-01 2021-01-31", "2020-01-01 2020-03-31"}},
        {days(2024, 2, 29),
         {"2024-02-28 2024-02-28", "2024-02-27 2024-02-27", "2024-02-19 2024-02-22",
          "2024-01-01 2024-01-29", "2023-12-01 2023-12-31", "2023-01-01 2023-02-28"}},
        {days(2021, 1, 1),
         {"2020-12-31 2020-12-31", "2020-12-30 2020-12-30", "2020-12-21 2020-12-25",
          "2020-12-01 2020-12-01", "2020-11-01 2020-11-30", "2020-01-01 2020-01-01"}},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(date_text(row.today))
        {
            const auto periods = summary_periods(row.today);
            BOOST_TEST_REQUIRE(periods.size() == row.before.size());
            for (std::size_t i = 0; i < periods.size(); ++i)
                BOOST_TEST(text_of(periods[i].before) == row.before[i], periods[i].name);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace report_query_test
