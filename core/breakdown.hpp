// What the views of a day and of a month are broken down by: the names of breakdowns in keys of
// Redis and in requests, in this one place. docs/reports.md tells what each one's rows are.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace luot {

enum class breakdown : std::uint8_t {
    path,
    section,
    referrer,
    source,
    medium,
    campaign,
    term,
    content,
    country,
    language,
    browser,
    os,
    device,
    screen,
    entry,
    exit,
    page_visits,
    event,
    event_property,
};

inline constexpr std::size_t breakdown_count = 19;

struct breakdown_name {
    breakdown what;
    std::string_view key;      ///< behind a day's or a month's key
    std::string_view request;  ///< of `top?by=`; empty: not asked for by itself
    /// The field of a day's or month's hash that its rows are of, each one in one row; empty: none.
    std::string_view whole;
};

/// In the order of the enumerators, whose numbers are stored (luot:{pNN}:tallies): a new one goes
/// to the end.
inline constexpr std::array<breakdown_name, breakdown_count> breakdown_names{{
    {breakdown::path, "pages", "path", "views"},
    {breakdown::section, "sections", "section", "views"},
    {breakdown::referrer, "referrers", "referrer", "views"},
    {breakdown::source, "sources", "source", "views"},
    {breakdown::medium, "media", "medium", "views"},
    {breakdown::campaign, "campaigns", "campaign", "views"},
    {breakdown::term, "terms", "term", "views"},
    {breakdown::content, "contents", "content", "views"},
    {breakdown::country, "countries", "country", "views"},
    {breakdown::language, "languages", "language", "views"},
    {breakdown::browser, "browsers", "browser", "views"},
    {breakdown::os, "systems", "os", "views"},
    {breakdown::device, "devices", "device", "views"},
    {breakdown::screen, "screens", "screen", "views"},
    {breakdown::entry, "entries", "entry", "visits"},
    {breakdown::exit, "exits", "exit", "visits"},
    {breakdown::page_visits, "page_visits", "", ""},
    {breakdown::event, "events", "event", "events"},
    {breakdown::event_property, "event_properties", "", ""},
}};

[[nodiscard]] constexpr const breakdown_name& name_of(breakdown what) noexcept
{
    return breakdown_names[static_cast<std::size_t>(what)];
}

/// Whether its rows are pages: of these a site has many, and readers of today's news want the
/// articles that came at noon, too.
[[nodiscard]] constexpr bool is_of_pages(breakdown what) noexcept
{
    return what == breakdown::path || what == breakdown::entry || what == breakdown::exit ||
           what == breakdown::page_visits;
}

/// The field of a day's or month's hash that the rows of a breakdown add up to: what of the whole
/// there are rows of.
[[nodiscard]] inline std::string rows_field(const breakdown_name& by)
{
    return "rows:" + std::string(by.key);
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
        if (n.request == name && !name.empty())
            return n.what;
    return std::nullopt;
}

/// Rows of views that have none: no referrer, no country, no campaign ...
inline constexpr std::string_view no_member = "(none)";
/// The row of what found no place, and of what is not counted apart.
inline constexpr std::string_view other_member = "(other)";

}  // namespace luot
