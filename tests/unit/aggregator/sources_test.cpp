// Where a view came from, from the address of its referrer on: normalised as the collector does it.

#include "aggregator/fold/sources.hpp"

#include "core/config.hpp"
#include "core/hit.hpp"
#include "core/path.hpp"
#include "tests/unit/support/temp_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

namespace sources_test {

using namespace luot;
using namespace luot::aggregator;
using namespace luot::testing;

std::string normalised(std::string_view address)
{
    site_config site;
    site.id = "skhcn";
    site.hosts = {"skhcn.example.vn"};
    std::string referrer;
    normalise_referrer(address, site, referrer);
    return referrer;
}

/// "group | source | medium" of a view with this referrer's address and these campaign fields.
std::string came_from(std::string_view address, std::string_view source = "",
                      std::string_view medium = "", std::string_view campaign = "")
{
    const auto referrer = normalised(address);
    hit h;
    h.referrer = referrer;
    h.source = source;
    h.medium = medium;
    h.campaign = campaign;
    const auto o = origin_of(h);
    return std::string(o.group) + " | " + std::string(o.source) + " | " + std::string(o.medium);
}

/// "group, medium" of a view with this referrer's address alone.
std::string group_of(std::string_view address)
{
    const auto referrer = normalised(address);
    hit h;
    h.referrer = referrer;
    const auto o = origin_of(h);
    return std::string(o.group) + ", " + std::string(o.medium);
}

BOOST_AUTO_TEST_SUITE(sources)

BOOST_AUTO_TEST_CASE(what_readers_really_come_from_has_the_name_that_people_know)
{
    const struct {
        std::string_view address, expected;
    } table[] = {
        {"https://www.google.com/", "Google, search"},
        {"https://www.google.com.vn/search?q=skhcn", "Google, search"},
        {"https://google.co.uk", "Google, search"},
        {"http://www.google.de/url?sa=t", "Google, search"},
        {"https://www.google.cat/", "Google, search"},
        {"android-app://com.google.android.googlequicksearchbox/", "Google, search"},
        {"android-app://com.google.android.googlequicksearchbox/https/www.google.com",
         "Google, search"},
        {"https://news.google.com/articles/CBMi?hl=vi", "Google News, news"},
        {"https://cn.bing.com/search?q=a", "Bing, search"},
        {"https://coccoc.com/search?query=luot", "Cốc Cốc, search"},
        {"https://vn.search.yahoo.com/", "Yahoo, search"},
        {"https://r.search.yahoo.com/_ylt=A", "Yahoo, search"},
        {"https://search.yahoo.co.jp/search?p=a", "Yahoo, search"},
        {"https://yandex.com.tr/", "Yandex, search"},
        {"https://duckduckgo.com/", "DuckDuckGo, search"},
        {"https://m.baidu.com/from=0/", "Baidu, search"},
        {"https://search.brave.com/", "Brave, search"},
        {"https://chatgpt.com/", "ChatGPT, ai"},
        {"https://www.perplexity.ai/search/x", "Perplexity, ai"},
        {"https://gemini.google.com/app", "Gemini, ai"},
        {"https://copilot.microsoft.com/", "Copilot, ai"},
        {"https://edgeservices.bing.com/edgesvc/chat", "Copilot, ai"},
        {"https://l.facebook.com/l.php?u=https%3A%2F%2Fskhcn.example.vn", "Facebook, social"},
        {"http://m.facebook.com/", "Facebook, social"},
        {"https://lm.facebook.com/l.php", "Facebook, social"},
        {"https://fb.me/x", "Facebook, social"},
        {"https://l.messenger.com/", "Facebook, social"},
        {"android-app://com.facebook.katana/", "Facebook, social"},
        {"https://chat.zalo.me/", "Zalo, social"},
        {"https://zalo.me/s/abc", "Zalo, social"},
        {"https://article.zaloapp.com/detail", "Zalo, social"},
        {"android-app://com.zing.zalo/", "Zalo, social"},
        {"https://www.youtube.com/redirect", "YouTube, social"},
        {"https://t.co/AbCd", "X, social"},
        {"https://l.instagram.com/?u=x", "Instagram, social"},
        {"https://lnkd.in/x", "LinkedIn, social"},
        {"https://web.telegram.org/", "Telegram, social"},
        {"https://l.threads.com/", "Threads, social"},
        {"https://old.reddit.com/r/VietNam", "Reddit, social"},
        {"https://www.pinterest.co.uk/pin/1", "Pinterest, social"},
        {"https://baomoi.com/", "Báo Mới, news"},
        {"https://m.baomoi.com/a.epi", "Báo Mới, news"},
        {"https://mail.google.com/mail/u/0/", "Gmail, mail"},
        {"https://outlook.live.com/mail/0/", "Outlook, mail"},
        {"https://mail.yahoo.com/d/folders/1", "Yahoo Mail, mail"},
        {"https://mail.hanoi.gov.vn/owa/", "mail.hanoi.gov.vn, mail"},
        {"https://vnexpress.net/a.html", "vnexpress.net, referral"},
        {"https://docs.google.com/document/d/1", "docs.google.com, referral"},
        {"https://WWW.VnExpress.net:443/", "vnexpress.net, referral"},
        {"android-app://vn.example.reader/", "vn.example.reader, referral"},
        {"https://[2001:db8::1]/a", "2001:db8::1, referral"},
        {"http://203.0.113.7/", "203.0.113.7, referral"},
        {"https://skhcn.example.vn/khac", ", "},  // an own host
        {"", ", "},
    };
    for (const auto& row : table)
        BOOST_TEST(group_of(row.address) == row.expected, row.address);
}

// Who registers such a name wants to be taken for the other.
BOOST_AUTO_TEST_CASE(a_name_that_looks_like_another_is_not_in_its_group)
{
    for (const std::string_view host : {"google.evil.com",
                                        "google.com.evil.com",
                                        "google.vn.evil.com",
                                        "evilgoogle.com",
                                        "google-com.vn",
                                        "google.evil.vn",
                                        "google.com.com",
                                        "google.de.com",
                                        "google.info",
                                        "google",
                                        "com.vn",
                                        "google.v1",
                                        "news.google.evil.com",
                                        "notfacebook.com",
                                        "facebook.com.evil.net",
                                        "facebook.evil.com",
                                        "netflix.com",
                                        "x.com.vn",
                                        "at.co",
                                        "xt.me",
                                        "evil.t.me",
                                        "evil.fb.me",
                                        "sub.t.co",
                                        "myzalo.me",
                                        "chatgpt.com.evil.io",
                                        "search.yahoo.evil.com",
                                        "baomoi.com.vn",
                                        "a.com.zing.zalo",
                                        "zalo",
                                        "mail.ru",
                                        "mailing.example.vn"})
        BOOST_TEST(group_of("https://" + std::string(host) + "/") ==
                   std::string(host) + ", referral");
}

BOOST_AUTO_TEST_CASE(a_campaign_is_the_source_and_the_referrer_stays_the_group)
{
    const std::string_view facebook = "https://m.facebook.com/", portal = "https://vnexpress.net/",
                           gmail = "https://mail.google.com/";
    BOOST_TEST(came_from("") == " | (direct) | ");
    BOOST_TEST(came_from(portal) == "vnexpress.net | vnexpress.net | referral");
    BOOST_TEST(came_from("", "ban-tin-7") == " | ban-tin-7 | campaign");
    BOOST_TEST(came_from("", "ban-tin-7", "email") == " | ban-tin-7 | email");
    BOOST_TEST(came_from(gmail, "ban-tin-7") == "Gmail | ban-tin-7 | mail");
    BOOST_TEST(came_from(portal, "banner") == "vnexpress.net | banner | referral");
    BOOST_TEST(came_from("", "", "", "tet") == " | (not set) | campaign");
    BOOST_TEST(came_from("", "", "cpc") == " | (not set) | cpc");
    BOOST_TEST(came_from(facebook, "", "", "tet") == "Facebook | Facebook | social");
    BOOST_TEST(came_from(facebook, "", "cpc") == "Facebook | Facebook | cpc");
    // What the link says of itself counts more than where it was read.
    BOOST_TEST(came_from(facebook, "zalo") == "Facebook | Zalo | social");
    BOOST_TEST(came_from(facebook, "news.google.com") == "Facebook | Google News | news");
}

// Links with and without utm_source share a row.
BOOST_AUTO_TEST_CASE(a_source_that_names_a_group_is_the_group)
{
    const struct {
        std::string_view source, expected;
    } table[] = {
        {"zalo", " | Zalo | social"},
        {"ZALO", " | Zalo | social"},
        {"Facebook", " | Facebook | social"},
        {"fb", " | Facebook | social"},
        {"ig", " | Instagram | social"},
        {"google", " | Google | search"},
        {"chatgpt.com", " | ChatGPT | ai"},
        {"www.Facebook.com", " | Facebook | social"},
        {"l.facebook.com", " | Facebook | social"},
        {"google.com.vn", " | Google | search"},
        {"perplexity", " | Perplexity | ai"},
        {"zalo-oa", " | zalo-oa | campaign"},
        {"Bản tin", " | Bản tin | campaign"},
        {"vnexpress.net", " | vnexpress.net | campaign"},
        {"google.evil.com", " | google.evil.com | campaign"},
        {".", " | . | campaign"},
        {"..com", " | ..com | campaign"},
    };
    for (const auto& row : table)
        BOOST_TEST(came_from("", row.source) == row.expected, row.source);
    const std::string longer(1000, 'x');
    BOOST_TEST(came_from("", longer) == " | " + longer + " | campaign");
}

BOOST_AUTO_TEST_CASE(a_medium_stays_as_written_but_for_the_case_of_our_own_words)
{
    BOOST_TEST(came_from("", "zalo", "oa") == " | Zalo | oa");
    BOOST_TEST(came_from("", "zalo", "Social") == " | Zalo | social");
    BOOST_TEST(came_from("", "a", "SEARCH") == " | a | search");
    BOOST_TEST(came_from("", "a", "CPC") == " | a | CPC");
    BOOST_TEST(came_from("", "a", "Tin nhắn") == " | a | Tin nhắn");
}

BOOST_AUTO_TEST_CASE(the_term_or_the_content_alone_make_a_campaign_too)
{
    hit h;
    h.term = "luot";
    BOOST_TEST(origin_of(h).source == "(not set)");
    h.term = {};
    h.content = "banner";
    BOOST_TEST(origin_of(h).medium == "campaign");
}

/// What a row of the table in docs/sources.md means by a host: addresses that are meant.
std::set<std::string> meant_by(const std::string& written)
{
    const bool below = written[0] == '.';
    std::string host = below ? written.substr(1) : written;
    std::set<std::string> hosts;
    if (host.ends_with(".*")) {
        host.resize(host.size() - 1);
        for (const auto* const country : {"com", "vn", "com.vn", "co.uk", "de", "cat"})
            hosts.insert(host + country);
    } else {
        hosts.insert(host);
    }
    if (below)
        for (const auto& top : std::set<std::string>(hosts))
            hosts.insert({"m." + top, "a.b." + top});
    return hosts;
}

BOOST_AUTO_TEST_CASE(the_table_in_the_documentation_is_what_is_done)
{
    std::istringstream lines(content_of(LUOT_SOURCE_DIR "/docs/sources.md"));
    const std::regex row(R"(\| ([^|]+) \| (search|ai|social|news|mail) \| (`.*) \|)");
    const std::regex quoted("`([^`]+)`");
    std::size_t hosts = 0;
    for (std::string line; std::getline(lines, line);) {
        std::smatch cells;
        if (!std::regex_match(line, cells, row))
            continue;
        const std::string expected = cells[1].str() + ", " + cells[2].str(), list = cells[3];
        for (std::sregex_iterator it(list.begin(), list.end(), quoted), end; it != end; ++it) {
            ++hosts;
            const auto written = (*it)[1].str();
            for (const auto& host : meant_by(written))
                BOOST_TEST(group_of("https://" + host + "/a") == expected, host);
            if (written[0] != '.') {
                const auto alone = *meant_by(written).begin();
                BOOST_TEST(group_of("https://below." + alone + "/") != expected, alone);
            }
        }
    }
    BOOST_TEST(hosts == 105U);  // as many as sources.cpp has: 90 and 15
}

// Referrers are what strangers send, cut at 500 bytes.
BOOST_AUTO_TEST_CASE(any_referrer_has_exactly_one_group_and_a_source)
{
    std::mt19937 random(11);
    const std::string_view pieces[] = {"google", "com",  "vn",     ".",     ".",  "/", "zalo",
                                       "me",     "mail", "yandex", "yahoo", "co", "a", "-"};
    for (int i = 0; i < 50'000; ++i) {
        std::string referrer;
        for (auto n = random() % 9; n > 0; --n)
            referrer += pieces[random() % std::size(pieces)];
        hit h;
        h.referrer = referrer;
        const auto o = origin_of(h);
        BOOST_REQUIRE(o.group.empty() == host_of_referrer(referrer).empty());
        BOOST_REQUIRE(!o.source.empty());
        BOOST_REQUIRE(o.medium.empty() == o.group.empty());
    }
    std::string labels;
    for (int i = 0; i < 250; ++i)
        labels += "a.";
    for (const auto* const end : {"zalo.me/", "google.com.vn/"}) {
        const auto referrer = labels + end;
        hit h;
        h.referrer = referrer;
        BOOST_TEST(origin_of(h).medium ==
                   (std::string_view(end) == "zalo.me/" ? "social" : "referral"));
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace sources_test
