#include "core/keys.hpp"

#include "core/bytes.hpp"
#include "core/hit.hpp"
#include "core/local_time.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace luot::keys {

namespace {

std::string in_partition(unsigned partition, std::string_view rest)
{
    return fmt::format("luot:{{p{:02}}}:{}", partition, rest);
}

std::string of_site(std::string_view site, std::string_view rest)
{
    return fmt::format("luot:{{p{:02}}}:{}:{}", partition_of(site), site, rest);
}

}  // namespace

// A site's id cannot be one of these words followed by nothing, so partition keys and site keys
// never meet: site keys have one part more.
std::string hits(unsigned partition)
{
    return in_partition(partition, "hits");
}
std::string rejected(unsigned partition)
{
    return in_partition(partition, "rejected");
}
std::string producers(unsigned partition)
{
    return in_partition(partition, "producers");
}
std::string retired(unsigned partition)
{
    return in_partition(partition, "retired");
}
std::string lease(unsigned partition)
{
    return in_partition(partition, "lease");
}
std::string tallies(unsigned partition)
{
    return in_partition(partition, "tallies");
}

std::string rows_wanted(unsigned partition)
{
    return in_partition(partition, "rows_wanted");
}
std::string id_sets(unsigned partition)
{
    return in_partition(partition, "ids");
}

std::string id_set(unsigned partition, std::int64_t ten_minutes)
{
    return fmt::format("luot:{{p{:02}}}:ids:{}", partition, ten_minutes);
}

std::string totals(std::string_view site)
{
    return of_site(site, "totals");
}
std::string pages(std::string_view site)
{
    return of_site(site, "pages");
}
std::string baseline(std::string_view site)
{
    return of_site(site, "baseline");
}
std::string facts(std::string_view site)
{
    return of_site(site, "facts");
}
std::string seen(std::string_view site)
{
    return of_site(site, "seen");
}
std::string visits(std::string_view site)
{
    return of_site(site, "visits");
}

std::string corrections(std::string_view site)
{
    return of_site(site, "corrections");
}
std::string aliases(std::string_view site)
{
    return of_site(site, "aliases");
}
std::string hidden(std::string_view site)
{
    return of_site(site, "hidden");
}

std::string taken(std::string_view site, std::uint64_t number)
{
    return of_site(site, fmt::format("corrections:{}", number));
}

std::string kept(std::string_view site, std::uint64_t number, std::string_view key)
{
    const auto own = of_site(site, "").size();
    return of_site(site,
                   fmt::format("corrections:{}:{}", number, key.substr(std::min(own, key.size()))));
}

std::string day(std::string_view site, std::int32_t date)
{
    return of_site(site, "day:" + date_text(date));
}

std::string day_visitors(std::string_view site, std::int32_t date)
{
    return of_site(site, "day:" + date_text(date) + ":visitors");
}

std::string path_visitors(std::string_view site, std::int32_t date)
{
    return day(site, date) + ":path_visitors";
}

std::string visitors_of_path(std::string_view site, std::int32_t date, std::uint64_t path_hash)
{
    return day(site, date) + ":visitors:" + to_hex(path_hash);
}

std::string day_first_seen(std::string_view site, std::int32_t date)
{
    return of_site(site, "day:" + date_text(date) + ":first_seen");
}

std::string day_breakdown(std::string_view site, std::int32_t date, breakdown by)
{
    return of_site(site, fmt::format("day:{}:{}", date_text(date), name_of(by).key));
}

std::string new_paths(std::string_view site, std::int64_t hour)
{
    return of_site(site, fmt::format("new_paths:{}", hour));
}

std::string month(std::string_view site, std::int32_t date)
{
    return of_site(site, "month:" + date_text(date).substr(0, 7));
}

std::string month_breakdown(std::string_view site, std::int32_t date, breakdown by)
{
    return of_site(site, fmt::format("month:{}:{}", date_text(date).substr(0, 7), name_of(by).key));
}

namespace {

/// A key of a partition by the words behind its tag.
parsed parse_partition_key(unsigned partition, std::string_view rest)
{
    parsed out;
    out.partition = partition;
    std::uint64_t number = 0;
    if (rest == "hits")
        out.what = kind::hits;
    else if (rest == "rejected")
        out.what = kind::rejected;
    else if (rest == "producers")
        out.what = kind::producers;
    else if (rest == "retired")
        out.what = kind::retired;
    else if (rest == "lease")
        out.what = kind::lease;
    else if (rest == "tallies")
        out.what = kind::tallies;
    else if (rest == "rows_wanted")
        out.what = kind::rows_wanted;
    else if (rest == "ids")
        out.what = kind::id_sets;
    else if (rest.starts_with("ids:") && parse_number(rest.substr(4), number) &&
             id_set(partition, static_cast<std::int64_t>(number)).ends_with(rest)) {
        out.what = kind::id_set;
        out.ten_minutes = static_cast<std::int64_t>(number);
    }
    return out;
}

/// ":pages" and the like.
bool parse_breakdown(std::string_view rest, breakdown& out)
{
    const auto by = rest.starts_with(':') ? breakdown_of_key(rest.substr(1)) : std::nullopt;
    out = by.value_or(out);
    return by.has_value();
}

parsed parse_site_key(unsigned partition, std::string_view site, std::string_view rest);

/// "3" or "3:day:2021-07-26": behind the log's name.
parsed parse_taken(unsigned partition, std::string_view site, std::string_view rest)
{
    parsed out;
    const auto colon = std::min(rest.find(':'), rest.size());
    std::uint64_t number = 0;
    if (!parse_number(rest.substr(0, colon), number) || number == 0 || rest.front() == '0')
        return {};
    if (colon == rest.size()) {
        out.partition = partition;
        out.site = site;
        out.what = kind::taken;
    } else {
        out = parse_site_key(partition, site, rest.substr(colon + 1));
        out.was = out.what;
        out.what = kind::kept;
        if (out.was == kind::unknown || out.was == kind::kept || out.was == kind::taken)
            return {};
    }
    out.correction = number;
    return out;
}

/// ":visitors:" and 16 hex digits.
bool is_of_path(std::string_view rest)
{
    std::uint64_t hash = 0;
    return rest.starts_with(":visitors:") && from_hex(rest.substr(10), hash);
}

parsed parse_site_key(unsigned partition, std::string_view site, std::string_view rest)
{
    parsed out;
    out.partition = partition;
    out.site = site;
    if (site.empty() || partition_of(site) != partition)
        return {};
    if (rest == "totals")
        out.what = kind::totals;
    else if (rest == "pages")
        out.what = kind::pages;
    else if (rest == "baseline")
        out.what = kind::baseline;
    else if (rest == "facts")
        out.what = kind::facts;
    else if (rest == "seen")
        out.what = kind::seen;
    else if (rest == "visits")
        out.what = kind::visits;
    else if (rest == "corrections")
        out.what = kind::corrections;
    else if (rest == "aliases")
        out.what = kind::aliases;
    else if (rest == "hidden")
        out.what = kind::hidden;
    else if (rest.starts_with("corrections:"))
        return parse_taken(partition, site, rest.substr(12));
    else if (rest.starts_with("day:") && parse_date(rest.substr(4, 10), out.date))
        out.what = rest.size() == 14                          ? kind::day
                   : rest.substr(14) == ":visitors"           ? kind::day_visitors
                   : rest.substr(14) == ":first_seen"         ? kind::day_first_seen
                   : rest.substr(14) == ":path_visitors"      ? kind::path_visitors
                   : is_of_path(rest.substr(14))              ? kind::visitors_of_path
                   : parse_breakdown(rest.substr(14), out.by) ? kind::day_breakdown
                                                              : kind::unknown;
    else if (std::uint64_t hour = 0;
             rest.starts_with("new_paths:") && parse_number(rest.substr(10), hour) &&
             new_paths(site, static_cast<std::int64_t>(hour)).ends_with(rest)) {
        out.what = kind::new_paths;
        out.hour = static_cast<std::int64_t>(hour);
    } else if (rest.starts_with("month:") &&
               parse_date(std::string(rest.substr(6, 7)) + "-01", out.date))
        out.what = rest.size() == 13                          ? kind::month
                   : parse_breakdown(rest.substr(13), out.by) ? kind::month_breakdown
                                                              : kind::unknown;
    return out;
}

}  // namespace

parsed parse(std::string_view name)
{
    parsed out;
    if (name == format_key)
        out.what = kind::format;
    else if (name == salts_key)
        out.what = kind::salts;
    else if (name == aggregators_key)
        out.what = kind::aggregators;
    if (out.what != kind::unknown)
        return out;
    // luot:{pNN}:
    constexpr std::size_t tag_end = 11;
    std::uint64_t partition = 0;
    if (name.size() <= tag_end || !parse_number(name.substr(7, 2), partition) ||
        partition >= partitions)
        return out;
    const auto rest = name.substr(tag_end);
    const auto number = static_cast<unsigned>(partition);
    if (name.substr(0, tag_end) != in_partition(number, ""))
        return out;
    out = parse_partition_key(number, rest);
    if (const auto colon = rest.find(':');
        out.what == kind::unknown && colon != std::string_view::npos)
        out = parse_site_key(number, rest.substr(0, colon), rest.substr(colon + 1));
    return out;
}

std::string_view redis_type(kind what) noexcept
{
    switch (what) {
        case kind::unknown:
        case kind::kept:  // that of the key it was
            return {};
        case kind::format:
        case kind::lease:
        case kind::rows_wanted:
        case kind::day_visitors:
        case kind::day_first_seen:
        case kind::visitors_of_path:
            return "string";
        case kind::hits:
        case kind::rejected:
            return "stream";
        case kind::tallies:
        case kind::taken:
            return "list";
        case kind::hidden:
        case kind::id_set:
            return "set";
        case kind::id_sets:
        case kind::pages:
        case kind::baseline:
        case kind::seen:
        case kind::path_visitors:
        case kind::day_breakdown:
        case kind::month_breakdown:
            return "zset";
        case kind::salts:
        case kind::aggregators:
        case kind::producers:
        case kind::retired:
        case kind::totals:
        case kind::facts:
        case kind::visits:
        case kind::corrections:
        case kind::aliases:
        case kind::new_paths:
        case kind::day:
        case kind::month:
            return "hash";
    }
    return {};
}

}  // namespace luot::keys
