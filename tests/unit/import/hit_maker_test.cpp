// From a line to the hit that a collector would have made of it.

#include "import/hit_maker.hpp"

#include "core/bytes.hpp"
#include "tests/unit/support/temp_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <set>
#include <string>
#include <vector>

namespace hit_maker_test {

using namespace luot;
using namespace luot::importer;

site_config site_a()
{
    site_config s;
    s.id = "a";
    s.hosts = {"*.b.example.vn", "a.example.vn"};
    s.timezone = "Asia/Ho_Chi_Minh";
    return s;
}

std::string line_of(const std::string& target, const std::string& client = "192.0.2.1",
                    const std::string& time = "26/Jul/2021:08:31:00 +0000",
                    const std::string& agent = "browser", const std::string& status = "200",
                    const std::string& referrer = "https://www.zalo.me/x?q=1")
{
    return client + " - - [" + time + "] \"GET " + target + " HTTP/1.1\" " + status + " 5 \"" +
           referrer + "\" \"" + agent + "\"";
}

struct world {
    explicit world(log_format format = log_format::combined, site_config s = site_a())
        : site(std::move(s)), maker(site, options(format), salt)
    {
    }
    static hit_maker_options options(log_format format)
    {
        hit_maker_options o;
        o.syntax.format = format;
        o.syntax.host_names = true;
        return o;
    }
    /// The hit of a line that is a page; its views live until the next call.
    hit make(const std::string& line)
    {
        encoded.clear();
        BOOST_TEST_REQUIRE((maker.make(line, encoded) == line_fate::hit), line);
        byte_reader in{encoded};
        const auto record = in.bytes(in.varint());
        BOOST_TEST_REQUIRE(in.rest().empty());
        hit h;
        BOOST_TEST_REQUIRE(!decode(record, h));
        return h;
    }
    line_fate fate(const std::string& line)
    {
        encoded.clear();
        const auto what = maker.make(line, encoded);
        BOOST_TEST(encoded.empty() == (what != line_fate::hit));
        return what;
    }

    site_config site;
    import_salt salt;
    hit_maker maker;
    std::string encoded;
};

BOOST_AUTO_TEST_SUITE(hits_of_a_log)

BOOST_AUTO_TEST_CASE(a_page_becomes_a_hit_as_the_collector_makes_it)
{
    world w;
    const auto h = w.make(line_of("/tin//b%C3%A0i/?utm_source=zalo&id=5&x=1"));
    BOOST_TEST(h.time_ms == 1'627'288'260'000);
    BOOST_TEST(h.local_date == 18'834);
    BOOST_TEST(h.site == "a");
    BOOST_TEST(h.path == "/tin/bài?id=5");
    BOOST_TEST(h.referrer == "zalo.me/x");
    BOOST_TEST(h.source == "zalo");
    BOOST_TEST(h.user_agent == "browser");
    BOOST_TEST(h.id == 0U);
    BOOST_TEST(h.client == 0U, "a first import brings every path: no limit of one client");
    BOOST_TEST(h.visitor == w.maker.visitor());
    BOOST_TEST(h.time_ms == w.maker.time_ms());
    BOOST_TEST(
        w.make(line_of("/", "192.0.2.1", "26/Jul/2021:08:31:00 +0000", std::string(2000, 'u')))
            .user_agent.size() == collector::max_user_agent_bytes);
}

BOOST_AUTO_TEST_CASE(a_visitor_is_an_address_with_a_user_agent_for_a_local_day)
{
    world w;
    const auto of = [&w](const std::string& client, const std::string& time,
                         const std::string& agent) {
        return w.make(line_of("/", client, time, agent)).visitor;
    };
    const std::string noon = "26/Jul/2021:05:00:00 +0000", later = "26/Jul/2021:16:59:59 +0000",
                      next = "26/Jul/2021:17:00:00 +0000";
    const auto first = of("192.0.2.1", noon, "b");
    BOOST_TEST(of("192.0.2.1", later, "b") == first);
    BOOST_TEST(of("192.0.2.1", next, "b") != first);
    BOOST_TEST(of("192.0.2.2", noon, "b") != first);
    BOOST_TEST(of("192.0.2.1", noon, "c") != first);
    BOOST_TEST(of("2001:db8::1", noon, "b") == of("2001:db8::2", noon, "b"));
    BOOST_TEST(of("2001:db8::1", noon, "b") != of("2001:db8:0:1::1", noon, "b"));
    BOOST_TEST(of("host.example", noon, "b") == of("host.example", later, "b"));
    BOOST_TEST(of("host.example", noon, "b") != of("other.example", noon, "b"));

    // In the first half hour yesterday's id goes with it, so that a visit goes on over midnight.
    BOOST_TEST(w.make(line_of("/", "192.0.2.1", next, "b")).visitor_before == first);
    BOOST_TEST(
        w.make(line_of("/", "192.0.2.1", "26/Jul/2021:17:30:00 +0000", "b")).visitor_before == 0U);
    world other;
    BOOST_TEST(other.make(line_of("/", "192.0.2.1", noon, "b")).visitor != first,
               "another secret, other visitors");
}

BOOST_AUTO_TEST_CASE(each_line_has_one_fate)
{
    world w;
    const struct {
        std::string line;
        line_fate fate;
    } table[] = {
        {line_of("/a"), line_fate::hit},
        {"what?", line_fate::damaged},
        {"", line_fate::damaged},
        {line_of("/a.css?v=1"), line_fate::static_file},
        {line_of("/a", "192.0.2.1", "26/Jul/2021:08:31:00 +0000", "b", "404"),
         line_fate::not_found},
        {line_of("/a", "192.0.2.1", "26/Jul/2021:08:31:00 +0000", "b", "410"),
         line_fate::not_found},
        {line_of("/a", "192.0.2.1", "26/Jul/2021:08:31:00 +0000", "b", "500"), line_fate::status},
        {line_of("/%zz"), line_fate::bad_address},
        {line_of("/\\xff"), line_fate::bad_address},
        {line_of("http://elsewhere.example/a"), line_fate::other_host},
        {line_of("http://a.example.vn/a"), line_fate::hit},
        {R"(192.0.2.1 - - [26/Jul/2021:08:31:00 +0000] "\x16\x03" 400 0 "-" "-")",
         line_fate::no_request},
        {R"(192.0.2.1 - - [26/Jul/2021:08:31:00 +0000] "HEAD / HTTP/1.1" 200 0 "-" "-")",
         line_fate::method},
    };
    for (const auto& row : table)
        BOOST_TEST((w.fate(row.line) == row.fate), row.line);
}

BOOST_AUTO_TEST_CASE(hosts_are_told_apart_and_one_that_is_not_named_is_the_sites_first)
{
    auto s = site_a();
    s.path_host = true;
    world named(log_format::vhost_combined, s), unnamed(log_format::combined, s);
    BOOST_TEST(named.make("www.A.example.vn:80 " + line_of("/x")).path == "a.example.vn/x");
    BOOST_TEST(named.make("hue.b.example.vn " + line_of("/x")).path == "hue.b.example.vn/x");
    BOOST_TEST((named.fate("b.example.vn " + line_of("/x")) == line_fate::other_host));
    BOOST_TEST((named.fate("hue.b.example.vn " + line_of("/x")) == line_fate::hit));
    BOOST_TEST(unnamed.make(line_of("/x")).path == "a.example.vn/x");
}

BOOST_AUTO_TEST_CASE(a_sample_has_no_address_no_controls_and_an_end)
{
    for (const std::string address :
         {"192.0.2.77", "192.0.2.77:8080", "2001:db8::77", "[2001:db8::77]:80", "::ffff:192.0.2.77",
          "2001:db8:1:2:3:4:5:77", "192.0.2.", "2001:db8:1:2:"}) {
        for (const std::string& line :
             {address, address + " - -", "x\x1b[31m" + address + "\xff\n\"", "a.vn " + address,
              std::string(150, '.') + ' ' + address + std::string(300, 'z')}) {
            const auto shown = sample_of(line);
            BOOST_TEST(shown.find("192.0") == std::string::npos, shown);
            BOOST_TEST(shown.find("2001") == std::string::npos, shown);
            for (const unsigned char c : shown)
                BOOST_TEST(c >= ' ');
            BOOST_TEST(shown.size() < 1000U);
        }
    }
    BOOST_TEST(sample_of("cut") == "\"cut\"");
    BOOST_TEST(sample_of("at 10:05:03").find("10:05:03") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace hit_maker_test
