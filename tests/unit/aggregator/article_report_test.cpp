// What was read, article by article: the table, and where its numbers come from.

#include "aggregator/article_report.hpp"

#include "aggregator/progress.hpp"
#include "core/keys.hpp"
#include "core/local_time.hpp"
#include "core/redis/reads.hpp"
#include "tests/unit/support/redis_session.hpp"

#include <boost/test/unit_test.hpp>

#include <memory>
#include <string>
#include <vector>

namespace article_report_test {

using namespace luot;
using namespace luot::aggregator;
using namespace luot::testing;
using namespace std::string_view_literals;

constexpr std::int32_t today = 18'834;  // 2021-07-26
constexpr std::int32_t kept = today - 400;

/// A site with rows of two days: three pages yesterday, two of them and a new one today.
struct site_with_days {
    redis_session session{{&redis::reads::source()}};
    fall_back_guard guard;
    site_table sites{[] {
        auto c = std::make_shared<config>();
        c->sites.emplace_back().id = "skhcn";
        return std::shared_ptr<const config>(c);
    }()};

    site_with_days()
    {
        add(today - 1, "/a", 4);
        add(today - 1, "/b", 3);
        add(today - 1, "/gone", 2);
        add(today, "/a", 6);
        add(today, "/b", 3);
        add(today, "/new", 1);
    }

    void add(std::int32_t date, std::string_view path, int views)
    {
        redis::pipeline commands;
        commands.add("ZADD", keys::day_breakdown("skhcn", date, breakdown::path), views, path);
        BOOST_REQUIRE(session.run(session.client().exec(commands)));
    }

    void know(const std::string& path, std::string_view section)
    {
        page_votes votes{today - 7, {}};
        const auto title = "Bài " + path;
        votes.add(1, title, section);
        redis::pipeline commands;
        commands.add("HSET", keys::facts("skhcn"), std::string_view(path),
                     std::string_view(encode(votes)));
        BOOST_REQUIRE(session.run(session.client().exec(commands)));
    }

    void know_all()
    {
        know("/a", "=Tin");
        know("/b", "Văn hóa");
        know("/new", "=Tin");
    }

    void count(std::int32_t date, int views)
    {
        redis::pipeline commands;
        commands.add("HSET", keys::day("skhcn", date), "views"sv, views);
        BOOST_REQUIRE(session.run(session.client().exec(commands)));
    }

    article_report read(const std::optional<std::string>& section = std::nullopt,
                        date_range range = {today, today}, std::int32_t since = kept)
    {
        auto r = session.run(
            read_articles(session.client(), guard, *sites.find("skhcn"), range, since, section));
        BOOST_REQUIRE(r);
        return std::move(*r);
    }
};

/// The table without its mark and heading.
std::string rows_of(const article_report& r)
{
    const auto text = csv_of(r);
    const std::string heading =
        "\xEF\xBB\xBFpath,title,section,first_seen,views,visits,views_previous_period,share\n";
    BOOST_TEST(text.starts_with(heading));
    return text.substr(heading.size());
}

BOOST_AUTO_TEST_SUITE(article_reports)

BOOST_AUTO_TEST_CASE(each_page_stands_beside_the_period_before)
{
    site_with_days s;
    BOOST_TEST(rows_of(s.read()) ==
               "/a,,,,6,,4,0.6000\n"
               "/b,,,,3,,3,0.3000\n"
               "/new,,,,1,,0,0.1000\n"
               "(sum),,,,10,,9,1.0000\n");
}

// It may have been one of them.
BOOST_AUTO_TEST_CASE(what_the_period_before_may_have_counted_with_others_is_not_0)
{
    site_with_days s;
    s.add(today - 1, "(other)", 5);
    s.add(today, "(other)", 10);
    BOOST_TEST(rows_of(s.read()) ==
               "/a,,,,6,,4,0.3000\n"
               "/b,,,,3,,3,0.1500\n"
               "/new,,,,1,,,0.0500\n"
               "(other),,,,10,,,0.5000\n"
               "(sum),,,,20,,14,1.0000\n");
}

BOOST_AUTO_TEST_CASE(what_is_known_of_pages_is_told_and_no_cell_is_a_formula)
{
    site_with_days s;
    s.know_all();
    BOOST_TEST(rows_of(s.read()) ==
               "/a,Bài /a,'=Tin,2021-07-19,6,,4,0.6000\n"
               "/b,Bài /b,Văn hóa,2021-07-19,3,,3,0.3000\n"
               "/new,Bài /new,'=Tin,2021-07-19,1,,0,0.1000\n"
               "(sum),,,,10,,9,1.0000\n");
}

BOOST_AUTO_TEST_CASE(a_section_has_its_pages_and_its_sum_alone)
{
    site_with_days s;
    s.know_all();
    BOOST_TEST(rows_of(s.read("=Tin")) ==
               "/a,Bài /a,'=Tin,2021-07-19,6,,4,0.8571\n"
               "/new,Bài /new,'=Tin,2021-07-19,1,,0,0.1429\n"
               "(sum),,,,7,,4,1.0000\n");
    BOOST_TEST(rows_of(s.read("none")) == "(sum),,,,0,,0,0.0000\n");
}

BOOST_AUTO_TEST_CASE(pages_in_no_section_are_a_section_of_that_name)
{
    site_with_days s;
    s.know("/a", "=Tin");
    s.know("/b", "");
    BOOST_TEST(rows_of(s.read("(none)")) ==
               "/b,Bài /b,,2021-07-19,3,,3,0.7500\n"
               "/new,,,,1,,0,0.2500\n"
               "(sum),,,,4,,3,1.0000\n");
}

// Rows are forgotten, the days' own counts are not.
BOOST_AUTO_TEST_CASE(what_forgotten_days_had_is_among_the_others_and_compared_with_nothing)
{
    site_with_days s;
    s.count(today - 2, 20);
    s.count(today - 1, 9);
    s.count(today, 10);
    BOOST_TEST(rows_of(s.read({}, {today - 2, today}, today - 1)) ==
               "/a,,,,10,,,0.2564\n"
               "/b,,,,6,,,0.1538\n"
               "/gone,,,,2,,,0.0513\n"
               "/new,,,,1,,,0.0256\n"
               "(other),,,,20,,,0.5128\n"
               "(sum),,,,39,,,1.0000\n");
    // Of the period before a part is there yet.
    s.know("/a", "Tin");
    BOOST_TEST(rows_of(s.read({}, {today, today}, today)) ==
               "/a,Bài /a,Tin,2021-07-19,6,,,0.6000\n"
               "/b,,,,3,,,0.3000\n"
               "/new,,,,1,,,0.1000\n"
               "(sum),,,,10,,,1.0000\n");
    BOOST_TEST(rows_of(s.read("Tin", {today, today}, today)) ==
               "/a,Bài /a,Tin,2021-07-19,6,,,1.0000\n"
               "(sum),,,,6,,,1.0000\n");
}

BOOST_AUTO_TEST_CASE(a_page_has_the_visits_that_read_it)
{
    site_with_days s;
    redis::pipeline commands;
    commands.add("ZADD", keys::day_breakdown("skhcn", today, breakdown::page_visits), 5, "/a"sv, 1,
                 "/new"sv);
    BOOST_REQUIRE(s.session.run(s.session.client().exec(commands)));
    BOOST_TEST(rows_of(s.read()) ==
               "/a,,,,6,5,4,0.6000\n"
               "/b,,,,3,,3,0.3000\n"
               "/new,,,,1,1,0,0.1000\n"
               "(sum),,,,10,,9,1.0000\n");
}

BOOST_AUTO_TEST_CASE(facts_that_cannot_be_read_are_an_error)
{
    site_with_days s;
    redis::pipeline commands;
    commands.add("SET", keys::facts("skhcn"), "x"sv);
    BOOST_REQUIRE(s.session.run(s.session.client().exec(commands)));
    BOOST_TEST(!s.session.run(read_articles(s.session.client(), s.guard, *s.sites.find("skhcn"),
                                            {today, today}, kept, std::nullopt)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace article_report_test
