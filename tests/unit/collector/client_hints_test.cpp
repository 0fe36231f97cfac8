// Client hints, folded into a short text: what real browsers send, and what a stranger may.

#include "collector/client_hints.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>
#include <string>

namespace client_hints_test {

using namespace luot::collector;

std::string folded(std::string_view brands, std::string_view mobile = "",
                   std::string_view platform = "")
{
    std::string out = "left from before";
    fold_client_hints(brands, mobile, platform, out);
    return out;
}

BOOST_AUTO_TEST_SUITE(client_hints)

BOOST_AUTO_TEST_CASE(what_browsers_send_is_told_in_short)
{
    BOOST_TEST(folded(R"("Chromium";v="126", "Google Chrome";v="126", "Not/A)Brand";v="8")", "?0",
                      R"("Windows")") == "0Windows;Google Chrome/126");
    BOOST_TEST(folded(R"(" Not A;Brand";v="99", "Chromium";v="98", "Google Chrome";v="98")", "?1",
                      R"("Android")") == "1Android;Google Chrome/98");
    BOOST_TEST(folded(R"("Not.A/Brand";v="8", "Chromium";v="114", "Microsoft Edge";v="114")", "?0",
                      R"("macOS")") == "0macOS;Microsoft Edge/114");
    BOOST_TEST(folded(R"("Brave";v="126", "Chromium";v="126", "Not;A=Brand";v="24")", "?0",
                      R"("Chrome OS")") == "0Chrome OS;Brave/126");
    BOOST_TEST(folded(R"("Chromium";v="126", "Not?A_Brand";v="8")", "?0", R"("Linux")") ==
               "0Linux;Chromium/126");
}

BOOST_AUTO_TEST_CASE(what_is_not_said_is_left_out)
{
    BOOST_TEST(folded("", "", "") == "");
    BOOST_TEST(folded("", "?1", "") == "1");
    BOOST_TEST(folded("", "", R"("Android")") == "-Android");
    BOOST_TEST(folded(R"("Brave")") == "-;Brave");
    BOOST_TEST(folded(R"("Brave";v="1.2")") == "-;Brave");
    BOOST_TEST(folded(R"("Not;A=Brand";v="24")") == "");
}

BOOST_AUTO_TEST_CASE(what_is_malformed_or_too_long_is_not_said)
{
    for (const auto* platform :
         {"Windows", "\"Windows", "\"\"", "\"a;b\"", "\"a/b\"", "\"(other)\"", "\"a\\\"b\"",
          "\"\xE1\xBA\xBF\"", "\"a234567890b234567890c\""})
        BOOST_TEST(folded("", "?0", platform) == "0", platform);
    for (const auto* mobile : {"1", "?2", "?11", "true", ""})
        BOOST_TEST(folded("", mobile, "\"a\"") == "-a", mobile);
    for (const auto* brands :
         {"Brave", "\"Brave", ";v=\"1\"", "\"Bra;ve\";v=\"1\"", "\"a\\", ",,,"})
        BOOST_TEST(folded(brands, "?1") == "1", brands);
    BOOST_TEST(folded("\"a\";v=\"123456\"") == "-;a");
    BOOST_TEST(folded("\"" + std::string(33, 'a') + "\";v=\"1\"") == "");
    std::string list;
    for (int i = 0; i < 1000; ++i)
        list += "\"Not A Brand\";v=\"1\", ";
    BOOST_TEST(folded(list + "\"Brave\";v=\"1\"") == "");  // nobody reads that far
}

BOOST_AUTO_TEST_CASE(any_bytes_give_a_short_printable_text)
{
    constexpr unsigned seed = 9;
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    constexpr std::string_view likely = "\"\"\";,=v\\ ?01aNotBrandChromium/";
    for (int i = 0; i < 50'000; ++i) {
        std::string texts[3];
        for (auto& text : texts)
            for (auto n = random() % 40; n > 0; --n)
                text += random() % 8 == 0 ? static_cast<char>(random() % 256)
                                          : likely[random() % likely.size()];
        const auto out = folded(texts[0], texts[1], texts[2]);
        const bool good =
            out.size() <= max_client_hints_bytes &&
            std::all_of(out.begin(), out.end(), [](char c) { return c >= ' ' && c <= '~'; });
        if (!good)
            BOOST_ERROR("seed " << seed << " round " << i << " gives " << out);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace client_hints_test
