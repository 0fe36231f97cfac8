// What is said of a log that is not what it was said to be, and of which nothing is.

#include "import/log_check.hpp"

#include "tests/unit/support/temp_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <optional>
#include <string>

namespace log_check_test {

using namespace luot::importer;
using luot::site_config;
using luot::testing::temp_dir;
using luot::testing::write_file;
using verdict = log_check::verdict;

const std::string request = R"(10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5)";
const std::string combined = request + R"( "-" "Mozilla")" + '\n';
const std::string nginx =
    R"({"remote_addr":"10.0.0.1","time_iso8601":"2015-05-17T10:05:03Z","request":"GET / HTTP/1.1","status":200})"
    "\n";

struct a_log {
    explicit a_log(const std::string& format, bool host_names = false)
    {
        site.id = "skhcn";
        site.hosts = {"a.example.vn"};
        auto syntax = *find_syntax(format);
        syntax.host_names = host_names;
        check.emplace(site, hit_maker_options{syntax, {}, nullptr}, format);
    }

    verdict look(const std::string& text, bool is_held = false)
    {
        write_file(dir.file("log"), text);
        auto reader = line_reader::open(dir.file("log"));
        BOOST_TEST_REQUIRE(reader.has_value());
        return check->look(*reader, is_held);
    }

    temp_dir dir;
    site_config site;
    std::optional<log_check> check;
};

std::string times(std::size_t count, const std::string& line)
{
    std::string out;
    for (std::size_t i = 0; i < count; ++i)
        out += line;
    return out;
}

BOOST_AUTO_TEST_SUITE(log_checks)

BOOST_AUTO_TEST_CASE(one_line_that_fits_is_enough)
{
    BOOST_TEST((a_log("combined").look(combined) == verdict::fits));
    BOOST_TEST((a_log("combined").look(times(99, "damaged\n") + combined) == verdict::fits));
    BOOST_TEST((a_log("combined").look(times(100, "damaged\n") + combined) == verdict::damaged));
    BOOST_TEST((a_log("combined").look(times(99, "damaged\n")) == verdict::unknown));
    BOOST_TEST((a_log("combined").look("") == verdict::unknown));
    BOOST_TEST((a_log("combined").look(request) == verdict::unknown), "it is not complete");
}

// Neither must scans; but where all lines are so, a field is missing.
BOOST_AUTO_TEST_CASE(lines_without_a_request_tell_something_where_there_are_no_others)
{
    a_log log("combined");
    const auto scan = R"(10.0.0.1 - - [17/May/2015:10:05:03 +0000] "\x16\x03\x01" 400 0 "-" "-")"
                      "\n";
    BOOST_TEST((log.look(times(300, scan) + combined) == verdict::fits));
    BOOST_TEST((log.look(times(300, scan)) == verdict::unknown));
    BOOST_TEST(log.check->what_is_wrong("f").starts_with(
        "f: none of its first 300 lines is of the format combined (no request): "));
}

// Long requests are what strangers send: they must not stop an import.
BOOST_AUTO_TEST_CASE(lines_that_are_too_long_or_empty_tell_nothing)
{
    a_log log("combined");
    const auto wide = std::string(max_line_bytes + 1, 'x') + '\n';
    BOOST_TEST((log.look(times(110, "\n") + times(110, wide) + combined) == verdict::fits));
    BOOST_TEST((log.look(wide + "\n\n") == verdict::unknown));
    BOOST_TEST(log.check->what_is_wrong("f") == "");
}

BOOST_AUTO_TEST_CASE(the_format_that_fits_is_named)
{
    const auto vhost = "a.example.vn:443 " + combined, common = request + '\n';
    const struct {
        std::string format, text, said;
    } table[]{
        {"combined", vhost, "--format vhost_combined fits"},
        {"combined", common, "--format common fits"},
        {"vhost_combined", combined, "--format combined fits"},
        {"json", combined, "--format combined fits"},
        {"combined", nginx, "--format json fits"},
        {"caddy", nginx, "--format json fits"},
        {"combined", "reader.example" + combined.substr(8), "--host-names fits"},
        {"combined", "nothing at all\n", "no other format fits, either"},
        {"json",
         R"({"ts":1})"
         "\n",
         "--field says where JSON has its fields"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.format << " for " << row.text)
        {
            a_log log(row.format);
            BOOST_TEST((log.look(times(3, row.text)) == verdict::unknown));
            const auto said = log.check->what_is_wrong("x.log");
            BOOST_TEST(said.find(row.said) != std::string::npos, said);
            BOOST_TEST(said.starts_with("x.log: none of its first 3 lines is of the format " +
                                        row.format + " ("),
                       said);
        }
    }
}

BOOST_AUTO_TEST_CASE(the_first_line_is_shown_as_one_without_addresses)
{
    a_log log("combined");
    (void)log.look("\x1b[31m 198.51.100.7 " + std::string(500, 'y') + "\n");
    const auto said = log.check->what_is_wrong("x.log");
    BOOST_TEST(said.find("its first line is not of the format combined") != std::string::npos);
    BOOST_TEST(said.find("\\u001b[31m (address) yyy") != std::string::npos, said);
    BOOST_TEST(said.find('\x1b') == std::string::npos);
    BOOST_TEST(said.size() < 400U);
}

// A log of many sites may begin with those of the others.
BOOST_AUTO_TEST_CASE(a_line_of_the_site_is_looked_for_in_all_logs)
{
    const auto own = "a.example.vn " + combined, other = "b.example.vn " + combined;
    a_log log("vhost_combined");
    BOOST_TEST((log.look(times(300, other)) == verdict::fits));
    BOOST_TEST(log.check->foreign_hosts() ==
               "no line is of a host of the site skhcn (a.example.vn), but of \"b.example.vn\"");
    BOOST_TEST((log.look(times(300, other) + own) == verdict::fits));
    BOOST_TEST(log.check->foreign_hosts() == "");

    a_log without("combined");
    (void)without.look(combined);
    BOOST_TEST(without.check->foreign_hosts() == "");

    // Only so much of a pipe is held: what comes behind it is not known.
    a_log pipe("vhost_combined");
    BOOST_TEST((pipe.look(times(log_check::most_held_lines, other) + own, true) == verdict::fits));
    BOOST_TEST(pipe.check->foreign_hosts() == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace log_check_test
