// With what pages are read: User-Agents of today, made-up ones, and bytes that are none.

#include "aggregator/fold/agents.hpp"

#include "core/utf8.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace agents_test {

using namespace luot;
using namespace luot::aggregator;

/// Compiling the rules takes a while: one list for all tests, which run on one thread.
const agent_list& all_agents()
{
    static const agent_list list;
    return list;
}

const agent_parser& parser()
{
    static const agent_parser p;
    return p;
}

std::string browser_of(std::string_view user_agent)
{
    return all_agents().classify(user_agent).browser;
}

std::string text_of(const agent& a)
{
    return a.browser + " | " + a.os + " | " + std::string(name_of(a.device));
}

/// What an app for Apple's systems says, whose name uap-core takes from the text as it stands.
std::string app_named(std::string_view name)
{
    return std::string(name) + "/3 CFNetwork/1568.200.51 Darwin/24.1.0";
}

const struct {
    std::string_view browser, os;
    device_class device;
    std::string_view user_agent;
} of_today[] = {
    {"Chrome", "Windows", device_class::desktop,
     "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/140.0.0.0 Safari/537.36"},
    {"Edge", "Windows", device_class::desktop,
     "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"},
    {"Firefox", "Windows", device_class::desktop,
     "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0"},
    {"Coc Coc", "Windows", device_class::desktop,
     "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "coc_coc_browser/137.0.222 Chrome/131.0.6778.222 Safari/537.36"},
    {"Opera", "Windows", device_class::desktop,
     "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/138.0.0.0 Safari/537.36 OPR/122.0.0.0"},
    {"IE", "Windows", device_class::desktop,
     "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; .NET CLR 2.0.50727; Tablet PC 2.0; rv:11.0) "
     "like Gecko"},
    {"Safari", "Mac OS X", device_class::desktop,
     "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
     "Version/18.6 Safari/605.1.15"},
    {"Firefox", "Linux", device_class::desktop,
     "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"},
    {"Chrome", "Chrome OS", device_class::desktop,
     "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/139.0.0.0 Safari/537.36"},
    {"Chrome", "HarmonyOS", device_class::desktop,
     "Mozilla/5.0 (PC; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 "
     "Safari/537.36 ArkWeb/4.1.6.1"},
    {"Mobile Safari", "iOS", device_class::mobile,
     "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
     "Gecko) Version/18.6 Mobile/15E148 Safari/604.1"},
    {"Chrome Mobile iOS", "iOS", device_class::mobile,
     "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
     "Gecko) CriOS/140.0.7339.101 Mobile/15E148 Safari/604.1"},
    {"Zalo", "iOS", device_class::mobile,
     "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
     "Gecko) Mobile/15E148 Zalo iOS/466 ZaloTheme/light ZaloLanguage/vn"},
    {"Facebook", "iOS", device_class::mobile,
     "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
     "Gecko) Mobile/15E148 "
     "[FBAN/FBIOS;FBAV/468.0.0.31.104;FBBV/610393402;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;FBSV/"
     "17.5.1;FBSS/3;FBID/phone;FBLC/vi_VN;FBOP/5;FBRV/612358713]"},
    {"Chrome Mobile", "Android", device_class::mobile,
     "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
     "Mobile Safari/537.36"},
    {"Samsung Internet", "Android", device_class::mobile,
     "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-A556E) AppleWebKit/537.36 (KHTML, like Gecko) "
     "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36"},
    {"Zalo", "Android", device_class::mobile,
     "Mozilla/5.0 (Linux; Android 13; V2149 Build/TP1A.220624.014; wv) AppleWebKit/537.36 (KHTML, "
     "like Gecko) Version/4.0 Chrome/138.0.7204.179 Mobile Safari/537.36 Zalo android/12100682 "
     "ZaloTheme/light ZaloLanguage/vi"},
    {"Facebook", "Android", device_class::mobile,
     "Mozilla/5.0 (Linux; Android 12; CPH2239 Build/RKQ1.211119.001; wv) AppleWebKit/537.36 "
     "(KHTML, like Gecko) Version/4.0 Chrome/125.0.6422.165 Mobile Safari/537.36 "
     "[FB_IAB/FB4A;FBAV/467.0.0.35.109;]"},
    {"Coc Coc", "Android", device_class::mobile,
     "Mozilla/5.0 (Linux; Android 11; RMX2185) AppleWebKit/537.36 (KHTML, like Gecko) "
     "coc_coc_browser/128.0.190 Chrome/122.0.6261.190 Mobile Safari/537.36"},
    {"UC Browser", "Android", device_class::mobile,
     "Mozilla/5.0 (Linux; U; Android 12; vi-VN; CPH2127 Build/RKQ1.211119.001) AppleWebKit/537.36 "
     "(KHTML, like Gecko) Version/4.0 Chrome/100.0.4896.58 UCBrowser/13.7.8.1319 Mobile "
     "Safari/537.36"},
    {"UC Browser", "Other", device_class::mobile,
     "UCWEB/2.0 (Java; U; MIDP-2.0; vi; nokiac3-00) U2/1.0.0 UCBrowser/9.5.0.449 U2/1.0.0 Mobile"},
    {"Opera Mini", "Android", device_class::mobile,
     "Opera/9.80 (Android; Opera Mini/80.0.2254/191.303; U; vi) Presto/2.12.423 Version/12.16"},
    {"Opera Mini", "Other", device_class::mobile,
     "Opera/9.80 (J2ME/MIDP; Opera Mini/7.1.32052/191.303; U; vi) Presto/2.12.423 Version/12.16"},
    {"Opera Mobile", "Android", device_class::mobile,
     "Mozilla/5.0 (Linux; U; Android 11; M2006C3LG Build/RP1A.200720.011; wv) AppleWebKit/537.36 "
     "(KHTML, like Gecko) Version/4.0 Chrome/138.0.7204.179 Mobile Safari/537.36 "
     "OPR/88.0.2254.75683"},
    {"Firefox Mobile", "Android", device_class::mobile,
     "Mozilla/5.0 (Android 14; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0"},
    {"Huawei Browser", "HarmonyOS", device_class::mobile,
     "Mozilla/5.0 (Linux; Android 12; HarmonyOS; ELS-AN00; HMSCore 6.14.0.322) AppleWebKit/537.36 "
     "(KHTML, like Gecko) Chrome/114.0.5735.196 HuaweiBrowser/15.0.4.312 Mobile Safari/537.36"},
    {"Huawei Browser", "HarmonyOS", device_class::tablet,
     "Mozilla/5.0 (Linux; Android 12; HarmonyOS; DBY-W09; HMSCore 6.11.0.302) AppleWebKit/537.36 "
     "(KHTML, like Gecko) Chrome/114.0.5735.196 HuaweiBrowser/15.0.4.312 Safari/537.36"},
    {"Chrome", "HarmonyOS", device_class::mobile,
     "Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 "
     "Safari/537.36 ArkWeb/4.1.6.1 Mobile"},
    {"Edge Mobile", "Android", device_class::mobile,
     "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 "
     "Mobile Safari/537.36 EdgA/138.0.0.0"},
    {"Firefox Mobile", "KaiOS", device_class::mobile,
     "Mozilla/5.0 (Mobile; Nokia 2720 Flip; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5.2"},
    {"Edge Mobile", "Windows Phone", device_class::mobile,
     "Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 950) AppleWebKit/537.36 "
     "(KHTML, like Gecko) Chrome/52.0.2743.116 Mobile Safari/537.36 Edge/15.15063"},
    {"Chrome Mobile iOS", "iOS", device_class::tablet,
     "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
     "CriOS/140.0.7339.101 Mobile/15E148 Safari/604.1"},
    {"Facebook", "iOS", device_class::tablet,
     "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
     "Mobile/15E148 "
     "[FBAN/FBIOS;FBAV/470.1.0.37.106;FBDV/iPad13,1;FBMD/iPad;FBSN/iPadOS;FBSV/17.6;FBSS/2;FBID/"
     "tablet;FBLC/vi_VN;FBOP/5]"},
    {"Samsung Internet", "Android", device_class::tablet,
     "Mozilla/5.0 (Linux; Android 13; SM-X205) AppleWebKit/537.36 (KHTML, like Gecko) "
     "SamsungBrowser/28.0 Chrome/130.0.0.0 Safari/537.36"},
    {"Chrome", "Android", device_class::tablet,
     "Mozilla/5.0 (Linux; Android 13; Lenovo TB-J616F) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/139.0.0.0 Safari/537.36"},
    {"Firefox Mobile", "Android", device_class::tablet,
     "Mozilla/5.0 (Android 13; Tablet; rv:143.0) Gecko/143.0 Firefox/143.0"},
    {"Amazon Silk", "Android", device_class::tablet,
     "Mozilla/5.0 (Linux; Android 11; KFTRWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/134.4.1 "
     "like Chrome/134.0.6998.207 Safari/537.36"},
    {"Chrome", "HarmonyOS", device_class::tablet,
     "Mozilla/5.0 (Tablet; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1"},
    {"Safari", "Tizen", device_class::tv,
     "Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) Version/7.0 "
     "TV Safari/537.36"},
    {"Chrome", "Web0S", device_class::tv,
     "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/94.0.4606.128 Safari/537.36 WebAppManager"},
    {"Chrome", "Android", device_class::tv,
     "Mozilla/5.0 (Linux; Android 12; BRAVIA 4K UR3 Build/STT2.230505.001.S198) AppleWebKit/537.36 "
     "(KHTML, like Gecko) Chrome/138.0.7204.179 Safari/537.36"},
    {"Safari", "Other", device_class::other,
     "Mozilla/5.0 (PlayStation; PlayStation 5/7.61) AppleWebKit/605.1.15 (KHTML, like Gecko) "
     "Version/15.4 Safari/605.1.15"},
    {"Edge", "Windows", device_class::other,
     "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) AppleWebKit/537.36 (KHTML, like "
     "Gecko) Chrome/138.0.0.0 Safari/537.36 Edge/44.18363.8131"},
    {"Googlebot", "Other", device_class::other,
     "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
    {"curl", "Other", device_class::other, "curl/8.5.0"},
    {"Android", "Android", device_class::mobile,
     "Dalvik/2.1.0 (Linux; U; Android 13; SM-A536E Build/TP1A.220624.014)"},
    {"Instagram", "Android", device_class::mobile,
     "Instagram 416.0.0.47.66 Android (36/16; 306dpi; 1008x2244; Google/google; Pixel 9 Pro XL; "
     "komodo; komodo; en_US; 879745420)"},
    {"Instagram", "iOS", device_class::mobile,
     "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
     "Gecko) Mobile/22G86 Instagram 394.0.0.27.84 (iPhone14,5; iOS 18_6; vi_VN; vi; scale=3.00; "
     "1170x2532; IABMV/1; 779746230)"},
    {"TikTok", "Android", device_class::mobile,
     "Mozilla/5.0 (Linux; Android 14; 23106RN0DA Build/UP1A.231005.007; wv) AppleWebKit/537.36 "
     "(KHTML, like Gecko) Version/4.0 Chrome/138.0.7204.179 Mobile Safari/537.36 trill_2023900030 "
     "JsSdk/1.0 NetType/WIFI Channel/googleplay AppName/trill app_version/39.0.3 ByteLocale/vi-VN "
     "ByteFullLocale/vi-VN Region/VN AppVersion/39.0.3 BytedanceWebview/d8a21c6"},
    {"Google", "iOS", device_class::mobile,
     "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
     "Gecko) GSA/383.0.797833943 Mobile/15E148 Safari/604.1"},
};

BOOST_AUTO_TEST_SUITE(agents)

BOOST_AUTO_TEST_CASE(what_people_read_with_today_is_told)
{
    for (const auto& row : of_today) {
        const auto& found = all_agents().classify(row.user_agent);
        BOOST_TEST_CONTEXT(row.user_agent)
        {
            BOOST_TEST(found.browser == row.browser);
            BOOST_TEST(found.os == row.os);
            BOOST_TEST(name_of(found.device) == name_of(row.device));
        }
    }
}

BOOST_AUTO_TEST_CASE(an_ipad_that_says_it_is_a_mac_is_taken_for_one)
{
    // Safari on iPadOS asks for the desktop's page, with the User-Agent of a Mac to the letter.
    BOOST_TEST(text_of(all_agents().classify(
                   "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, "
                   "like Gecko) Version/18.6 Safari/605.1.15")) == "Safari | Mac OS X | desktop");
}

BOOST_AUTO_TEST_CASE(nothing_and_nonsense_are_other)
{
    for (const std::string user_agent : {"", " ", "-", "Mozilla/5.0", "\xFF\xFE\x80", "<script>"})
        BOOST_TEST(text_of(all_agents().classify(user_agent)) == "Other | Other | other");
    BOOST_TEST(text_of(all_agents().classify(std::string(5, '\0'))) == "Other | Other | other");
}

// The examples of uap-core's specification.
BOOST_AUTO_TEST_CASE(replacements_are_filled_with_what_their_groups_matched)
{
    const auto minefield =
        parser()
            .parse(
                "Mozilla/5.0 (Windows; Windows NT 5.1; rv:2.0b3pre) Gecko/20100727 "
                "Minefield/4.0.1pre")
            .browser;
    BOOST_TEST(minefield.family == "Firefox (Minefield)");
    BOOST_TEST(minefield.major == "4");
    BOOST_TEST(minefield.minor == "0");
    BOOST_TEST(minefield.patch == "1pre");

    const auto odys =
        parser()
            .parse(
                "Mozilla/5.0 (Linux; U; Android 4.2.2; de-de; PEDI_PLUS_W Build/JDQ39) "
                "AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Safari/534.30")
            .device;
    BOOST_TEST(odys.family == "Odys PEDI PLUS W");
    BOOST_TEST(odys.brand == "Odys");
    BOOST_TEST(odys.model == "PEDI PLUS W");
}

BOOST_AUTO_TEST_CASE(versions_come_from_groups_or_from_the_rule)
{
    const auto parsed = parser().parse(
        "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/109.0.5414.120 Safari/537.36");
    BOOST_TEST(parsed.browser.family == "Chrome");
    BOOST_TEST(parsed.browser.major == "109");
    BOOST_TEST(parsed.browser.minor == "0");
    BOOST_TEST(parsed.browser.patch == "5414");
    BOOST_TEST(parsed.browser.patch_minor == "120");
    BOOST_TEST(parsed.system.family == "Windows");
    BOOST_TEST(parsed.system.major == "7");  // of NT 6.1
    BOOST_TEST(parsed.system.minor == "");
}

// Nearly every User-Agent names several browsers: each matches the rule of the ones that it
// pretends to be, too.
BOOST_AUTO_TEST_CASE(the_first_rule_that_matches_decides)
{
    const std::string chrome = "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0.0.0 Safari/537.36";
    BOOST_TEST(browser_of(chrome) == "Chrome");
    BOOST_TEST(browser_of(chrome + " Edg/131.0.0.0") == "Edge");
    BOOST_TEST(browser_of(chrome + " OPR/115.0.0.0") == "Opera");
    BOOST_TEST(browser_of(chrome + " Edg/131.0.0.0 OPR/115.0.0.0") ==
               browser_of(chrome + " OPR/115.0.0.0 Edg/131.0.0.0"));
    // luot's own rules stand before those of uap-core.
    BOOST_TEST(browser_of(chrome + " Edg/131.0.0.0 Zalo android/121") == "Zalo");
}

BOOST_AUTO_TEST_CASE(case_matters_but_where_a_rule_says_that_it_does_not)
{
    BOOST_TEST(browser_of("X chrome/131.0.0.0") == "Other");
    BOOST_TEST(browser_of("X FIREFOX/131.0") == "Other");
    for (const auto* const name : {"hiptop", "HIPTOP", "HipTop"})
        BOOST_TEST(parser().parse(name).device.family == "Generic Smartphone", name);
}

BOOST_AUTO_TEST_CASE(a_name_taken_from_the_text_is_cut_at_a_character)
{
    BOOST_TEST(browser_of(app_named("Báo Mới")) == "Báo Mới");
    BOOST_TEST(browser_of(app_named(std::string(150, 'a'))) == std::string(100, 'a'));
    // 33 letters of three bytes are 99.
    std::string letters;
    for (int i = 0; i < 33; ++i)
        letters += "ồ";
    BOOST_TEST(browser_of(app_named(letters + "ồồồ")) == letters);
    BOOST_TEST(browser_of(app_named(std::string(95, 'a') + "     b")) == std::string(95, 'a'));
    // The parser gives it whole.
    BOOST_TEST(parser().parse(app_named(std::string(150, 'a'))).browser.family ==
               std::string(150, 'a'));
}

// They become members of sorted sets, and cells of reports.
BOOST_AUTO_TEST_CASE(a_name_that_is_no_harmless_text_is_other)
{
    for (const std::string_view bad :
         {"a\x01"
          "b",
          "a\x7F"
          "b",
          "a\tb", "a\x1B[31mb",
          // controls of Unicode, separators of lines
          "a\xC2\x85"
          "b",
          "a\xE2\x80\xA8"
          "b",
          // not UTF-8: a lone byte, overlong, half a surrogate, above U+10FFFF
          "a\xFF"
          "b",
          "a\xC0\xAF"
          "b",
          "a\xED\xA0\x80"
          "b",
          "a\xF4\x90\x80\x80"
          "b",
          // nothing, and the rows of luot itself
          "   ", "(other)", "(before)"})
        BOOST_TEST(browser_of(app_named(bad)) == "Other", app_named(bad));
    BOOST_TEST(browser_of(app_named("a (b)")) == "a (b)");
}

BOOST_AUTO_TEST_CASE(what_stands_behind_the_first_thousand_bytes_is_not_looked_at)
{
    const std::string filler(980, 'x');
    BOOST_TEST(browser_of(filler + " Firefox/143.0") == "Firefox");
    BOOST_TEST(browser_of(filler + filler + " Firefox/143.0") == "Other");
}

BOOST_AUTO_TEST_CASE(sixteen_kilobytes_of_anything_are_answered)
{
    constexpr std::size_t head_bytes = 16 * 1024;
    std::vector<std::string> hostile{std::string(head_bytes, 'x'), std::string(head_bytes, '\0'),
                                     std::string(head_bytes, '\xFF')};
    for (const std::string_view part :
         {"Mozilla/5.0 ", "Android 14; ", "Mobile Safari/", "; ", "(((((", "CFNetwork/", "0.0.0.0",
          "iPhone Build/ Android Tablet Chrome/1.2.3 Firefox/1 Opera Mini bot spider HbbTV ",
          "\xE1\xBB\x93"}) {
        std::string text;
        while (text.size() < head_bytes)
            text += part;
        hostile.push_back(text);
    }
    for (const auto& user_agent : hostile) {
        const auto& found = all_agents().classify(user_agent);
        for (const auto& name : {found.browser, found.os}) {
            BOOST_TEST(name != "");
            BOOST_TEST(name.size() <= agent::most_bytes);
            BOOST_TEST(utf8::valid(name));
        }
    }
}

// What strangers send goes through a cache of 16,384 User-Agents, which is emptied when it is full.
BOOST_AUTO_TEST_CASE(answers_stay_the_same_however_many_user_agents_there_were)
{
    const agent_list list;
    constexpr int strangers = 18'000;
    for (int i = 0; i < strangers; ++i) {
        const auto name = "App " + std::to_string(i);
        if (list.classify(app_named(name)).browser != name)
            BOOST_ERROR("not known by its name: " << name);
        if (i % 6'000 == 0)
            for (const auto& row : of_today)
                BOOST_TEST(text_of(list.classify(row.user_agent)) ==
                           text_of(all_agents().classify(row.user_agent)));
    }
    for (const auto& row : of_today)
        for (int again = 0; again < 2; ++again)
            BOOST_TEST(text_of(list.classify(row.user_agent)) ==
                       text_of(all_agents().classify(row.user_agent)));
}

const std::string windows_chrome =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36";
const std::string linux_chrome =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
    "Safari/537.36";
const std::string android_chrome =
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
    "Mobile Safari/537.36";
const std::string tablet_chrome =
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
    "Safari/537.36";

// The table of docs/agents.md.
BOOST_AUTO_TEST_CASE(hints_say_what_a_user_agent_leaves_open)
{
    const struct {
        std::string user_agent;
        std::string_view hints, told;
    } rows[] = {
        // Browsers that call themselves Chrome.
        {windows_chrome, "0Windows;Brave/140", "Brave | Windows | desktop"},
        {windows_chrome, "0Windows;Microsoft Edge/140", "Edge | Windows | desktop"},
        {android_chrome, "1Android;Microsoft Edge/140", "Edge Mobile | Android | mobile"},
        {windows_chrome, "0Windows;Opera/122", "Opera | Windows | desktop"},
        {android_chrome, "1Android;Opera/90", "Opera Mobile | Android | mobile"},
        {android_chrome, "1Android;Android WebView/140",
         "Chrome Mobile WebView | Android | mobile"},
        {windows_chrome, "0Windows;CocCoc/137", "Coc Coc | Windows | desktop"},
        {linux_chrome, "0Linux;YaBrowser/25", "Yandex Browser | Linux | desktop"},
        {linux_chrome, "0Linux;Some New Browser/3", "Some New Browser | Linux | desktop"},
        // The engine's own brands say nothing.
        {android_chrome, "1Android;Google Chrome/140", "Chrome Mobile | Android | mobile"},
        {linux_chrome, "0Linux;Chromium/140", "Chrome | Linux | desktop"},
        {linux_chrome, "0Linux", "Chrome | Linux | desktop"},
        // A User-Agent that names its browser is as exact or more: apps and their web views.
        {windows_chrome + " Edg/140.0.0.0", "0Windows;Microsoft Edge WebView2/140",
         "Edge | Windows | desktop"},
        {windows_chrome + " OPR/122.0.0.0 (Edition GX)", "0Windows;Opera GX/122",
         "Opera | Windows | desktop"},
        {android_chrome + " Zalo android/12100682", "1Android;Android WebView/138",
         "Zalo | Android | mobile"},
        // Systems: the platform decides, unless the User-Agent names one that is built on it.
        {windows_chrome, "0macOS;Google Chrome/140", "Chrome | Mac OS X | desktop"},
        {windows_chrome, "0Linux;Google Chrome/140", "Chrome | Linux | desktop"},
        {linux_chrome, "0Chrome OS;Google Chrome/140", "Chrome | Chrome OS | desktop"},
        {linux_chrome, "0Chromium OS;Chromium/140", "Chrome | Chrome OS | desktop"},
        {linux_chrome, "1Android;Google Chrome/140", "Chrome | Android | mobile"},
        {"Mozilla/5.0 (X11; Ubuntu; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/140.0.0.0 Safari/537.36",
         "0Linux;Google Chrome/140", "Chrome | Ubuntu | desktop"},
        {"Mozilla/5.0 (Linux; Android 12; HarmonyOS; ELS-AN00) AppleWebKit/537.36 (KHTML, like "
         "Gecko) Chrome/114.0.5735.196 HuaweiBrowser/15.0.4.312 Mobile Safari/537.36",
         "1Android;HuaweiBrowser/15", "Huawei Browser | HarmonyOS | mobile"},
        {windows_chrome, "0Unknown;Google Chrome/140", "Chrome | Windows | desktop"},
        {windows_chrome, "0Fuchsia;Google Chrome/140", "Chrome | Windows | desktop"},
        // Devices.
        {tablet_chrome, "0Android;Google Chrome/140", "Chrome | Android | tablet"},
        {tablet_chrome, "1Android;Google Chrome/140", "Chrome | Android | mobile"},
        {android_chrome, "0Android;Google Chrome/140", "Chrome Mobile | Android | tablet"},
        {linux_chrome, "0Android;Google Chrome/140", "Chrome | Android | tablet"},
        {tablet_chrome, "0Windows;Google Chrome/140", "Chrome | Windows | desktop"},
        {tablet_chrome, "-Android;Brave/140", "Brave | Android | tablet"},
        {"Mozilla/5.0 (Linux; Android 12; BRAVIA 4K UR3) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/138.0.0.0 Safari/537.36",
         "0Android;Google Chrome/138", "Chrome | Android | tv"},
        {"Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) AppleWebKit/537.36 (KHTML, "
         "like Gecko) Chrome/138.0.0.0 Safari/537.36 Edge/44.18363.8131",
         "0Windows;Microsoft Edge/138", "Edge | Windows | other"},
        {"something of its own", "1Android;Some New Browser/3",
         "Some New Browser | Android | mobile"},
        {"something of its own", "0Windows", "Other | Windows | desktop"},
    };
    for (const auto& row : rows)
        BOOST_TEST_CONTEXT(row.user_agent << " with " << row.hints)
        {
            BOOST_TEST(text_of(all_agents().classify(row.user_agent, row.hints)) == row.told);
            BOOST_TEST(text_of(agent_of(parser(), row.user_agent, row.hints)) == row.told);
        }
}

// Records come from Redis, and whoever writes there may write anything.
BOOST_AUTO_TEST_CASE(hints_that_are_none_change_nothing_and_name_nothing_that_cannot_be_counted)
{
    const auto plain = text_of(all_agents().classify(windows_chrome));
    for (const std::string_view hints :
         {"", "/", "/140", ";", ";Brave/140", "0", "x", "0;", "-;/1"})
        BOOST_TEST(text_of(all_agents().classify(windows_chrome, hints)) == plain, hints);
    for (const std::string_view brand : {"(other)", "\xFF",
                                         "a\x1F"
                                         "b",
                                         " "})
        BOOST_TEST(
            all_agents().classify(windows_chrome, "0Windows;" + std::string(brand)).browser ==
            "Other");
    BOOST_TEST(
        all_agents().classify(windows_chrome, "0Windows;" + std::string(5'000, 'a')).browser ==
        std::string(agent::most_bytes, 'a'));
}

// Found by fuzzing: a name of another's making had a space before it.
BOOST_AUTO_TEST_CASE(no_space_stands_around_a_name)
{
    for (const std::string_view brand : {" Brave", "Brave ", " Brave "})
        BOOST_TEST(
            all_agents().classify(windows_chrome, "0Windows;" + std::string(brand)).browser ==
            "Brave");
}

// They share the cache of the User-Agents.
BOOST_AUTO_TEST_CASE(answers_stay_the_same_however_many_hints_there_were)
{
    const agent_list list;
    for (int i = 0; i < 40'000; ++i) {
        const auto name = "Browser " + std::to_string(i);
        if (list.classify(windows_chrome, "0Windows;" + name + "/1").browser != name)
            BOOST_ERROR("not known by its name: " << name);
        if (i % 5'000 == 0) {
            BOOST_TEST(list.classify(windows_chrome).browser == "Chrome");
            BOOST_TEST(list.classify(windows_chrome, "0Windows;Brave/1").browser == "Brave");
            BOOST_TEST(list.classify(windows_chrome, "0Windows;Brave/2").browser == "Brave");
        }
    }
}

// They become parts of keys.
BOOST_AUTO_TEST_CASE(each_class_has_the_name_that_reports_ask_for)
{
    BOOST_TEST(name_of(device_class::desktop) == "desktop");
    BOOST_TEST(name_of(device_class::mobile) == "mobile");
    BOOST_TEST(name_of(device_class::tablet) == "tablet");
    BOOST_TEST(name_of(device_class::tv) == "tv");
    BOOST_TEST(name_of(device_class::other) == "other");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace agents_test
