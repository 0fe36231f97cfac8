#include "aggregator/corrections.hpp"

#include "aggregator/correct.hpp"
#include "aggregator/page_names.hpp"
#include "core/keys.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using namespace luot;
using namespace luot::aggregator;

namespace corrections_test {

site_config a_site()
{
    site_config s;
    s.id = "s";
    s.hosts = {"s.example.vn"};
    return s;
}

std::string why(const std::string& csv)
{
    try {
        (void)parse_pairs(csv, "f.csv", a_site());
        return {};
    } catch (const correction_error& e) {
        return e.what();
    }
}

BOOST_AUTO_TEST_SUITE(corrections)

BOOST_AUTO_TEST_CASE(a_chain_of_addresses_leads_to_its_last_page)
{
    const page_names names("m", {{"/a", {1, "/b"}}, {"/b", {2, "/c"}}, {"/x", {3, "/c"}}}, {"/d"});
    BOOST_TEST(names.page_of("/a") == "/c");
    BOOST_TEST(names.page_of("/b") == "/c");
    BOOST_TEST(names.page_of("/c") == "/c");
    BOOST_TEST(names.page_of("/d") == "/d");
    const std::vector<std::string> all{"/c", "/a", "/b", "/x"}, itself{"/d"};
    BOOST_TEST(names.addresses_of("/c") == all, boost::test_tools::per_element());
    BOOST_TEST(names.addresses_of("/d") == itself, boost::test_tools::per_element());
    BOOST_TEST(names.is_hidden("/d"));
    BOOST_TEST(!names.is_hidden("/c"));
}

// No command makes one; whoever writes it by hand must not stop the reads.
BOOST_AUTO_TEST_CASE(a_loop_of_addresses_leads_nowhere_and_ends)
{
    const page_aliases loop{{"/a", {1, "/b"}}, {"/b", {1, "/a"}}};
    BOOST_TEST(!end_of_chain(loop, "/a"));
    const page_names names("m", loop, {});
    BOOST_TEST(names.page_of("/a") == "/a");
}

BOOST_AUTO_TEST_CASE(an_alias_is_read_as_it_was_written)
{
    const page_alias alias{12, "/tin tức"};
    BOOST_TEST((decode_alias(encode(alias)) == alias));
    for (const auto* damaged : {"", "/a", "0 /a", "1 ", "x /a", "1"})
        BOOST_TEST(!decode_alias(damaged), damaged);
}

BOOST_AUTO_TEST_CASE(pairs_are_read_as_spreadsheets_write_them)
{
    const auto pairs = parse_pairs(
        "\xEF\xBB\xBFt\xE1\xBB\xAB;\xC4\x91\xE1\xBA\xBFn;\r\n\"/a\";/b\r\n\r\nhttps://s.example.vn/"
        "c?utm_source=x;/d;;\r\n",
        "f.csv", a_site());
    BOOST_TEST_REQUIRE(pairs.size() == 2u);
    BOOST_TEST(pairs[0].first == "/a");
    BOOST_TEST(pairs[0].second == "/b");
    BOOST_TEST(pairs[1].first == "/c");
    BOOST_TEST(pairs[1].second == "/d");
}

BOOST_AUTO_TEST_CASE(a_row_that_is_no_pair_is_named)
{
    BOOST_TEST(why("/a,/b\n/c\n").starts_with("f.csv:2: a row is"));
    BOOST_TEST(why("/a,/a?utm_source=x\n").starts_with("f.csv:1: /a and"));
    BOOST_TEST(why("https://else.example.vn/a,/b\n").starts_with("f.csv:1: "));
    BOOST_TEST(why("from,to\n").starts_with("f.csv: there is no row"));
    BOOST_TEST(why("/a,\"/b\n").starts_with("f.csv:1: a quote"));
}

BOOST_AUTO_TEST_CASE(a_record_is_read_as_it_was_written)
{
    correction c{5, "anna", "delete", "page /\"a\"", "3 views", "made", 7, 9, "ben"}, read;
    BOOST_TEST_REQUIRE(decode(encode(c), read));
    BOOST_TEST(encode(read) == encode(c));
    BOOST_TEST(read.imports == 7);
    for (const auto* damaged : {"", "{}", "[]", "{\"at\":1}"})
        BOOST_TEST(!decode(damaged, read), damaged);
}

BOOST_AUTO_TEST_CASE(changes_are_taken_back_from_the_last_to_the_first)
{
    const auto visited = keys::path_visitors("s", 18'834);
    const changes made{add_count("h", "views", -3),
                       add_row("z", "/a", -3, 5),
                       move_row("z", "/b", "(other)", 2, true),
                       take_field("f", "/a", "x\0y"),
                       count_visitors("v", "d", "m", "t"),
                       add_row(visited, "/a", -3, 5)};
    const auto read = decode_changes(encode(made));
    BOOST_TEST_REQUIRE(read.has_value());
    BOOST_TEST((*read == made));
    const changes back{{'f', {"f"}, {"/a", "x"}},         move_row("z", "(other)", "/b", 2, false),
                       add_row("z", "/a", 3, 5),          add_count("h", "views", 3),
                       put_visitors(visited, "/a", 3, 5), count_visitors("v", "d", "m", "t")};
    BOOST_TEST((inverse(*read) == back));
    const auto bytes = encode(made);
    for (std::size_t cut = 8; cut < bytes.size(); ++cut)
        BOOST_TEST(!decode_changes(std::string_view(bytes).substr(0, cut)), cut);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace corrections_test
