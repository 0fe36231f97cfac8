// The rules by which a site gives pages another path or a section: one by one, and through
// normalise_page, where they must keep its promises whatever an operator writes.

#include "core/path_rule.hpp"

#include "core/config.hpp"
#include "core/path.hpp"
#include "core/utf8.hpp"

#include <boost/test/unit_test.hpp>

#include <optional>
#include <random>
#include <string>
#include <vector>

namespace path_rule_test {

using namespace luot;

using text = std::optional<std::string>;

const std::string* pointer(const text& t)
{
    return t ? &*t : nullptr;
}

path_rule rule(const std::string& match, const text& replace, const text& section = {})
{
    path_rule r;
    const auto [key, why] = r.compile(match, pointer(replace), pointer(section));
    BOOST_TEST_REQUIRE(key == "", key + ": " + why);
    return r;
}

site_config site_with(std::vector<path_rule> rules)
{
    site_config site;
    site.id = "bao";
    site.hosts = {"bao.example.vn", "*.bao.example.vn"};
    site.path_rules = std::move(rules);
    return site;
}

struct page {
    std::string path, section;
};

page page_of(const site_config& site, std::string_view address, std::string_view host = "")
{
    page p{"left from before", "left from before"};
    const auto error = normalise_page(address, site, host, p.path, nullptr, &p.section);
    if (error)
        BOOST_TEST(p.section == "");
    return error ? page{'<' + error.message() + '>', ""} : p;
}

std::string path_of(const site_config& site, std::string_view address, std::string_view host = "")
{
    return page_of(site, address, host).path;
}

BOOST_AUTO_TEST_SUITE(path_rules)

BOOST_AUTO_TEST_CASE(all_titles_of_an_article_are_one_page)
{
    const auto site = site_with({rule("^/p([0-9]+)/.*$", "/p\\1")});
    for (const auto* address : {"/p512/hoi-nghi", "/p512/hội-nghị-mới", "/p512/", "/p512",
                                "https://bao.example.vn/p512/h%E1%BB%99i?utm_source=zalo#x"})
        BOOST_TEST_CONTEXT("address " << address)
    BOOST_TEST(path_of(site, address) == "/p512");
    BOOST_TEST(path_of(site, "/p513/hoi-nghi") == "/p513");
    BOOST_TEST(path_of(site, "/a/p512/x") == "/a/p512/x");  // anchored, as it is written
    BOOST_TEST(path_of(site, "/P512/x") == "/P512/x");      // case matters
    BOOST_TEST(path_of(site, "mailto:a").starts_with('<'));
}

// docs/paths.md, "Rules of a site".
BOOST_AUTO_TEST_CASE(the_examples_of_the_documentation_do_what_it_says)
{
    const auto site =
        site_with({rule("^/p([0-9]+)/.*$", "/p\\1"), rule(";jsessionid=[^/?]*", ""),
                   rule("/amp$", ""), rule("^/([^/]+)/[^?]*-d([0-9]+)\\.html$", "/d\\2", "\\1"),
                   rule("^/(tin-tuc|thong-bao)/", {}, "Tin tức")});
    const struct {
        std::string_view address, path, section;
    } table[] = {
        {"/p512/hoi-nghi-so-ket", "/p512", ""},
        {"/p512/hoi-nghi-so-ket-moi", "/p512", ""},
        {"/xem;jsessionid=8A1F0C", "/xem", ""},
        {"/tin-tuc/bai-1/amp", "/tin-tuc/bai-1", "Tin tức"},
        {"/van-hoa/le-hoi-d77.html", "/d77", "van-hoa"},
        {"/thong-bao/1", "/thong-bao/1", "Tin tức"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("address " << row.address)
        {
            const auto p = page_of(site, row.address);
            BOOST_TEST(p.path == row.path);
            BOOST_TEST(p.section == row.section);
        }
    }
}

BOOST_AUTO_TEST_CASE(the_first_rule_that_matches_gives_the_path)
{
    const auto site = site_with({rule("^/a/b$", "\\0"), rule("^/a/(.*)$", "/x/\\1"),
                                 rule("^/a/c$", "/never"), rule("^/y$", "/z")});
    BOOST_TEST(path_of(site, "/a/b") == "/a/b");  // kept by the first
    BOOST_TEST(path_of(site, "/a/c") == "/x/c");
    BOOST_TEST(path_of(site, "/y") == "/z");
    BOOST_TEST(path_of(site, "/b") == "/b");
}

BOOST_AUTO_TEST_CASE(all_that_matches_is_replaced_and_nothing_else)
{
    BOOST_TEST(path_of(site_with({rule(";jsessionid=[^/?]*", "")}),
                       "/a;jsessionid=1/b;jsessionid=2") == "/a/b");
    BOOST_TEST(path_of(site_with({rule("_", "-")}), "/a_b__c_d") == "/a-b--c-d");
    BOOST_TEST(path_of(site_with({rule("/amp$", "")}), "/a/amp") == "/a");
    BOOST_TEST(path_of(site_with({rule("x*", "-")}), "/axb") == "/axb");  // never settles
    BOOST_TEST(path_of(site_with({rule("ế+", "e")}), "/ếxế") == "/exe");
    BOOST_TEST(path_of(site_with({rule("^/(.)(.)(.)(.)(.)(.)(.)(.)(.)$", "/\\9\\8\\\\\\0")}),
                       "/123456789") == "/98%5C/123456789");
}

BOOST_AUTO_TEST_CASE(a_path_that_a_rule_matches_in_too_many_places_stays)
{
    const auto site = site_with({rule("_", "-")});
    const auto of = [](std::size_t places, const char* what) {
        std::string path = "/";
        for (std::size_t i = 0; i < places; ++i)
            path += std::string("a") + what;
        return path;
    };
    BOOST_TEST(path_of(site, of(200, "_")) == of(200, "-"));
    BOOST_TEST(path_of(site, of(201, "_")) == of(201, "_"));
}

// A match of nothing is one, too, but not right behind another one (as RE2::GlobalReplace has it).
BOOST_AUTO_TEST_CASE(matches_of_nothing_are_replaced_once_each)
{
    const auto applied = [](const std::string& match, std::string_view path) {
        std::string out;
        BOOST_TEST(
            (rule(match, "-").apply(path, 100, &out, nullptr) == path_rule::outcome::matched));
        return out;
    };
    BOOST_TEST(applied("x*", "axxb") == "-a-b-");
    BOOST_TEST(applied("", "ế") == "-ế-");
    BOOST_TEST(applied("b*", "bb") == "-");
    BOOST_TEST(applied("$", "a") == "a-");
    BOOST_TEST(applied("^", "a") == "-a");
}

// A read asks under the path that a hit was answered with, or that a report shows: it must find the
// same count.
BOOST_AUTO_TEST_CASE(what_rules_make_of_a_path_is_settled)
{
    const auto chain =
        site_with({rule("^/old/(.*)$", "/new/\\1"), rule("^/new/(.*)$", "/bai/\\1")});
    BOOST_TEST(path_of(chain, "/old/1") == "/bai/1");
    BOOST_TEST(path_of(chain, "/new/1") == "/bai/1");
    BOOST_TEST(path_of(chain, "/bai/1") == "/bai/1");
    // In a circle, or longer each time: as if there were no rule.
    const auto circle = site_with({rule("^/a$", "/b"), rule("^/b$", "/a")});
    BOOST_TEST(path_of(circle, "/a") == "/a");
    BOOST_TEST(path_of(circle, "/b") == "/b");
    const auto growing = site_with({rule("^/g(.*)$", "/gg\\1")});
    BOOST_TEST(path_of(growing, "/g") == "/g");
    BOOST_TEST(path_of(site_with({rule("^/.*$", "/x\\0\\0\\0\\0\\0\\0\\0\\0")}),
                       "/" + std::string(1500, 'a'))
                   .size() == 1501U);
}

BOOST_AUTO_TEST_CASE(what_a_rule_makes_is_an_address_like_any_other)
{
    const auto made = [](const std::string& to) {
        return path_of(site_with({rule("^/a$", to)}), "/a");
    };
    BOOST_TEST(made("/tin tức//x/../%41/index.html?id=5&utm_source=x#y") == "/tin%20tức/A?id=5");
    BOOST_TEST(made("https://bao.example.vn/b/") == "/b");
    BOOST_TEST(made("b") == "/b");
    // What names no page of the site leaves the page what it was.
    for (const auto* bad :
         {"https://example.com/b", "//example.com/b", "/%", "mailto:x", "?id=5", ""})
        BOOST_TEST_CONTEXT("to " << bad)
    BOOST_TEST(made(bad) == "/a");
}

BOOST_AUTO_TEST_CASE(a_host_before_the_path_stays_unless_a_rule_names_another)
{
    auto site = site_with({rule("/p([0-9]+)/.*$", "/p\\1"),
                           rule("^tin\\.[^/]*/(.*)$", "bao.example.vn/\\1"),
                           rule("^[^/]+/x/(.*)$", "/\\1")});
    site.path_host = true;
    BOOST_TEST(path_of(site, "https://bao.example.vn/p5/x") == "bao.example.vn/p5");
    BOOST_TEST(path_of(site, "/p5/x", "a.bao.example.vn") == "a.bao.example.vn/p5");
    BOOST_TEST(path_of(site, "https://tin.bao.example.vn/a") == "bao.example.vn/a");
    BOOST_TEST(path_of(site, "https://a.bao.example.vn/x/1") == "a.bao.example.vn/1");
    BOOST_TEST(path_of(site, "/p5/x") == "/p5");
}

BOOST_AUTO_TEST_CASE(a_rule_may_name_the_section)
{
    const auto site =
        site_with({rule("^/tin-tuc/", {}, "Tin tức"), rule("^/([^/]+)/([0-9]+)-.*$", "/\\2", "\\1"),
                   rule("^/", {}, "Khác")});
    const auto check = [&](std::string_view address, std::string_view path,
                           std::string_view section) {
        BOOST_TEST_CONTEXT("address " << address)
        {
            const auto p = page_of(site, address);
            BOOST_TEST(p.path == path);
            BOOST_TEST(p.section == section);
        }
    };
    check("/tin-tuc/bai", "/tin-tuc/bai", "Tin tức");  // the first that says one
    check("/tin-tuc/5-bai", "/5", "Tin tức");
    check("/van-hoa/5-bai", "/5", "van-hoa");
    check("/v%C4%83n%20h%C3%B3a/5-bai", "/5", "văn hóa");  // for people: without escapes
    check("/a%00%C2%85%FFb/5-x", "<" + make_error_code(errc::bad_path).message() + ">", "");
    check("/a%00%C2%85b/5-x", "/5", "a  b");
    check("/x", "/x", "Khác");
    const auto p = page_of(site, "/" + std::string(98, 'a') + "ế/5-x");
    BOOST_TEST(p.section == std::string(98, 'a'));  // at most 100 bytes, cut at a character
    BOOST_TEST(page_of(site_with({}), "/a").section == "");
}

BOOST_AUTO_TEST_CASE(an_objection_says_which_key_and_why)
{
    const struct {
        std::string match;
        text replace, section;
        std::string key, why;
    } table[] = {
        {"^/(", "/", {}, "match", "missing )"},
        {"(?=a)", "/", {}, "match", "RE2"},
        {"\\1", "/", {}, "match", "RE2"},
        {"\xFF", "/", {}, "match", "UTF-8"},
        {"(((a{100}){100}){100})", "/", {}, "match", "RE2"},
        {"((a{900}){30}){1}", "/", {}, "match", "RE2"},  // beyond its memory
        {"a", "/\\1", {}, "replace", "\\1, and match has none"},
        {"(a)(b)", "/\\3", {}, "replace", "\\3, and match has 2"},
        {"(a)", {}, "\\2", "section", "\\2, and match has 1"},
        {"a", "/\\", {}, "replace", "backslash"},
        {"a", "/\\d", {}, "replace", "backslash"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("match " << row.match.substr(0, 30))
        {
            path_rule r;
            const auto [key, why] =
                r.compile(row.match, pointer(row.replace), pointer(row.section));
            BOOST_TEST(key == row.key);
            BOOST_TEST(why.find(row.why) != std::string::npos, why);
        }
    }
}

// Whatever the rules are: a result is its own result, UTF-8 and bounded; no input throws.
BOOST_AUTO_TEST_CASE(with_any_rules_normalising_a_result_gives_it_again)
{
    const std::vector<std::string> matches{"^/a",        "a$",     "",      ".",    ".*",
                                           "(.)",        "/",      "%",     "(b*)", "[^/]+$",
                                           "\\?id=(.*)", "^[^/]*", "x|\\?", "ế",    "(?i)A"};
    const std::vector<std::string> targets{"",
                                           "/",
                                           "\\0",
                                           "/\\0",
                                           "\\0\\0",
                                           "a",
                                           "/b",
                                           "ế",
                                           "e\u0302",
                                           "\u0301",
                                           "%",
                                           "%41",
                                           "%2F",
                                           "?id=",
                                           "#",
                                           "/..",
                                           "//",
                                           "tin.bao.example.vn/",
                                           "bao.example.vn",
                                           "\\\\",
                                           "index.html",
                                           "/../"};
    const std::vector<std::string> pieces{"/",     "a",          "b",  "x",      "ế",     "%2F",
                                          "?id=1", "index.html", "..", "%CC%81", "\u0301"};
    constexpr unsigned seed = 27;
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    const auto one_of = [&random](const auto& list) { return list[random() % list.size()]; };
    int changed = 0;
    for (int i = 0; i < 3000; ++i) {
        std::vector<path_rule> rules;
        for (auto n = 1 + random() % 3; n > 0; --n)
            rules.push_back(rule(one_of(matches), one_of(targets) + one_of(targets)));
        auto site = site_with(std::move(rules));
        site.path_host = random() % 2 == 0;
        const std::string host = random() % 2 == 0 ? "" : "bao.example.vn";
        auto without = site;
        without.path_rules.clear();
        for (int k = 0; k < 10; ++k) {
            std::string address = "/";
            for (auto n = random() % 6; n > 0; --n)
                address += one_of(pieces);
            const auto once = path_of(site, address, host);
            if (once.starts_with('<'))
                continue;
            changed += once != path_of(without, address, host) ? 1 : 0;
            const bool whole = utf8::valid(once) && once.size() <= max_address_bytes;
            if (!whole || path_of(site, once, host) != once)
                BOOST_ERROR("seed " << seed << " round " << i << " address " << address << " once "
                                    << once << " twice " << path_of(site, once, host));
        }
    }
    BOOST_TEST(changed > 3000);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace path_rule_test
