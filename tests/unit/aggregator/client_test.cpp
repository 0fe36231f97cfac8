// Languages and screens, as browsers and strangers say them.

#include "aggregator/fold/client.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>

namespace client_test {

using namespace luot::aggregator;

BOOST_AUTO_TEST_SUITE(client)

BOOST_AUTO_TEST_CASE(a_language_is_its_primary_subtag_and_its_region)
{
    const struct {
        std::string_view said, expected;
    } table[] = {
        {"vi", "vi"},
        {"vi-VN", "vi-VN"},
        {"VI-vn", "vi-VN"},
        {"vi_VN", "vi-VN"},  // Java
        {"vie", "vie"},
        {"en-US", "en-US"},
        {"es-419", "es-419"},  // Latin America
        {"zh-Hant-TW", "zh-TW"},
        {"zh-Hans", "zh"},
        {"zh-cmn-Hans-CN", "zh-CN"},
        {"sl-rozaj-biske-1994", "sl"},
        {"de-CH-1901", "de-CH"},
        {"de-1901-CH", "de"},   // a region comes before variants
        {"en-a-bbb-US", "en"},  // in an extension
        {"de-x-AT", "de"},      // for private use
        {"en-US-u-islamcal", "en-US"},
        {"en-US-GB", "en-US"},
    };
    for (const auto& row : table)
        BOOST_TEST(language_of(row.said) == row.expected, row.said);
}

BOOST_AUTO_TEST_CASE(of_an_accept_language_header_the_first_counts)
{
    const struct {
        std::string_view said, expected;
    } table[] = {
        {"vi-VN,vi;q=0.9,en-US;q=0.8,en;q=0.7", "vi-VN"},
        {" fr ; q=1 , vi", "fr"},
        {"*, vi;q=0.5", "vi"},
        {",,vi", "vi"},
        {"vi-VN,vi;q=0.9,fr-FR;q=0.8,fr;q=0.7", "vi-VN"},
        {"vi-VN,vi;q=0.9,fr-FR;q=0.8,fr;q=0.", "vi-VN"},  // cut at 35 bytes
    };
    for (const auto& row : table)
        BOOST_TEST(language_of(row.said) == row.expected, row.said);
}

BOOST_AUTO_TEST_CASE(what_has_not_the_shape_is_other_and_what_is_not_said_is_empty)
{
    for (const std::string_view said :
         {"v", "viet", "vietnamese", "i-klingon", "x-vi", "12", "v1", "vi-", "vi--VN", "-vi",
          "vi-VN-", "vi VN", "vi_VN.UTF-8", "vi-toolongsubtag", "tiếng Việt", "vi\xFF", "<script>",
          "undefined", "null"})
        BOOST_TEST(language_of(said) == "other", said);
    for (const std::string_view said : {"", " ", "*", "*;q=0.1", ",", ";q=1", " , "})
        BOOST_TEST(language_of(said) == "", said);
}

// It becomes a member of a key in Redis.
BOOST_AUTO_TEST_CASE(whatever_is_said_the_answer_is_short_and_plain_and_stays_itself)
{
    std::mt19937 random(5);
    constexpr std::string_view bytes = "viVNenUS419hant-_,;*q=. \xC3\x01";
    for (int i = 0; i < 100'000; ++i) {
        std::string said;
        for (auto n = random() % 14; n > 0; --n)
            said += bytes[random() % bytes.size()];
        const auto language = language_of(said);
        const bool plain = std::all_of(language.begin(), language.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   c == '-';
        });
        if (language.size() > 7 || !plain || language_of(language) != language)
            BOOST_ERROR(language << " of " << said);
    }
}

BOOST_AUTO_TEST_CASE(a_screen_is_of_the_class_of_its_width)
{
    const struct {
        std::uint32_t width;
        std::string_view expected;
    } table[] = {
        {0, ""},           {1, "phone"},         {320, "phone"},   {360, "phone"},
        {430, "phone"},    {599, "phone"},       {600, "tablet"},  {768, "tablet"},
        {820, "tablet"},   {1023, "tablet"},     {1024, "laptop"}, {1280, "laptop"},
        {1366, "laptop"},  {1536, "laptop"},     {1599, "laptop"}, {1600, "desktop"},
        {1920, "desktop"}, {2559, "desktop"},    {2560, "wide"},   {3840, "wide"},
        {99999, "wide"},   {0xFFFFFFFF, "wide"},
    };
    for (const auto& row : table)
        BOOST_TEST(screen_class(row.width) == row.expected, row.width);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace client_test
