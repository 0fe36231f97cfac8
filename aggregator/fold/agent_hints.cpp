#include "aggregator/fold/agent_hints.hpp"

#include <algorithm>
#include <iterator>

namespace luot::aggregator {

namespace {

/// Families that a User-Agent has when it names nothing but the engine's own browser, as Brave and
/// others do on purpose.
constexpr std::string_view plain_browsers[] = {"Chrome", "Chrome Mobile", "Chromium"};

/// Brands that say no more than a User-Agent of plain_browsers.
constexpr std::string_view plain_brands[] = {"Google Chrome", "Chromium"};

/// Brands whose browser has another name in the rules for User-Agents; on phones, too.
struct brand_row {
    std::string_view brand, family, family_on_phones;
};
constexpr brand_row brands[] = {
    {"Microsoft Edge", "Edge", "Edge Mobile"},
    {"Microsoft Edge WebView2", "Edge", "Edge"},
    {"Opera", "Opera", "Opera Mobile"},
    {"OperaMobile", "Opera Mobile", "Opera Mobile"},
    {"Android WebView", "Chrome Mobile WebView", "Chrome Mobile WebView"},
    {"CocCoc", "Coc Coc", "Coc Coc"},
    {"YaBrowser", "Yandex Browser", "Yandex Browser"},
    {"Yowser", "Yandex Browser", "Yandex Browser"},
    {"HuaweiBrowser", "Huawei Browser", "Huawei Browser"},
    {"DuckDuckGo", "DuckDuckGo", "DuckDuckGo Mobile"},
};

/// Platforms of the specification.
struct platform_row {
    std::string_view platform, family;
};
constexpr platform_row platforms[] = {
    {"Windows", "Windows"}, {"macOS", "Mac OS X"},      {"iOS", "iOS"},
    {"Android", "Android"}, {"Chrome OS", "Chrome OS"}, {"Chromium OS", "Chrome OS"},
};

/// What is built on Android and calls itself that in its hints.
constexpr std::string_view more_than_android[] = {"HarmonyOS", "Chromecast Android", "GoogleTV"};

/// What Linux is not, whatever its distribution or the thing that it runs on is called.
constexpr std::string_view no_linux[] = {"Windows", "Mac OS X", "iOS", "Chrome OS", "Other"};

/// Systems of things that stand on a desk.
constexpr std::string_view desktops[] = {"Windows", "Mac OS X", "Chrome OS", "Linux"};

template <class List>
bool has(const List& list, std::string_view name)
{
    return std::ranges::find(list, name) != std::end(list);
}

void tell_browser(agent& a, std::string_view brand, bool is_phone)
{
    if (brand.empty() || has(plain_brands, brand) ||
        !(has(plain_browsers, a.browser) || a.browser == "Other"))
        return;
    const auto* const row = std::ranges::find(brands, brand, &brand_row::brand);
    a.browser = row == std::end(brands) ? brand : is_phone ? row->family_on_phones : row->family;
}

void tell_system(agent& a, std::string_view platform)
{
    if (platform == "Linux" && has(no_linux, a.os)) {
        a.os = "Linux";
        return;
    }
    if (platform == "Android" && has(more_than_android, a.os))
        return;
    const auto* const row = std::ranges::find(platforms, platform, &platform_row::platform);
    if (row != std::end(platforms))
        a.os = row->family;
}

void tell_device(agent& a, char mobile, bool is_system_new)
{
    // A television set or a console runs the browser of a phone or a desktop, and is neither.
    if (a.device == device_class::tv || (a.device == device_class::other && !is_system_new))
        return;
    if (mobile == '1')
        a.device = device_class::mobile;
    else if (mobile == '0' && a.os == "Android")
        a.device = device_class::tablet;
    else if (mobile == '0' && has(desktops, a.os))
        a.device = device_class::desktop;
}

}  // namespace

std::string_view without_version(std::string_view client_hints) noexcept
{
    return client_hints.substr(0, client_hints.find('/'));
}

agent with_hints(agent by_user_agent, std::string_view client_hints)
{
    const auto said = without_version(client_hints);
    const auto brand_at = std::min(said.find(';'), said.size());
    if (brand_at == 0)
        return by_user_agent;
    const auto mobile = said.front();
    const auto brand = brand_at == said.size() ? std::string_view{} : said.substr(brand_at + 1);
    tell_browser(by_user_agent, brand, mobile == '1');
    const bool named_no_system = by_user_agent.os == "Other";
    tell_system(by_user_agent, said.substr(1, brand_at - 1));
    tell_device(by_user_agent, mobile, named_no_system && by_user_agent.os != "Other");
    return by_user_agent;
}

}  // namespace luot::aggregator
