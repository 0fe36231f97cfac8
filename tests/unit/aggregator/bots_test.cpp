// Which clients are machines: real User-Agents of both sorts.

#include "aggregator/fold/bots.hpp"

#include "tests/unit/support/hits.hpp"
#include "tests/unit/support/user_agents.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace bots_test {

using namespace luot;
using namespace luot::aggregator;
using namespace luot::testing;

const std::array<std::string_view, 12> browsers_of_2024{
    // Chrome, Edge, Firefox, Safari; desktop and phone
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-A536B) AppleWebKit/537.36 (KHTML, like Gecko) "
    "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
    // Internet Explorer, which offices still have
    "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
    // Coc Coc, Vietnam's own
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "coc_coc_browser/117.0.216 Chrome/111.0.5563.216 Safari/537.36",
    // inside the apps that links are opened in: Zalo, Facebook on iPhone and on Android
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Mobile/15E148 Zalo iOS/466 ZaloTheme/light ZaloLanguage/vn",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/468.0.0.31.104;FBBV/610393402;FBDV/iPhone14,5;"
    "FBMD/iPhone;FBSN/iOS;FBSV/17.5.1;FBSS/3;FBID/phone;FBLC/vi_VN;FBOP/5;FBRV/612358713]",
    "Mozilla/5.0 (Linux; Android 12; CPH2239 Build/RKQ1.211119.001; wv) AppleWebKit/537.36 (KHTML, "
    "like Gecko) Version/4.0 Chrome/125.0.6422.165 Mobile Safari/537.36 "
    "[FB_IAB/FB4A;FBAV/467.0.0.35.109;]"};

std::string kind_of(std::string_view user_agent, std::uint32_t hint = 0)
{
    return std::string(name_of(all_classes().bots.classify(user_agent, hint)));
}

BOOST_AUTO_TEST_SUITE(bots)

BOOST_AUTO_TEST_CASE(every_crawler_that_was_seen_is_a_bot,
                     *boost::unit_test::precondition(has_crawlers))
{
    const auto all = real_crawlers();
    BOOST_TEST(all.size() > 1000U);
    BOOST_TEST(all_classes().bots.size() > 500U);
    for (const auto& user_agent : all)
        if (!user_agent.empty() && all_classes().bots.classify(user_agent, 0) == bot_kind::none)
            BOOST_ERROR("taken for a person: " << user_agent);
}

// Named by isbot alone: what calls itself a bot, a crawler, a scanner, with a name that is new.
BOOST_AUTO_TEST_CASE(a_machine_that_only_isbot_names_is_another_bot)
{
    for (const std::string_view user_agent :
         {"Mozilla/5.0 (compatible; Tra-cuu-van-ban-Bot/0.1)", "kiem-tra-scanner 2",
          "Mozilla/5.0 (compatible; thu-vien; +http://thu-vien.example.vn/)"})
        BOOST_TEST(kind_of(user_agent) == "other", user_agent);
    BOOST_TEST(kind_of("Mozilla/5.0 (compatible; Tra-cuu-van-ban-Bot/0.1)", 1) == "other");
}

// A reader who is not counted is a number that somebody misses.
BOOST_AUTO_TEST_CASE(no_browser_that_people_use_is_a_bot)
{
    for (const auto user_agent : browsers_of_2024)
        BOOST_TEST(kind_of(user_agent) == "", user_agent);
    for (const auto& user_agent : real_browsers())
        BOOST_TEST(kind_of(user_agent) == "", user_agent);
}

// crawler-user-agents 1.60 lists the build number of millions of phones as a crawler.
BOOST_AUTO_TEST_CASE(who_reads_in_an_app_on_an_oppo_phone_is_a_person)
{
    for (const std::string_view app :
         {"[FB_IAB/FB4A;FBAV/573.0.0.44.88;]", "Zalo android/12100486", "HeyTapBrowser/45.14.8.1"})
        BOOST_TEST(kind_of("Mozilla/5.0 (Linux; Android 15; CPH2591 Build/AP3A.240617.008; wv) "
                           "AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
                           "Chrome/150.0.7871.181 Mobile Safari/537.36 " +
                           std::string(app)) == "",
                   app);
}

BOOST_AUTO_TEST_CASE(a_bot_is_of_the_kind_of_its_purpose)
{
    const struct {
        std::string kind, user_agent;
    } table[] = {
        {"search", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
        {"search", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"},
        {"ai",
         "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; "
         "+https://openai.com/gptbot)"},
        {"preview", "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"},
        {"library", "curl/8.5.0"},
        {"library", "python-requests/2.31.0"},
        {"headless",
         "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
         "HeadlessChrome/126.0.0.0 Safari/537.36"},
    };
    for (const auto& row : table)
        BOOST_TEST(kind_of(row.user_agent) == row.kind, row.user_agent);
}

BOOST_AUTO_TEST_CASE(no_user_agent_at_all_is_a_library)
{
    BOOST_TEST(kind_of("") == "library");
    BOOST_TEST(kind_of("", 1) == "library");
}

// Set by luot.js when navigator.webdriver is.
BOOST_AUTO_TEST_CASE(a_browser_that_says_it_is_driven_is_headless_and_a_crawler_stays_what_it_is)
{
    BOOST_TEST(kind_of(browser) == "");
    for (const std::uint32_t hint : {1U, 2U, 0xFFFFFFFFU})
        BOOST_TEST(kind_of(browser, hint) == "headless");
    BOOST_TEST(kind_of(crawler_agent, 1) == "search");
    // The hint is of one hit and not of all that have this User-Agent.
    BOOST_TEST(kind_of(browser) == "");
}

// What strangers send goes through a cache of 65,536 User-Agents, which is emptied when it is full.
BOOST_AUTO_TEST_CASE(answers_stay_the_same_however_many_user_agents_there_were)
{
    std::vector<std::string> asked(browsers_of_2024.begin(), browsers_of_2024.end());
    asked.emplace_back(crawler_agent);
    asked.emplace_back("curl/8.5.0");
    asked.emplace_back("Mozilla/5.0 \xFF\xFE broken bytes");
    asked.emplace_back(std::string("a\0b", 3));
    asked.emplace_back(16'000, 'x');
    const bot_list list;
    std::vector<bot_kind> first;
    first.reserve(asked.size());
    for (const auto& user_agent : asked)
        first.push_back(list.classify(user_agent, 0));
    const auto ask_again = [&](const std::string& when) {
        for (std::size_t i = 0; i < asked.size(); ++i)
            if (list.classify(asked[i], 0) != first[i])
                BOOST_ERROR(when << " it is another kind: " << asked[i]);
    };
    ask_again("repeated");
    std::size_t people = 0;
    constexpr int strangers = 70'000;
    for (int i = 0; i < strangers; ++i) {
        if (list.classify(std::string(browser) + " v" + std::to_string(i), 0) == bot_kind::none)
            ++people;
        if (i % 10'000 == 0)
            ask_again("after " + std::to_string(i) + " strangers");
    }
    BOOST_TEST(people == std::size_t{strangers});
    ask_again("after all");
    const bot_list fresh;
    for (std::size_t i = 0; i < asked.size(); ++i)
        BOOST_TEST((fresh.classify(asked[i], 0) == first[i]));
}

// They become parts of keys and labels of metrics.
BOOST_AUTO_TEST_CASE(each_kind_has_a_name_of_its_own)
{
    std::set<std::string_view> names;
    for (const auto kind : {bot_kind::search, bot_kind::ai, bot_kind::preview, bot_kind::monitor,
                            bot_kind::library, bot_kind::headless, bot_kind::other}) {
        const auto name = name_of(kind);
        BOOST_TEST(name != "");
        BOOST_TEST(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz") == name.npos);
        BOOST_TEST(names.insert(name).second, name << " is there twice");
    }
    BOOST_TEST(name_of(bot_kind::none) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace bots_test
