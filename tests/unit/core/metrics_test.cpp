// Metrics as Prometheus reads them.

#include "core/metrics.hpp"

#include <boost/test/unit_test.hpp>

#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace metrics_test {

using namespace luot;

bool has_line(const std::string& text, const std::string& line)
{
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

BOOST_AUTO_TEST_SUITE(metrics)

// Every thread has its own counter, so that a hit costs one plain addition.
BOOST_AUTO_TEST_CASE(counters_of_one_name_are_summed)
{
    metrics_registry registry;
    auto& first = registry.add_counter("luot_hits_total", "Hits.", {{"reason", "x"}});
    auto& second = registry.add_counter("luot_hits_total", "Hits.", {{"reason", "x"}});
    auto& other = registry.add_counter("luot_hits_total", "Hits.", {{"reason", "y"}});
    first.add(3);
    second.add();
    other.add(5);
    BOOST_TEST(first.value() == 3U);
    const auto text = registry.text();
    BOOST_TEST(has_line(text, "# HELP luot_hits_total Hits."), text);
    BOOST_TEST(has_line(text, "# TYPE luot_hits_total counter"), text);
    BOOST_TEST(has_line(text, "luot_hits_total{reason=\"x\"} 4"), text);
    BOOST_TEST(has_line(text, "luot_hits_total{reason=\"y\"} 5"), text);
}

BOOST_AUTO_TEST_CASE(a_gauge_is_asked_at_each_scrape)
{
    metrics_registry registry;
    double value = 1.5;
    registry.add_gauge("luot_lag_seconds", "Lag.", [&value] { return value; });
    registry.add_total("luot_lost_total", "Lost.", [&value] { return value * 2; });
    BOOST_TEST(has_line(registry.text(), "luot_lag_seconds 1.5"));
    value = -2;
    const auto text = registry.text();
    BOOST_TEST(has_line(text, "luot_lag_seconds -2"), text);
    BOOST_TEST(has_line(text, "# TYPE luot_lag_seconds gauge"), text);
    BOOST_TEST(has_line(text, "# TYPE luot_lost_total counter"), text);
    BOOST_TEST(has_line(text, "luot_lost_total -4"), text);
}

// A rate over a counter that is written as 1.23e+08 would stand still for hours.
BOOST_AUTO_TEST_CASE(large_counters_are_written_exactly)
{
    metrics_registry registry;
    registry.add_counter("luot_a_total", "A.").add(123'456'789'012'345ULL);
    auto text = registry.text();
    const auto at = text.find("\nluot_a_total ");
    BOOST_TEST_REQUIRE(at != std::string::npos);
    BOOST_TEST(std::stod(text.substr(at + 14)) == 123'456'789'012'345.0, text);
}

BOOST_AUTO_TEST_CASE(no_value_of_a_label_can_forge_a_line)
{
    metrics_registry registry;
    registry.add_counter("luot_a_total", "A.", {{"site", "a\"b\\c\nluot_forged 1"}}).add();
    const auto text = registry.text();
    BOOST_TEST(text.find("\nluot_forged") == std::string::npos, text);
    BOOST_TEST(has_line(text, R"(luot_a_total{site="a\"b\\c\nluot_forged 1"} 1)"), text);
}

BOOST_AUTO_TEST_CASE(threads_may_add_counters_while_others_scrape)
{
    metrics_registry registry;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&registry] {
            for (int i = 0; i < 100; ++i) {
                registry.add_counter("luot_a_total", "A.").add();
                if (i % 10 == 0)
                    (void)registry.text();
            }
        });
    for (auto& t : threads)
        t.join();
    BOOST_TEST(has_line(registry.text(), "luot_a_total 400"));
}

// A value belongs into the first bucket whose end it does not exceed; buckets contain those before.
BOOST_AUTO_TEST_CASE(histograms_of_one_name_are_summed_bucket_by_bucket)
{
    metrics_registry registry;
    const auto add = [&]() -> histogram& {
        return registry.add_histogram("luot_a_seconds", "A.", histogram::scale::work,
                                      {{"port", "x"}});
    };
    auto &first = add(), &second = add();
    BOOST_TEST(has_line(registry.text(), "luot_a_seconds_count{port=\"x\"} 0"));
    first.observe(50);
    first.observe(51, 2);
    second.observe(-7);
    second.observe(20'000'000);
    const auto text = registry.text();
    BOOST_TEST(has_line(text, "# TYPE luot_a_seconds histogram"), text);
    BOOST_TEST(has_line(text, "luot_a_seconds_bucket{port=\"x\",le=\"5e-05\"} 2"), text);
    BOOST_TEST(has_line(text, "luot_a_seconds_bucket{port=\"x\",le=\"0.0001\"} 4"), text);
    BOOST_TEST(has_line(text, "luot_a_seconds_bucket{port=\"x\",le=\"10\"} 4"), text);
    BOOST_TEST(has_line(text, "luot_a_seconds_bucket{port=\"x\",le=\"+Inf\"} 5"), text);
    BOOST_TEST(has_line(text, "luot_a_seconds_count{port=\"x\"} 5"), text);
    BOOST_TEST(text.find("luot_a_seconds_sum{port=\"x\"} 20.000152") != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(bounds_of_both_scales_grow)
{
    for (const auto scale : {histogram::scale::work, histogram::scale::waiting}) {
        const auto bounds = histogram{scale}.bounds_us();
        BOOST_TEST_REQUIRE(!bounds.empty());
        for (std::size_t i = 1; i < bounds.size(); ++i)
            BOOST_TEST(bounds[i - 1] < bounds[i]);
        BOOST_TEST(histogram{scale}.counts().size() == bounds.size() + 1);
    }
}

// "Redis is up" has to be true of every thread's connection.
BOOST_AUTO_TEST_CASE(switches_of_one_name_are_on_when_all_are)
{
    metrics_registry registry;
    auto& first = registry.add_switch("luot_up", "Up.");
    auto& second = registry.add_switch("luot_up", "Up.");
    BOOST_TEST(has_line(registry.text(), "luot_up 0"));
    first = true;
    BOOST_TEST(has_line(registry.text(), "luot_up 0"));
    second = true;
    BOOST_TEST(has_line(registry.text(), "luot_up 1"));
    BOOST_TEST(has_line(registry.text(), "# TYPE luot_up gauge"));
}

// A number that is not known must not pass for 0.
BOOST_AUTO_TEST_CASE(what_is_not_known_is_not_shown)
{
    metrics_registry registry;
    std::optional<double> value;
    registry.add_optional_gauge("luot_a", "A.", [&value] { return value; });
    std::vector<gauge_rows> rows{{"luot_b", "B.", {}}};
    registry.add_gauge_rows([&rows] { return rows; });
    BOOST_TEST(registry.text() == "");
    value = 0;
    rows[0].rows = {{{{"site", "s"}}, 2}, {{{"site", "t"}}, 3}};
    const auto text = registry.text();
    BOOST_TEST(has_line(text, "luot_a 0"), text);
    BOOST_TEST(has_line(text, "# HELP luot_b B."), text);
    BOOST_TEST(has_line(text, "luot_b{site=\"s\"} 2"), text);
    BOOST_TEST(has_line(text, "luot_b{site=\"t\"} 3"), text);
    rows[0].rows.pop_back();
    BOOST_TEST(registry.text().find("site=\"t\"") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_registry_without_metrics_has_no_text)
{
    BOOST_TEST(metrics_registry{}.text() == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace metrics_test
