// Metrics as Prometheus reads them.

#include "core/metrics.hpp"

#include <boost/test/unit_test.hpp>

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

BOOST_AUTO_TEST_CASE(a_registry_without_metrics_has_no_text)
{
    BOOST_TEST(metrics_registry{}.text() == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace metrics_test
