// Counts as pictures: whatever the label holds, the picture is well-formed and says what it shows.

#include "aggregator/badge.hpp"

#include "core/utf8.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace badge_test {

using namespace luot;
using namespace luot::aggregator;

/// What stands between two texts, the first time.
std::string between(const std::string& text, const std::string& from, const std::string& to)
{
    const auto begin = text.find(from);
    if (begin == std::string::npos)
        return "(none)";
    const auto at = begin + from.size();
    return text.substr(at, text.find(to, at) - at);
}

/// Whether it is XML as these pictures are: tags that are closed in order, attributes in double
/// quotes, no bare '<' or '&'. System tests ask a real parser.
bool is_well_formed(std::string_view xml)
{
    std::vector<std::string_view> open;
    while (!xml.empty()) {
        if (xml[0] == '&') {
            const auto end = xml.find(';');
            const auto name = xml.substr(0, end + 1);
            if (name != "&amp;" && name != "&lt;" && name != "&gt;" && name != "&quot;")
                return false;
            xml.remove_prefix(end + 1);
        } else if (xml[0] != '<') {
            xml.remove_prefix(1);
        } else {
            const auto end = xml.find('>');
            if (end == std::string_view::npos)
                return false;
            const auto tag = xml.substr(1, end - 1);
            if (tag.find('<') != std::string_view::npos ||
                std::count(tag.begin(), tag.end(), '"') % 2)
                return false;
            if (tag.starts_with('/')) {
                if (open.empty() || open.back() != tag.substr(1))
                    return false;
                open.pop_back();
            } else if (!tag.ends_with('/')) {
                open.push_back(tag.substr(0, tag.find(' ')));
            }
            xml.remove_prefix(end + 1);
        }
    }
    return open.empty();
}

BOOST_AUTO_TEST_SUITE(badges)

BOOST_AUTO_TEST_CASE(a_badge_says_its_label_and_its_number)
{
    const auto svg = badge_svg("lượt xem", "3.680.027");
    BOOST_TEST(is_well_formed(svg));
    BOOST_TEST(between(svg, "<title>", "</title>") == "lượt xem: 3.680.027");
    BOOST_TEST(between(svg, "aria-label=\"", "\"") == "lượt xem: 3.680.027");
    BOOST_TEST(svg.find(">lượt xem</text>") != std::string::npos);
    BOOST_TEST(svg.find(">3.680.027</text>") != std::string::npos);
    BOOST_TEST(svg.find("script") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(without_a_label_there_is_the_number_alone)
{
    for (const auto* label : {"", " \t", "\u200B\u202E"}) {
        const auto svg = badge_svg(label, "406");
        BOOST_TEST(between(svg, "<title>", "</title>") == "406");
        BOOST_TEST(svg.find("#555") == std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(a_counter_has_a_field_for_each_digit)
{
    const auto svg = count_svg("lượt xem", "3.680.027");
    BOOST_TEST(is_well_formed(svg));
    BOOST_TEST(between(svg, "<title>", "</title>") == "lượt xem: 3.680.027");
    std::size_t fields = 0;
    for (auto at = svg.find("height=\"16\""); at != std::string::npos;
         at = svg.find("height=\"16\"", at + 1))
        ++fields;
    BOOST_TEST(fields == 7);
    const auto places = between(svg, "<text x=\"", "\"");
    BOOST_TEST(std::count(places.begin(), places.end(), ' ') == 8);  // one for each character
}

// Well-formed XML knows no way to write most of these at all.
BOOST_AUTO_TEST_CASE(what_no_label_may_hold_is_taken_out)
{
    const struct {
        std::string given, drawn;
    } table[] = {
        {"lượt xem", "lượt xem"},
        {"  a \t\n b\u00A0 ", "a b"},
        {"a\x01\x1F\x7F\u0085z", "az"},
        {std::string("a\0b", 3), "ab"},
        {"a\u202Eb\u202C\u2066c\u2069\u200E\u200F\u061C", "abc"},  // direction
        {"a\u200B\u200D\uFEFFb", "ab"},                            // of no width
        {"a\uFFFE\uFFFF\U000FFFFF\uE000z", "az"},                  // no characters, private ones
        {"a\xC3\x28\xED\xA0\x80z", "a\uFFFD(\uFFFD\uFFFD\uFFFDz"},
        {"tie\u0302\u0301ng", "tiếng"},  // composed
        {"e\u0302\u0301\u0300\u0300\u0300\u0300x", "\u1EBF\u0300\u0300x"},
        {"e\u200D\u0301", "é"},  // only composed once the joiner is gone
        {"\u0301x", "x"},
        {"x \u0301y", "x y"},
    };
    for (const auto& row : table)
        BOOST_TEST(clean_label(row.given) == row.drawn);
}

BOOST_AUTO_TEST_CASE(a_long_label_ends_in_an_ellipsis)
{
    std::string exact, longer;
    for (std::size_t i = 0; i < most_label_characters; ++i)
        exact += "ề";
    BOOST_TEST(clean_label(exact) == exact);
    BOOST_TEST(clean_label(exact + "x") == exact + "…");
    BOOST_TEST(clean_label(exact + " x") == exact + "…");
    BOOST_TEST(clean_label(std::string(15'000, 'x')).size() == most_label_characters + 3);
}

BOOST_AUTO_TEST_CASE(markup_in_a_label_is_text)
{
    const std::string label = R"(<script>"a" & 'b'</script>]]>&amp;)";
    for (const auto& svg : {badge_svg(label, "1"), count_svg(label, "1")}) {
        BOOST_TEST(is_well_formed(svg));
        BOOST_TEST(between(svg, "<title>", "</title>") ==
                   "&lt;script&gt;&quot;a&quot; &amp; 'b'&lt;/script&gt;]]&gt;&amp;amp;: 1");
    }
}

BOOST_AUTO_TEST_CASE(any_bytes_make_a_picture)
{
    std::mt19937 random{20210726};
    std::uniform_int_distribution<int> byte{0, 255}, length{0, 200};
    for (int run = 0; run < 2000; ++run) {
        std::string label;
        for (int i = length(random); i > 0; --i)
            label += static_cast<char>(byte(random));
        const auto svg = badge_svg(label, "406");
        BOOST_TEST_REQUIRE(is_well_formed(svg));
        BOOST_TEST_REQUIRE(utf8::valid(svg));
        BOOST_TEST_REQUIRE(svg.size() < 3000);
        BOOST_TEST_REQUIRE(clean_label(clean_label(label)) == clean_label(label));
    }
}

BOOST_AUTO_TEST_CASE(letters_are_as_wide_as_they_are_without_their_marks)
{
    BOOST_TEST(text_width("luot xem") == text_width("lượt xem"));
    BOOST_TEST(text_width("tiếng") == text_width("tie\u0302\u0301ng"));
    BOOST_TEST(text_width("d") == text_width("đ"));
    BOOST_TEST(text_width("iiii") < text_width("mmm"));
    BOOST_TEST(text_width("0000") == text_width("9999"));  // so that a badge does not twitch
    BOOST_TEST(text_width("数") == 11);
    BOOST_TEST(text_width("") == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace badge_test
