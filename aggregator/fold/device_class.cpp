#include "aggregator/fold/device_class.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

namespace luot::aggregator {

namespace {

using enum device_class;

struct row {
    std::string_view name;
    device_class device;
};

/// Words, in lower case, that decide whatever system is named beside them: television sets and
/// consoles name that of a phone or a desktop. The first that is there counts.
constexpr row telling_words[] = {
    {"xbox", other},
    {"playstation", other},
    {"nintendo", other},
    {"smarttv", tv},
    {"smart-tv", tv},
    {"smart tv", tv},
    {"hbbtv", tv},
    {"appletv", tv},
    {"apple tv", tv},
    {"googletv", tv},
    {"google tv", tv},
    {"android tv", tv},
    {"androidtv", tv},
    {"tv safari", tv},  // Samsung's, LG's and Hisense's browsers, where others say "Mobile Safari"
    {"web0s", tv},      // LG's, with a zero
    {"netcast", tv},
    {"bravia", tv},
    {"crkey", tv},  // Chromecast
    {"; aft", tv},  // Amazon's Fire TV: AFTMM, AFTT ...
    {"mitv", tv},
    {"mibox", tv},
    {"roku", tv},
    {"inettvbrowser", tv},
    {"ipad", tablet},
    {"iphone", mobile},
    {"ipod", mobile},
    // HarmonyOS since version 5, which is no Android any more.
    {"(phone; openharmony", mobile},
    {"(tablet; openharmony", tablet},
    {"(pc; openharmony", desktop},
    {"(2in1; openharmony", desktop},
};

/// Families of systems. Android and what is built on it is decided by words, below.
constexpr row systems[] = {
    {"Windows", desktop},
    {"Mac OS X", desktop},
    {"Mac OS", desktop},
    {"Linux", desktop},
    {"Chrome OS", desktop},
    {"Ubuntu", desktop},
    {"Kubuntu", desktop},
    {"Debian", desktop},
    {"Fedora", desktop},
    {"Red Hat", desktop},
    {"CentOS", desktop},
    {"SUSE", desktop},
    {"Gentoo", desktop},
    {"Mandriva", desktop},
    {"Arch Linux", desktop},
    {"Slackware", desktop},
    {"Linux Mint", desktop},
    {"FreeBSD", desktop},
    {"OpenBSD", desktop},
    {"NetBSD", desktop},
    {"DragonFly", desktop},
    {"BSD", desktop},
    {"Solaris", desktop},
    {"SerenityOS", desktop},
    {"iOS", mobile},
    {"Windows Phone", mobile},
    {"Windows Mobile", mobile},
    {"BlackBerry OS", mobile},
    {"KaiOS", mobile},
    {"Firefox OS", mobile},
    {"Tizen", mobile},
    {"Bada", mobile},
    {"Symbian OS", mobile},
    {"Symbian^3", mobile},
    {"Symbian^3 Anna", mobile},
    {"Symbian^3 Belle", mobile},
    {"Nokia Series 40", mobile},
    {"Nokia Series 30 Plus", mobile},
    {"MeeGo", mobile},
    {"Maemo", mobile},
    {"Sailfish", mobile},
    {"BREW", mobile},
    {"Brew MP", mobile},
    {"webOS", mobile},  // Palm's; television sets are told by words
    {"BlackBerry Tablet OS", tablet},
    {"Kindle", tablet},
    {"WeTab", tablet},
    {"tvOS", tv},
    {"ATV OS X", tv},
    {"GoogleTV", tv},
    {"WebTV", tv},
    {"FireHbbTV", tv},
    {"Chromecast", tv},
    {"Chromecast Android", tv},
    {"Chromecast Fuchsia", tv},
    {"Chromecast Linux", tv},
};

/// Families of devices, where nothing else says more.
constexpr row devices[] = {
    {"Generic Smartphone", mobile},
    {"Generic Feature Phone", mobile},
    {"Generic Tablet", tablet},
    {"Inettv", tv},
};

template <std::size_t Count>
std::optional<device_class> find(const row (&table)[Count], std::string_view name)
{
    const auto* const found = std::ranges::find(table, name, &row::name);
    return found == std::end(table) ? std::nullopt : std::optional(found->device);
}

}  // namespace

std::string_view name_of(device_class device) noexcept
{
    constexpr std::string_view names[] = {"desktop", "mobile", "tablet", "tv", "other"};
    return names[static_cast<std::size_t>(device)];
}

device_class class_of(const parsed_agent& parsed, std::string_view user_agent)
{
    if (parsed.device.brand == "Spider")
        return other;
    const auto lowered = lower_case(user_agent.substr(0, agent_parser::most_bytes));
    const auto says = [&lowered](std::string_view word) {
        return lowered.find(word) != lowered.npos;
    };
    for (const auto& [word, device] : telling_words)
        if (says(word))
            return device;

    const auto& system = parsed.system.family;
    if (system == "Android" || system == "HarmonyOS") {
        // A browser for phones says "Mobile" and one for tablets does not. Apps and Opera Mini,
        // which do not say that they are Mozilla, never do.
        return says("tablet") || (!says("mobile") && lowered.starts_with("mozilla/")) ? tablet
                                                                                      : mobile;
    }
    if (const auto found = find(systems, system)) {
        // Phones with a Linux of their own, and the tablets of Firefox OS and Tizen.
        if (*found == desktop && parsed.device.family == "Generic Smartphone")
            return mobile;
        return *found == mobile && says("tablet") ? tablet : *found;
    }
    if (const auto found = find(devices, parsed.device.family))
        return *found;
    return says("mobile") ? mobile : other;
}

}  // namespace luot::aggregator
