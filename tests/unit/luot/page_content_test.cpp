// A page taken apart as browsers do it, as far as luot's tag depends on it.

#include "luot/page_content.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace page_content_test {

using namespace luot;

BOOST_AUTO_TEST_SUITE(page_content_reader)

BOOST_AUTO_TEST_CASE(a_tag_is_found_however_it_is_written)
{
    for (
        const std::string tag : {
            R"(<script defer src="https://l.vn/luot.js" data-site="skhcn"></script>)",
            R"(<SCRIPT DATA-SITE=skhcn async SRC = 'https://l.vn/luot.js' ></SCRIPT>)",
            "<script\n\tdata-site='skhcn'defer src=https://l.vn/luot.js>",
            R"(<a b="<script>"><script src="https:&#x2f;&#47;l.vn/luot.js" data-site="skhcn" defer>)",
            "<!-- x --><!--><script src=https://l.vn/luot.js data-site=skhcn data-site=x defer>",
            "<style><script></style><script src=https://l.vn/luot.js data-site=skhcn defer>",
        })
        BOOST_TEST_CONTEXT(tag)
        {
            const auto page = read_page("<html>" + tag + "<p>x");
            BOOST_TEST_REQUIRE(page.scripts.size() == 1U);
            BOOST_TEST(page.scripts[0].site == "skhcn");
            BOOST_TEST(page.scripts[0].src == "https://l.vn/luot.js");
            BOOST_TEST(page.scripts[0].is_deferred);
            BOOST_TEST(!page.scripts[0].in_noscript);
        }
}

BOOST_AUTO_TEST_CASE(what_browsers_do_not_run_is_not_taken_for_a_tag)
{
    for (const std::string html :
         {"<title><script data-site=a></script></title>",
          "<textarea><script data-site=a></textarea>", "<script>'<script data-site=a>'</script>",
          "<style><script data-site=a></style>", "< script data-site=a>", "<script src=/other.js>",
          "<scriptx data-site=a>", "<"})
        BOOST_TEST(read_page(html).scripts.empty(), html);
    BOOST_TEST(read_page("<!-- <script data-site=a> -->").has_tag_in_comment);
    BOOST_TEST(read_page("<!-- <script data-site=a> -->").scripts.empty());
    BOOST_TEST(read_page("<noscript><script data-site=a></noscript>").scripts[0].in_noscript);
    BOOST_TEST(read_page("<template><script data-site=a></template>").scripts[0].in_template);
    const auto page = read_page("<noscript><p></noscript><script data-site=a nomodule type=x/y>");
    BOOST_TEST(!page.scripts[0].in_noscript);
    BOOST_TEST(page.scripts[0].is_nomodule);
    BOOST_TEST(page.scripts[0].type == "x/y");
}

BOOST_AUTO_TEST_CASE(a_page_says_its_address_title_and_policies)
{
    const auto page = read_page(
        "<base href=/sub/><base href=/no/><link rel='shortcut icon' href=/i><link rel='x "
        "Canonical' "
        "href=' /a?b=1&amp;c=2 '><title> B&agrave;i &lt;1&gt; </title><meta http-equiv="
        "Content-Security-Policy content=\"script-src 'self'\"><meta name=referrer content=Origin>"
        "<meta property=article:section content='Tin t\xe1\xbb\xa9"
        "c'><noscript><img "
        "src='//l.vn/hit.gif?s=a' referrerpolicy=unsafe-url></noscript>");
    BOOST_TEST(page.canonical == "/a?b=1&c=2");
    BOOST_TEST(page.base == "/sub/");
    BOOST_TEST(page.title == "B&agrave;i <1>");  // of references only those that addresses have
    BOOST_TEST_REQUIRE(page.content_policies.size() == 1U);
    BOOST_TEST(page.content_policies[0] == "script-src 'self'");
    BOOST_TEST(page.referrer_policy == "origin");
    BOOST_TEST(page.section ==
               "Tin t\xe1\xbb\xa9"
               "c");
    BOOST_TEST_REQUIRE(page.pixels.size() == 1U);
    BOOST_TEST(page.pixels[0].in_noscript);
    BOOST_TEST(page.pixels[0].referrer_policy == "unsafe-url");
}

BOOST_AUTO_TEST_CASE(any_cut_of_a_page_is_read)
{
    const std::string html =
        "<!--a--><script defer src='x/luot.js' data-site=\"a\">//</script><title>t</title><!-";
    for (std::size_t cut = 0; cut <= html.size(); ++cut)
        BOOST_TEST(read_page(std::string_view(html).substr(0, cut)).scripts.size() <= 1U);
}

// Each of these took time with the square of its size in a reader that looks ahead too far.
BOOST_AUTO_TEST_CASE(a_large_page_is_read_in_time_that_grows_with_its_size)
{
    for (const std::string piece : {"<!---->", "<!-- --!>", "<!--", "<script>", "<script></",
                                    "<a b='", "<title></title>", "<a ", "<!", "&#", "<a b=&amp"}) {
        std::string html;
        while (html.size() < 2 << 20)
            html += piece;
        BOOST_TEST(read_page(html).scripts.empty(), piece);
    }
}

BOOST_AUTO_TEST_CASE(types_of_scripts_are_those_of_browsers)
{
    for (const auto* type : {"", "text/javascript", " Application/JavaScript ", "module"})
        BOOST_TEST(is_script_type(type), type);
    for (const auto* type : {"text/plain", "abc-text/javascript", "application/ld+json"})
        BOOST_TEST(!is_script_type(type), type);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace page_content_test
