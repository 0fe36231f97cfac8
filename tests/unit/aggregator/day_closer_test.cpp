// A day that is over keeps its most read pages; what the others had is in "(other)".

#include "aggregator/day_closer.hpp"

#include "core/keys.hpp"
#include "core/metrics.hpp"
#include "tests/unit/support/redis_session.hpp"

#include <boost/test/unit_test.hpp>

#include <memory>
#include <string>

namespace day_closer_test {

using namespace luot;
using namespace luot::aggregator;
using namespace luot::testing;

constexpr std::int32_t today = 18'834;  // 2021-07-26; its midnight in Hanoi:
constexpr std::int64_t midnight = (std::int64_t{today} * 24 - 7) * 3'600'000;
constexpr std::int64_t rows = 1700;

struct site_with_days {
    redis_session session{{&close_script()}};
    metrics_registry metrics;
    day_closer closer{session.client(), metrics};
    site_table sites{[] {
        auto c = std::make_shared<config>();
        auto& s = c->sites.emplace_back();
        s.id = "skhcn";
        s.timezone = "Asia/Ho_Chi_Minh";
        return std::shared_ptr<const config>(c);
    }()};

    /// Page n is read n times; "(other)" has no more than the least of them.
    void fill(std::int32_t date, breakdown by)
    {
        redis::pipeline p;
        redis::command add{"ZADD"};
        add.add(std::string_view(keys::day_breakdown("skhcn", date, by))).add(1).add(other_member);
        for (std::int64_t n = 1; n <= rows; ++n)
            add.add(n).add(std::string_view("/page/" + std::to_string(n)));
        p.add(add);
        p.add("EXPIRE", keys::day_breakdown("skhcn", date, by), 100'000);
        BOOST_REQUIRE(session.run(session.client().exec(p)));
    }

    std::int64_t number(std::string_view command, const std::string& key)
    {
        redis::pipeline p;
        p.add(command, key);
        return (*session.run(session.client().exec(p)))[0].count();
    }

    std::int64_t views(std::int32_t date, std::string_view path)
    {
        redis::pipeline p;
        p.add("ZSCORE", keys::day_breakdown("skhcn", date, breakdown::path), path);
        return (*session.run(session.client().exec(p)))[0].number().value_or(-1);
    }

    std::int64_t size(std::int32_t date, breakdown by)
    {
        return number("ZCARD", keys::day_breakdown("skhcn", date, by));
    }

    void close(std::int64_t passed_ms)
    {
        session.run([](day_closer& c, const site_table::site& s,
                       std::int64_t ms) -> boost::asio::awaitable<bool> {
            co_await c.close(s, ms);
            co_return true;
        }(closer, *sites.find("skhcn"), passed_ms));
    }
};

BOOST_AUTO_TEST_SUITE(closing_days)

BOOST_AUTO_TEST_CASE(a_day_is_cut_to_its_most_read_pages_once_it_is_over_where_the_site_is)
{
    site_with_days s;
    for (const auto by : {breakdown::path, breakdown::exit, breakdown::browser})
        s.fill(today - 1, by);
    s.fill(today, breakdown::path);

    s.close(midnight - 1);
    BOOST_TEST(s.size(today - 1, breakdown::path) == rows + 1);
    s.close(midnight);
    BOOST_TEST(s.size(today - 1, breakdown::path) == most_of_closed_day + 1);
    BOOST_TEST(s.size(today - 1, breakdown::exit) == most_of_closed_day + 1);
    BOOST_TEST(s.size(today - 1, breakdown::browser) == rows + 1);  // bounded as it is
    BOOST_TEST(s.size(today, breakdown::path) == rows + 1);

    constexpr auto gone = rows - most_of_closed_day;
    BOOST_TEST(s.views(today - 1, "/page/" + std::to_string(gone)) == -1);
    BOOST_TEST(s.views(today - 1, "/page/" + std::to_string(gone + 1)) == gone + 1);
    BOOST_TEST(s.views(today - 1, "/page/" + std::to_string(rows)) == rows);
    BOOST_TEST(s.views(today - 1, other_member) == 1 + gone * (gone + 1) / 2);
    const auto cut = [&s](std::int32_t date) {
        redis::pipeline p;
        p.add("HEXISTS", keys::day("skhcn", date), std::string_view("cut"));
        return s.session.exec(p)[0].count();
    };
    BOOST_TEST(cut(today - 1) == 1);
    BOOST_TEST(cut(today) == 0);
    // It goes with the day's other keys.
    BOOST_TEST(s.number("TTL", keys::day_breakdown("skhcn", today - 1, breakdown::path)) > 0);
}

BOOST_AUTO_TEST_CASE(late_hits_of_a_closed_day_are_cut_with_the_next_one)
{
    site_with_days s;
    s.close(midnight);
    s.fill(today - 3, breakdown::path);
    s.close(midnight + 3'600'000);
    BOOST_TEST(s.size(today - 3, breakdown::path) == rows + 1);  // nothing closes at this hour
    s.close(midnight + 24 * 3'600'000);
    BOOST_TEST(s.size(today - 3, breakdown::path) == most_of_closed_day + 1);
}

BOOST_AUTO_TEST_CASE(a_small_day_stays_and_a_foreign_key_is_left)
{
    site_with_days s;
    redis::pipeline p;
    p.add("ZADD", keys::day_breakdown("skhcn", today - 1, breakdown::path), 3,
          std::string_view("/a"));
    p.add("SET", keys::day_breakdown("skhcn", today - 2, breakdown::path), std::string_view("x"));
    BOOST_REQUIRE(s.session.run(s.session.client().exec(p)));
    s.fill(today - 3, breakdown::path);
    s.close(midnight);
    BOOST_TEST(s.views(today - 1, "/a") == 3);
    BOOST_TEST(s.views(today - 1, other_member) == -1);
    BOOST_TEST(s.size(today - 3, breakdown::path) == most_of_closed_day + 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace day_closer_test
