#include "aggregator/fold/sources.hpp"

#include "core/hit.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace luot::aggregator {

namespace {

struct group {
    std::string_view name, medium;
};

constexpr group google{"Google", "search"};
constexpr group google_scholar{"Google Scholar", "search"};
constexpr group bing{"Bing", "search"};
constexpr group coc_coc{"Cốc Cốc", "search"};
constexpr group yahoo{"Yahoo", "search"};
constexpr group duckduckgo{"DuckDuckGo", "search"};
constexpr group baidu{"Baidu", "search"};
constexpr group yandex{"Yandex", "search"};
constexpr group ecosia{"Ecosia", "search"};
constexpr group brave{"Brave", "search"};
constexpr group startpage{"Startpage", "search"};
constexpr group qwant{"Qwant", "search"};
constexpr group naver{"Naver", "search"};

constexpr group chatgpt{"ChatGPT", "ai"};
constexpr group perplexity{"Perplexity", "ai"};
constexpr group gemini{"Gemini", "ai"};
constexpr group copilot{"Copilot", "ai"};
constexpr group claude{"Claude", "ai"};
constexpr group deepseek{"DeepSeek", "ai"};
constexpr group grok{"Grok", "ai"};
constexpr group meta_ai{"Meta AI", "ai"};

constexpr group facebook{"Facebook", "social"};
constexpr group zalo{"Zalo", "social"};
constexpr group youtube{"YouTube", "social"};
constexpr group tiktok{"TikTok", "social"};
constexpr group x{"X", "social"};
constexpr group instagram{"Instagram", "social"};
constexpr group threads{"Threads", "social"};
constexpr group linkedin{"LinkedIn", "social"};
constexpr group telegram{"Telegram", "social"};
constexpr group reddit{"Reddit", "social"};
constexpr group pinterest{"Pinterest", "social"};
constexpr group viber{"Viber", "social"};
constexpr group whatsapp{"WhatsApp", "social"};
constexpr group bluesky{"Bluesky", "social"};
constexpr group discord{"Discord", "social"};
constexpr group teams{"Microsoft Teams", "social"};

constexpr group google_news{"Google News", "news"};
constexpr group bao_moi{"Báo Mới", "news"};
constexpr group msn{"MSN", "news"};
constexpr group yahoo_news{"Yahoo News", "news"};
constexpr group flipboard{"Flipboard", "news"};
constexpr group feedly{"Feedly", "news"};

constexpr group gmail{"Gmail", "mail"};
constexpr group outlook{"Outlook", "mail"};
constexpr group yahoo_mail{"Yahoo Mail", "mail"};
constexpr group yandex_mail{"Yandex Mail", "mail"};
constexpr group proton_mail{"Proton Mail", "mail"};
constexpr group zoho_mail{"Zoho Mail", "mail"};

struct rule {
    std::string_view host;  ///< written with a dot before it when it means those below it too
    const group* owner;
    bool below = false;
};

/// In the order in which they are looked up.
template <std::size_t Size>
constexpr std::array<rule, Size> sorted(const rule (&listed)[Size])
{
    std::array<rule, Size> rules{};
    for (std::size_t i = 0; i < Size; ++i) {
        rules[i] = listed[i];
        if (rules[i].host.starts_with('.')) {
            rules[i].host.remove_prefix(1);
            rules[i].below = true;
        }
    }
    std::sort(rules.begin(), rules.end(),
              [](const rule& a, const rule& b) { return a.host < b.host; });
    return rules;
}

template <std::size_t Size>
constexpr bool each_is_there_once(const std::array<rule, Size>& rules)
{
    return std::adjacent_find(rules.begin(), rules.end(), [](const rule& a, const rule& b) {
               return a.host == b.host;
           }) == rules.end();
}

/// Hosts and, for what is opened from an app, the packages of Android.
constexpr auto rules = sorted({
    {"com.google.android.googlequicksearchbox", &google},  // search and Discover: one app
    {".bing.com", &bing},
    {"com.microsoft.bing", &bing},
    {".coccoc.com", &coc_coc},
    {".duckduckgo.com", &duckduckgo},
    {".baidu.com", &baidu},
    {".ya.ru", &yandex},
    {".ecosia.org", &ecosia},
    {"search.brave.com", &brave},
    {".startpage.com", &startpage},
    {".qwant.com", &qwant},
    {".search.naver.com", &naver},

    {".chatgpt.com", &chatgpt},
    {"chat.openai.com", &chatgpt},
    {"com.openai.chatgpt", &chatgpt},
    {".perplexity.ai", &perplexity},
    {"ai.perplexity.app.android", &perplexity},
    {"com.google.android.apps.bard", &gemini},
    {"copilot.microsoft.com", &copilot},
    {"copilot.cloud.microsoft", &copilot},
    {"edgeservices.bing.com", &copilot},  // in the side bar of Edge
    {".claude.ai", &claude},
    {"chat.deepseek.com", &deepseek},
    {".grok.com", &grok},
    {".meta.ai", &meta_ai},

    {".facebook.com", &facebook},
    {"fb.me", &facebook},
    {"fb.com", &facebook},
    {"fb.watch", &facebook},
    {".messenger.com", &facebook},
    {"m.me", &facebook},
    {"com.facebook.katana", &facebook},
    {"com.facebook.lite", &facebook},
    {"com.facebook.orca", &facebook},
    {".zalo.me", &zalo},
    {".zaloapp.com", &zalo},
    {"com.zing.zalo", &zalo},
    {".youtube.com", &youtube},
    {"youtu.be", &youtube},
    {"com.google.android.youtube", &youtube},
    {".tiktok.com", &tiktok},
    {"com.ss.android.ugc.trill", &tiktok},  // in Vietnam and its neighbours
    {"com.zhiliaoapp.musically", &tiktok},
    {".x.com", &x},
    {".twitter.com", &x},
    {"t.co", &x},
    {"com.twitter.android", &x},
    {".instagram.com", &instagram},
    {"com.instagram.android", &instagram},
    {".threads.net", &threads},
    {".threads.com", &threads},
    {"com.instagram.barcelona", &threads},
    {".linkedin.com", &linkedin},
    {"lnkd.in", &linkedin},
    {"com.linkedin.android", &linkedin},
    {"t.me", &telegram},
    {".telegram.org", &telegram},
    {"telegram.me", &telegram},
    {"org.telegram.messenger", &telegram},
    {".reddit.com", &reddit},
    {"redd.it", &reddit},
    {"com.reddit.frontpage", &reddit},
    {"pin.it", &pinterest},
    {"com.pinterest", &pinterest},
    {".viber.com", &viber},
    {"com.viber.voip", &viber},
    {".whatsapp.com", &whatsapp},
    {"wa.me", &whatsapp},
    {"l.wl.co", &whatsapp},  // its way out, as l.facebook.com is
    {"com.whatsapp", &whatsapp},
    {".bsky.app", &bluesky},
    {".discord.com", &discord},
    {"com.discord", &discord},
    {"teams.microsoft.com", &teams},
    {"teams.cloud.microsoft", &teams},
    {"com.microsoft.teams", &teams},

    {"com.google.android.apps.magazines", &google_news},
    {".baomoi.com", &bao_moi},
    {"com.epi", &bao_moi},
    {".msn.com", &msn},
    {".flipboard.com", &flipboard},
    {".feedly.com", &feedly},

    {"com.google.android.gm", &gmail},
    {"outlook.live.com", &outlook},
    {"outlook.office.com", &outlook},
    {"outlook.office365.com", &outlook},
    {"outlook.cloud.microsoft", &outlook},
    {"com.microsoft.office.outlook", &outlook},
    {"mail.proton.me", &proton_mail},
    {"mail.zoho.com", &zoho_mail},
});
static_assert(each_is_there_once(rules));

/// Hosts that are there under the domain of each country: without_country() of them.
constexpr auto rules_of_all_countries = sorted({
    {"google", &google},  // its other services are not search: docs.google.com is itself
    {"images.google", &google},
    {"cse.google", &google},
    {"scholar.google", &google_scholar},
    {"gemini.google", &gemini},
    {"bard.google", &gemini},
    {"news.google", &google_news},
    {"mail.google", &gmail},
    {"yahoo", &yahoo},
    {".search.yahoo", &yahoo},
    {".news.yahoo", &yahoo_news},
    {".mail.yahoo", &yahoo_mail},
    {".yandex", &yandex},
    {".mail.yandex", &yandex_mail},
    {".pinterest", &pinterest},
});
static_assert(each_is_there_once(rules_of_all_countries));

/// What people write as utm_source, lower case; a host is looked up as one.
constexpr auto names_of_sources = sorted({
    {"baomoi", &bao_moi},
    {"bing", &bing},
    {"chatgpt", &chatgpt},
    {"coccoc", &coc_coc},
    {"facebook", &facebook},
    {"fb", &facebook},  // with "ig" and "msg" what Facebook's advertisements fill in
    {"gemini", &gemini},
    {"gmail", &gmail},
    {"google", &google},
    {"ig", &instagram},
    {"instagram", &instagram},
    {"linkedin", &linkedin},
    {"messenger", &facebook},
    {"msg", &facebook},
    {"outlook", &outlook},
    {"perplexity", &perplexity},
    {"pinterest", &pinterest},
    {"reddit", &reddit},
    {"telegram", &telegram},
    {"threads", &threads},
    {"tiktok", &tiktok},
    {"twitter", &x},
    {"viber", &viber},
    {"whatsapp", &whatsapp},
    {"x", &x},
    {"youtube", &youtube},
    {"zalo", &zalo},
});
static_assert(each_is_there_once(names_of_sources));

constexpr std::string_view own_media[] = {"search", "ai", "social", "news", "mail", "referral"};

template <std::size_t Size>
const rule* find(const std::array<rule, Size>& all, std::string_view host)
{
    const auto found = std::lower_bound(
        all.begin(), all.end(), host, [](const rule& r, std::string_view h) { return r.host < h; });
    return found != all.end() && found->host == host ? &*found : nullptr;
}

/// The owner of a host, or of the nearest of the domains that it is below.
template <std::size_t Size>
const group* owner_of(const std::array<rule, Size>& all, std::string_view host)
{
    for (std::string_view suffix = host;;) {
        if (const rule* found = find(all, suffix); found != nullptr)
            if (found->below || suffix.size() == host.size())
                return found->owner;
        const auto dot = suffix.find('.');
        if (dot == suffix.npos)
            return nullptr;
        suffix.remove_prefix(dot + 1);
    }
}

std::string_view last_label(std::string_view host)
{
    const auto dot = host.rfind('.');
    return dot == host.npos ? std::string_view{} : host.substr(dot + 1);
}

/// "news.google" of news.google.com, .vn, .com.vn, .co.uk; empty when it ends in no such way.
std::string_view without_country(std::string_view host)
{
    const auto last = last_label(host);
    const bool country = last.size() == 2 && last[0] >= 'a' && last[1] >= 'a';
    if (!country && last != "com" && last != "cat")
        return {};
    host.remove_suffix(last.size() + 1);
    if (const auto second = last_label(host); country && (second == "com" || second == "co"))
        host.remove_suffix(second.size() + 1);
    return host;
}

const group* group_of_host(std::string_view host)
{
    if (const auto* found = owner_of(rules, host))
        return found;
    return owner_of(rules_of_all_countries, without_country(host));
}

/// An office's or a provider's own: mail.example.gov.vn.
bool is_mail_host(std::string_view host)
{
    const auto dot = host.find('.');
    if (dot == host.npos || host.find('.', dot + 1) == host.npos)
        return false;
    const auto first = host.substr(0, dot);
    return first == "mail" || first == "webmail" || first == "email";
}

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool equal_ignoring_case(std::string_view text, std::string_view lower_case)
{
    return text.size() == lower_case.size() &&
           std::equal(text.begin(), text.end(), lower_case.begin(),
                      [](char a, char b) { return lower(a) == b; });
}

const group* group_of_source(std::string_view source)
{
    std::array<char, 100> buffer;  // the limit of a campaign's field
    if (source.empty() || source.size() > buffer.size())
        return nullptr;
    std::transform(source.begin(), source.end(), buffer.begin(), lower);
    std::string_view name(buffer.data(), source.size());
    if (const rule* found = find(names_of_sources, name))
        return found->owner;
    if (name.starts_with("www."))
        name.remove_prefix(4);
    return group_of_host(name);
}

/// "Social" is "social": one row.
std::string_view medium_as_given(std::string_view medium)
{
    for (const auto own : own_media) {
        if (equal_ignoring_case(medium, own))
            return own;
    }
    return medium;
}

}  // namespace

std::string_view host_of_referrer(std::string_view referrer) noexcept
{
    return referrer.substr(0, referrer.find('/'));
}

origin origin_of(const hit& h) noexcept
{
    origin o;
    std::string_view medium;
    if (const auto host = host_of_referrer(h.referrer); !host.empty()) {
        const auto* known = group_of_host(host);
        o.group = known != nullptr ? known->name : host;
        medium = known != nullptr ? known->medium : is_mail_host(host) ? "mail" : "referral";
    }

    const bool campaign = !h.source.empty() || !h.medium.empty() || !h.campaign.empty() ||
                          !h.term.empty() || !h.content.empty();
    if (const auto* known = group_of_source(h.source)) {
        o.source = known->name;
        medium = known->medium;
    } else if (!h.source.empty()) {
        o.source = h.source;
    } else if (!o.group.empty()) {
        o.source = o.group;
    } else {
        o.source = campaign ? "(not set)" : "(direct)";
    }

    if (!h.medium.empty())
        o.medium = medium_as_given(h.medium);
    else
        o.medium = medium.empty() && campaign ? "campaign" : medium;
    return o;
}

}  // namespace luot::aggregator
