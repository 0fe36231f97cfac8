// What the views of a day and of a month are broken down by: the names of breakdowns in keys of
// Redis and in requests, in this one place. docs/reports.md tells what each one's rows are.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace luot {

enum class breakdown : std::uint8_t {
    path,
    section,
    referrer,
    source,
    medium,
    campaign,
    country,
    language,
    browser,
    os,
    device,
    screen,
    event,
};

inline constexpr std::size_t breakdown_count = 13;

struct breakdown_name {
    breakdown what;
    std::string_view key;      ///< behind a day's or a month's key
    std::string_view request;  ///< of `top?by=`
};

/// In the order of the enumerators.
inline constexpr std::array<breakdown_name, breakdown_count> breakdown_names{{
    {breakdown::path, "pages", "path"},
    {breakdown::section, "sections", "section"},
    {breakdown::referrer, "referrers", "referrer"},
    {breakdown::source, "sources", "source"},
    {breakdown::medium, "media", "medium"},
    {breakdown::campaign, "campaigns", "campaign"},
    {breakdown::country, "countries", "country"},
    {breakdown::language, "languages", "language"},
    {breakdown::browser, "browsers", "browser"},
    {breakdown::os, "systems", "os"},
    {breakdown::device, "devices", "device"},
    {breakdown::screen, "screens", "screen"},
    {breakdown::event, "events", "event"},
}};

[[nodiscard]] constexpr std::string_view key_of(breakdown what) noexcept
{
    return breakdown_names[static_cast<std::size_t>(what)].key;
}

/// Whether its rows are of views, each view in one row: they add up to the views of the period. The
/// others' are of events.
[[nodiscard]] constexpr bool is_of_views(breakdown what) noexcept
{
    return what != breakdown::event;
}

/// The breakdown of a name behind a key; nullopt: there is none.
[[nodiscard]] constexpr std::optional<breakdown> breakdown_of_key(std::string_view name) noexcept
{
    for (const auto& n : breakdown_names)
        if (n.key == name)
            return n.what;
    return std::nullopt;
}

/// The breakdown that a request names; nullopt: there is none.
[[nodiscard]] constexpr std::optional<breakdown> breakdown_of_request(
    std::string_view name) noexcept
{
    for (const auto& n : breakdown_names)
        if (n.request == name)
            return n.what;
    return std::nullopt;
}

/// Rows of views that have none: no referrer, no country, no campaign ...
inline constexpr std::string_view no_member = "(none)";
/// The row of what found no place, and of what is not counted apart.
inline constexpr std::string_view other_member = "(other)";

}  // namespace luot
