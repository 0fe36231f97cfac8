// Numbers as people write them.

#include "core/number_text.hpp"

#include <boost/test/unit_test.hpp>

namespace number_text_test {

using namespace luot;

BOOST_AUTO_TEST_SUITE(number_texts)

BOOST_AUTO_TEST_CASE(thousands_are_set_apart_as_the_language_does)
{
    const struct {
        std::int64_t number;
        std::string vi, en;
    } table[] = {
        {0, "0", "0"},
        {406, "406", "406"},
        {1000, "1.000", "1,000"},
        {30'000, "30.000", "30,000"},
        {999'999, "999.999", "999,999"},
        {3'680'027, "3.680.027", "3,680,027"},
        {-999, "-999", "-999"},
        {-1000, "-1.000", "-1,000"},
        {INT64_MIN, "-9.223.372.036.854.775.808", "-9,223,372,036,854,775,808"},
    };
    for (const auto& row : table) {
        BOOST_TEST(number_text(row.number, number_style::vi) == row.vi);
        BOOST_TEST(number_text(row.number, number_style::en) == row.en);
        BOOST_TEST(number_text(row.number, number_style::plain) == std::to_string(row.number));
    }
}

BOOST_AUTO_TEST_CASE(two_languages_have_a_style)
{
    BOOST_TEST((style_of_language("vi") == number_style::vi));
    BOOST_TEST((style_of_language("en") == number_style::en));
    for (const auto* other : {"", "VI", "fr", "plain"})
        BOOST_TEST(!style_of_language(other));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace number_text_test
