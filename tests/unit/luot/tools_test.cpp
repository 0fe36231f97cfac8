// Small parts of the operator's commands: texts of strangers, addresses, answers of curl, metrics.

#include "luot/admin_port.hpp"
#include "luot/child_process.hpp"
#include "luot/fetch.hpp"
#include "luot/terminal.hpp"
#include "luot/top_view.hpp"
#include "luot/url.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <string>

namespace tools_test {

using namespace luot;

BOOST_AUTO_TEST_SUITE(operator_tools)

BOOST_AUTO_TEST_CASE(what_is_shown_is_one_line_of_text)
{
    BOOST_TEST(shown("B\xc3\xa0i 1") == "B\xc3\xa0i 1");
    BOOST_TEST(shown("\x1b[31m\n\x7f") == "?[31m??");
    BOOST_TEST(shown("\xc2\x9b\xe2\x80\xae\xe2\x80\x8b\xff\xf3\xa0\x80\x81") == "?????");
    BOOST_TEST(shown("abcdef", 3) == "abc...");
    BOOST_TEST(in_column("ab", 4) == "ab  ");
    BOOST_TEST(in_column("b\xc3\xa0i", 4) == "b\xc3\xa0i ");
    BOOST_TEST(in_column("abcdefgh", 5) == "ab...");
    BOOST_TEST(safe_json("[\"\x7f\xc2\x9b\xff\xf3\xa0\x80\x81 b\xc3\xa0i\"]") ==
               "[\"\\u007F\\u009B\\uFFFD\\uDB40\\uDC01 b\xc3\xa0i\"]");
    BOOST_TEST(bytes_text(1023) == "1023 B");
    BOOST_TEST(bytes_text(3 << 20) == "3.0 MiB");
    BOOST_TEST(duration_text(0.5) == "500 ms");
}

BOOST_AUTO_TEST_CASE(addresses_are_joined_as_browsers_join_them)
{
    const std::string base = "https://a.vn/x/y.html?z=/1";
    BOOST_TEST(joined(base, "//b.vn/luot.js") == "https://b.vn/luot.js");
    BOOST_TEST(joined(base, "/luot.js#f") == "https://a.vn/luot.js");
    BOOST_TEST(joined(base, "luot.js") == "https://a.vn/x/luot.js");
    BOOST_TEST(joined(base, "../l/luot.js") == "https://a.vn/l/luot.js");
    BOOST_TEST(joined(base, "../../../luot.js") == "https://a.vn/luot.js");
    BOOST_TEST(joined(base, "?q") == "https://a.vn/x/y.html?q");
    BOOST_TEST(joined(base, " http://c.vn ") == "http://c.vn");
    BOOST_TEST(joined(base, "") == base);
    BOOST_TEST(take_apart("HTTPS://me:pw@a.vn:81?x#y").authority == "a.vn:81");
    BOOST_TEST(take_apart("HTTPS://me:pw@a.vn:81?x#y").target == "/?x");
    BOOST_TEST(take_apart("a.vn/b").origin() == "https://a.vn");
    BOOST_TEST(take_apart("/b?u=http://c").origin() == "");
}

BOOST_AUTO_TEST_CASE(the_last_head_of_an_answer_counts)
{
    const auto a = read_response(
        "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 301 Moved\r\nLocation: /a\r\n\r\n"
        "HTTP/2 200 \r\nContent-Type: text/html\r\nX: 1\r\nx:  2\r\nbroken\r\n\r\nHTTP/1.1 not a "
        "head");
    BOOST_TEST(a.status == 200);
    BOOST_TEST(a.value("content-type") == "text/html");
    BOOST_TEST(a.values("x").size() == 2U);
    BOOST_TEST(a.value("x") == "2");
    BOOST_TEST(a.value("location") == "");
    BOOST_TEST(a.body == "HTTP/1.1 not a head");
    for (const auto* odd : {"", "HTTP/", "HTTP/1.1", "HTTP/1.1 \n", "nothing", "HTTP/1.1 200"})
        (void)read_response(odd);
    BOOST_TEST(read_response("hello").status == 0);
}

BOOST_AUTO_TEST_CASE(a_child_is_bounded_in_bytes_and_time)
{
    using namespace std::chrono_literals;
    const auto said = run_child({"sh", "-c", "echo out; echo err >&2; exit 3"}, 100, 10s);
    BOOST_TEST(said.status == 3);
    BOOST_TEST(said.output == "out\n");
    BOOST_TEST(said.errors == "err\n");
    const auto much = run_child({"sh", "-c", "while :; do echo 12345678; done"}, 1000, 10s);
    BOOST_TEST(much.is_cut);
    BOOST_TEST(much.output.size() == 1000U);
    BOOST_TEST(run_child({"sleep", "60"}, 100, 50ms).is_late);
    BOOST_TEST(run_child({"/no/such/program"}, 100, 10s).status == exec_failed);
}

BOOST_AUTO_TEST_CASE(metrics_are_read_as_they_are_written)
{
    const scraped_metrics m(
        "# HELP a b\na 1\na{x=\"1\"} 2.5\na{x=\"q\\\"\\\\}\",y=\"\"} 4 1700000000\nb{x=\"1\"} NaN\n"
        "broken{x=\"1} 3\nc{x=\"1\",} 7\r\nd 1e3");
    BOOST_TEST(m.sum("a") == 7.5);
    BOOST_TEST(m.sum("a", "x", "1") == 2.5);
    BOOST_TEST(m.by("a", "x").at("q\"\\}") == 4);
    BOOST_TEST(!m.has("b"));
    BOOST_TEST(!m.has("broken"));
    BOOST_TEST(m.sum("c") == 7);
    BOOST_TEST(m.sum("d") == 1000);
    BOOST_TEST(parse_listen_address("[::1]:80").has_value());
    BOOST_TEST(!parse_listen_address("localhost:80").has_value());
    BOOST_TEST(!parse_listen_address("127.0.0.1:0").has_value());
}

BOOST_AUTO_TEST_CASE(a_picture_shows_rates_between_two_moments_and_fits_the_screen)
{
    top_sample before, now;
    before.daemons.push_back({"d",
                              scraped_metrics("luot_hits_received_total 100\n"
                                              "luot_hits_refused_total{reason=\"x\"} 1\n"),
                              {}});
    now.daemons.push_back({"d",
                           scraped_metrics("luot_hits_received_total 120\n"
                                           "luot_hits_refused_total{reason=\"x\"} 5\n"),
                           {}});
    now.daemons.push_back({"e", std::nullopt, "refused\x1b"});
    now.steady_ms = 2000;
    before.sites.push_back({"a", 10, 0, 0, 0, true});
    now.sites.push_back({"a", 14, 1, 1, 1, true});
    now.sites.push_back({"b", 5000, 9, 1, 1, true});
    now.sites.push_back({"c"});
    const auto lines = top_frame(before, now, {100, 50});
    const auto has = [&](const std::string& text) {
        return std::any_of(lines.begin(), lines.end(),
                           [&](const auto& l) { return l.find(text) != std::string::npos; });
    };
    BOOST_TEST(has("1 of 2 daemons answer"));
    BOOST_TEST(has("10.0 received"));
    BOOST_TEST(has("2.0 refused (x 2.0)"));
    BOOST_TEST(has("e: refused?: is luot running?"));
    BOOST_TEST_REQUIRE(lines.size() >= 3U);
    BOOST_TEST(lines[lines.size() - 3].starts_with("b "));  // most views today first
    BOOST_TEST(lines[lines.size() - 2].find("2.0") != std::string::npos);
    for (const auto& line : top_frame(before, now, {40, 6}))
        BOOST_TEST(line.size() <= 40U);
    BOOST_TEST(top_frame(before, now, {40, 6}).size() == 6U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tools_test
