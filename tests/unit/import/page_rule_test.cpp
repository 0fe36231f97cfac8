// What is a page, and what a real log comes to beside GoAccess.

#include "import/page_rule.hpp"

#include "import/line_reader.hpp"

#include <boost/test/unit_test.hpp>
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>

namespace page_rule_test {

using namespace luot::importer;

page_verdict judge(std::string_view method, std::string_view target, int status,
                   const page_rule& rule = page_rule())
{
    log_line line;
    line.method = method;
    line.target = target;
    line.status = static_cast<std::uint16_t>(status);
    return rule.judge(line);
}

BOOST_AUTO_TEST_SUITE(page_rules)

BOOST_AUTO_TEST_CASE(a_page_was_asked_for_and_shown)
{
    const struct {
        std::string_view method, target;
        int status;
        page_verdict verdict;
    } table[] = {
        {"GET", "/", 200, page_verdict::page},
        {"GET", "/tin/bai-viet.html", 200, page_verdict::page},
        {"GET", "/tin/", 304, page_verdict::page},
        {"GET", "/tin/", 206, page_verdict::page},
        {"GET", "/tin/", 299, page_verdict::page},
        {"GET", "http://example.vn/", 200, page_verdict::page},
        {"HEAD", "/", 200, page_verdict::method},
        {"POST", "/", 200, page_verdict::method},
        {"OPTIONS", "*", 200, page_verdict::method},
        {"get", "/", 200, page_verdict::method},
        {"GET", "/", 301, page_verdict::status},
        {"GET", "/", 404, page_verdict::status},
        {"GET", "/", 499, page_verdict::status},
        {"GET", "/", 199, page_verdict::status},
        {"GET", "/", 300, page_verdict::status},
        {"GET", "/", 0, page_verdict::status},
        {"GET", "/a.css", 404, page_verdict::status},
        {"GET", "/a.css", 200, page_verdict::static_file},
        {"", "\x16\x03", 400, page_verdict::no_request},
        {"", "", 400, page_verdict::no_request},
        {"GET", "", 200, page_verdict::no_request},
    };
    for (const auto& row : table)
        BOOST_TEST(describe(judge(row.method, row.target, row.status)) == describe(row.verdict),
                   row.method << " " << row.target << " " << row.status);
}

BOOST_AUTO_TEST_CASE(a_static_file_is_told_by_the_end_of_its_path)
{
    const page_rule rule;
    for (const std::string_view target :
         {"/a.css", "/a.CSS", "/a.css?v=2", "/a.css?", "/.css", "/b/a.min.js", "/a.tar.gz",
          "/robots.txt", "/favicon.ico", "/a.woff2", "/a.jpeg?x=/y.html", "a.js", "/%2e.png"})
        BOOST_TEST(rule.is_static(target), target);
    for (const std::string_view target :
         {"/", "", "/css", "/a.css/", "/a.css/b", "/a.css2", "/a.cs", "/a.html?x=.css", "/?a.css",
          "/a.", "/.", "/a.php", "/feed.xml", "/a.css.html", "/a.css%20", "/ja.verylongextension",
          "/a.c\xC6\xB0s", "?"})
        BOOST_TEST(!rule.is_static(target), target);
    for (const auto& extension : page_options().static_extensions)
        BOOST_TEST(rule.is_static("/a." + extension), extension);
}

BOOST_AUTO_TEST_CASE(the_rule_is_a_matter_of_options)
{
    page_options options;
    options.methods = {"POST", "GET"};
    options.statuses = {{404, 404}};
    options.static_extensions = {".WebManifest", "abcdefghijklmnop", "abcdefghijklmnopq", "", "."};
    const page_rule rule(options);
    BOOST_TEST((judge("POST", "/a.css", 404, rule) == page_verdict::page));
    BOOST_TEST((judge("GET", "/", 200, rule) == page_verdict::status));
    BOOST_TEST((judge("GET", "/a.webmanifest", 404, rule) == page_verdict::static_file));
    BOOST_TEST((judge("GET", "/a.abcdefghijklmnop", 404, rule) == page_verdict::static_file));
    BOOST_TEST((judge("GET", "/a.abcdefghijklmnopq", 404, rule) == page_verdict::page));
    BOOST_TEST((judge("GET", "/a.", 404, rule) == page_verdict::page));

    options.methods.clear();
    BOOST_TEST((judge("GET", "/", 404, page_rule(options)) == page_verdict::method));
}

// GoAccess 1.7 with Debian's configuration says of this file: 10,000 valid requests; 523 static
// files (5,630 hits), 70 not found (213 hits), 1,138 other requests (4,157 hits). It counts
// distinct requests (method, target, protocol), and a 404 as nothing else.
BOOST_AUTO_TEST_CASE(a_real_log_comes_to_what_goaccess_counts)
{
    const std::string name = LUOT_SOURCE_DIR "/../shared/data/apache_access_2015.log";
    if (!std::filesystem::exists(name)) {
        std::puts("skipped: no ../shared/data/apache_access_2015.log beside the checkout");
        return;
    }
    auto reader = line_reader::open(name);
    BOOST_TEST_REQUIRE(reader.has_value());
    line_parser parser{{}};
    const page_rule rule;
    raw_line raw;
    log_line line;
    struct {
        std::uint64_t hits = 0;
        std::set<std::string> distinct;
    } not_found, static_files, others;
    std::array<std::uint64_t, page_verdicts> verdicts{};
    std::uint64_t lines = 0, valid = 0, bytes = 0;
    while (reader->next(raw) == line_reader::outcome::line) {
        ++lines;
        if (parser.parse(raw.text, line) != line_fault::none)
            continue;
        ++valid;
        bytes += line.bytes;
        auto& kind = line.status == 404            ? not_found
                     : rule.is_static(line.target) ? static_files
                                                   : others;
        ++kind.hits;
        kind.distinct.insert(fmt::format("{} {} {}", line.method, line.target, line.protocol));
        ++verdicts[static_cast<std::size_t>(rule.judge(line))];
    }
    fmt::print(
        "log of 2015: {} lines, {} valid, {} bytes; static {} ({} hits), not found {} ({} hits), "
        "others "
        "{} ({} hits);",
        lines, valid, bytes, static_files.distinct.size(), static_files.hits,
        not_found.distinct.size(), not_found.hits, others.distinct.size(), others.hits);
    for (std::size_t i = 0; i < page_verdicts; ++i)
        fmt::print(" {} {}", describe(static_cast<page_verdict>(i)), verdicts[i]);
    fmt::print("\n");

    BOOST_TEST(lines == 10'000);
    BOOST_TEST(valid == 10'000);
    BOOST_TEST(bytes == 2'747'282'740);
    BOOST_TEST(static_files.distinct.size() == 523);
    BOOST_TEST(static_files.hits == 5'630);
    BOOST_TEST(not_found.distinct.size() == 70);
    BOOST_TEST(not_found.hits == 213);
    // Two more than GoAccess: it undoes percent escapes, by which two requests become others'
    // equals.
    BOOST_TEST(others.distinct.size() == 1'140);
    BOOST_TEST(others.hits == 4'157);
    // The rest of the verdicts follows from methods and statuses, counted with awk.
    BOOST_TEST(verdicts[static_cast<std::size_t>(page_verdict::method)] == 48);
    BOOST_TEST(verdicts[static_cast<std::size_t>(page_verdict::no_request)] == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace page_rule_test
