// The steps of a path are those of the code that counts: asking for them changes nothing.

#include "core/path_trace.hpp"

#include "core/config.hpp"
#include "core/path.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace path_trace_test {

using namespace luot;

site_config site_with_rules()
{
    site_config site;
    site.id = "a";
    site.hosts = {"a.vn"};
    path_rule p, grow, section;
    const std::string replace = "/p\\1", longer = "/growx", name = "News";
    BOOST_TEST_REQUIRE(p.compile("^/p([0-9]+)/.*$", &replace, nullptr).why.empty());
    BOOST_TEST_REQUIRE(grow.compile("^/grow", &longer, nullptr).why.empty());
    BOOST_TEST_REQUIRE(section.compile("^/tin", nullptr, &name).why.empty());
    site.path_rules = {p, grow, section};
    return site;
}

BOOST_AUTO_TEST_SUITE(path_tracing)

BOOST_AUTO_TEST_CASE(the_path_is_the_same_whether_its_steps_are_asked_for_or_not)
{
    auto site = site_with_rules();
    for (const bool path_host : {false, true}) {
        site.path_host = path_host;
        for (const std::string address :
             {"https://A.vn//x/./y/../index.html?ID=2&utm_source=z&%=&a=1&id=3#f", "/p7/bai-1/",
              "/grow", "/tin/b%C3%A0i", "https://b.vn/", "mailto:x", "", "/%ff", "/a?id=%ff",
              "/a?id=", "//a.vn/x"}) {
            std::string path, traced, section, traced_section;
            campaign found, traced_found;
            path_trace steps;
            const auto error = normalise_page(address, site, "a.vn", path, &found, &section);
            const auto again =
                trace_page(address, site, "a.vn", traced, &traced_found, &traced_section, steps);
            BOOST_TEST(error == again, address);
            BOOST_TEST(path == traced);
            BOOST_TEST(section == traced_section);
            BOOST_TEST(found.source == traced_found.source);
        }
    }
}

BOOST_AUTO_TEST_CASE(each_part_that_changes_is_told)
{
    path_trace steps;
    std::string path;
    campaign found;
    BOOST_TEST_REQUIRE(!trace_page("https://a.vn/p7/x/?x=1&utm_source=z&id=2&id=3#f",
                                   site_with_rules(), {}, path, &found, nullptr, steps));
    BOOST_TEST(path == "/p7");
    std::string told;
    for (const auto& s : steps)
        told += s.what + ' ' + s.text + ' ' + s.became + "; ";
    BOOST_TEST(told ==
               "fragment #f ; host a.vn ; path /p7/x/ /p7/x; query x=1 ; query utm_source=z ; "
               "query id=2 id=2; query id=3 id=3; rule ^/p([0-9]+)/.*$ /p7; ");
}

BOOST_AUTO_TEST_CASE(of_a_parameter_that_is_there_twice_the_last_is_said_to_count)
{
    path_trace steps;
    std::string path;
    BOOST_TEST_REQUIRE(
        !trace_page("/a?id=2&id=3", site_with_rules(), {}, path, nullptr, nullptr, steps));
    BOOST_TEST_REQUIRE(steps.size() >= 2U);
    BOOST_TEST(steps[0].why == "kept: keep_query has it");
    BOOST_TEST(steps[1].why == "kept instead of the one before it: the last one counts");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace path_trace_test
