// Patterns of paths, as a site's `only` holds them.

#include "core/path_pattern.hpp"

#include "core/config.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace path_pattern_test {

using namespace luot;

BOOST_AUTO_TEST_SUITE(path_patterns)

BOOST_AUTO_TEST_CASE(a_pattern_matches_what_its_rules_say)
{
    const struct {
        std::string pattern;
        std::vector<std::string> matching, others;
    } table[] = {
        {"/tin-tuc/**",
         {"/tin-tuc", "/tin-tuc/1", "/tin-tuc/2021/07/1.html", "/tin-tuc/1?id=5"},
         {"/", "/tin-tucs", "/tin-tuc-moi/1", "/a/tin-tuc/1", "/Tin-Tuc/1"}},
        {"/tin-tuc/*", {"/tin-tuc/1", "/tin-tuc/1?id=a/b"}, {"/tin-tuc", "/tin-tuc/1/2"}},
        {"/**", {"/", "/a", "/a/b"}, {}},
        {"/", {"/", "/?id=1"}, {"/a"}},
        {"/**/bai-*.html",
         {"/bai-1.html", "/a/bai-1.html", "/a/b/bai-.html", "/bai-x/bai-2.html"},
         {"/bai-1.htm", "/a/bai-1.html/b", "/a/xbai-1.html"}},
        {"/a/**/b/**/c",
         {"/a/b/c", "/a/x/b/y/z/c", "/a/b/b/c/c", "/a/b/x/b/c"},
         {"/a/c", "/a/b", "/b/c", "/a/b/c/d"}},
        {"/*a*b*", {"/ab", "/xaxbx", "/aab", "/abab"}, {"/ba", "/a/b", "/"}},
        {"/*-*-*", {"/--", "/a-b-c", "/a-b-c-d"}, {"/a-b", "/-/-"}},
        {"/?nv=news&op=*", {"/?nv=news&op=bai"}, {"/", "/?nv=news", "/?nv=news&op=a/b"}},
        {"/?nv=news&op=**", {}, {"/?nv=news&op=a/b"}},
        {"/?nv=news&op=*/**", {"/?nv=news&op=a/b", "/?nv=news&op=a"}, {"/?nv=x&op=a"}},
        {"a.vn/**", {"a.vn/", "a.vn/b"}, {"/b", "b.a.vn/b"}},
        {"*.vn/b", {"a.vn/b", "b.a.vn/b"}, {"a.vn/", "a.com/b"}},
        {"**", {"/", "/a", "a.vn/b"}, {}},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("pattern " << row.pattern)
        {
            for (const auto& path : row.matching)
                BOOST_TEST(matches(row.pattern, path), path);
            for (const auto& path : row.others)
                BOOST_TEST(!matches(row.pattern, path), path);
        }
    }
}

// Hits bring any path: none may cost the aggregator its time.
BOOST_AUTO_TEST_CASE(no_path_takes_long)
{
    std::string segments, letters = "/";
    while (segments.size() < 1990)
        segments += "/a";
    letters.append(1990, 'a');
    const auto begun = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i) {
        BOOST_TEST_REQUIRE(!matches("/**/a/**/a/**/a/**/a/**/b", segments));
        BOOST_TEST_REQUIRE(!matches("/*a*a*a*a*a*a*a*b", letters));
    }
    BOOST_TEST((std::chrono::steady_clock::now() - begun < std::chrono::seconds(2)));
}

BOOST_AUTO_TEST_CASE(patterns_are_spelled_as_the_paths_that_they_match)
{
    const auto site = [](const std::string& more) {
        return parse_config("[[site]]\nid = \"a\"\nhosts = [\"a.vn\", \"b.vn\"]\n" + more,
                            "luot.toml")
            .sites.front();
    };
    const auto plain = site(R"(only = ["/b%C3%A0i/", "/x/index.html", "*", "/?ItemID=*&p=1"])");
    const std::vector<std::string> wanted{"/b\u00e0i", "/x", "/*", "/?itemid=*&p=1"};
    BOOST_TEST(plain.only == wanted, boost::test_tools::per_element());
    BOOST_TEST(plain.counts_apart("/b\u00e0i"));
    BOOST_TEST(plain.counts_apart("/?itemid=5&p=1"));
    BOOST_TEST(!plain.counts_apart("/b/c"));
    BOOST_TEST(site("").counts_apart("/b/c"));

    // With the host before the path a pattern may name it, and means all hosts if it does not.
    const auto with_host = site("path_host = true\nonly = [\"/tin/*\", \"B.vn/%62/**\"]");
    BOOST_TEST(with_host.only.back() == "b.vn/b/**");
    for (const auto* path : {"a.vn/tin/1", "b.vn/tin/1", "/tin/1", "b.vn/b/c"})
        BOOST_TEST(with_host.counts_apart(path), path);
    for (const auto* path : {"a.vn/b/c", "a.vn/", "tin/1", "a.vn", "tin", ""})
        BOOST_TEST(!with_host.counts_apart(path), path);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace path_pattern_test
