// Sites, hits and entries, as the tests of the aggregator need them.

#pragma once

#include "aggregator/fold/fold.hpp"
#include "core/bytes.hpp"
#include "core/config.hpp"
#include "core/hit.hpp"

#include <algorithm>
#include <cstdint>
#include <date/date.h>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace luot::testing {

inline constexpr std::int64_t minute = 60'000;
inline constexpr std::int64_t hour = 60 * minute;
inline constexpr std::int64_t day = 24 * hour;

inline constexpr std::string_view browser =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36";
inline constexpr std::string_view crawler_agent =
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/// Days since 1970-01-01.
inline std::int32_t days(int year, unsigned month, unsigned of_month)
{
    const date::sys_days at{date::year{year} / date::month{month} / date::day{of_month}};
    return static_cast<std::int32_t>(at.time_since_epoch().count());
}

inline std::int64_t utc(int year, unsigned month, unsigned of_month, int h = 0, int m = 0,
                        int s = 0)
{
    return days(year, month, of_month) * day + h * hour + m * minute + s * 1000;
}

inline site_config site_in(std::string id, std::string timezone)
{
    site_config s;
    s.id = std::move(id);
    s.hosts = {s.id + ".example.vn"};
    s.timezone = std::move(timezone);
    return s;
}

/// A configuration of these sites, and what folds for it.
inline aggregator::site_table sites_of(std::vector<site_config> sites,
                                       std::uint32_t max_paths = 100'000)
{
    auto c = std::make_shared<config>();
    c->sites = std::move(sites);
    c->aggregator.max_paths = max_paths;
    return aggregator::site_table{c};
}

/// Compiling 3,000 patterns takes a while: one of them for all tests, which run on one thread.
inline const aggregator::classifier& all_classes()
{
    static const aggregator::classifier all;
    return all;
}

/// A view by a browser, dated as a collector with a right clock dates it. `path` must outlive it.
inline hit view_of(const aggregator::site_table::site& site, std::uint64_t visitor,
                   std::int64_t time_ms, std::string_view path = "/a")
{
    hit h;
    h.site = site.settings->id;
    h.time_ms = time_ms;
    h.local_date = site.zone.date(time_ms);
    h.visitor = visitor;
    h.path = path;
    h.user_agent = browser;
    return h;
}

inline hit event_of(const aggregator::site_table::site& site, std::uint64_t visitor,
                    std::int64_t time_ms)
{
    auto h = view_of(site, visitor, time_ms);
    h.event = "download";
    return h;
}

/// Hits as an entry of the stream holds them.
inline std::string encoded(const std::vector<hit>& hits)
{
    std::string out;
    for (const auto& h : hits) {
        std::string record;
        encode(h, record);
        put_varint(out, record.size());
        out += record;
    }
    return out;
}

/// The entry that ends at offset `last`, taken by Redis at the time of its latest hit unless said
/// otherwise.
inline aggregator::entry entry_of(std::string producer, std::uint64_t last, std::vector<hit> hits,
                                  std::int64_t time_ms = 0)
{
    aggregator::entry e;
    for (const auto& h : hits)
        e.time_ms = std::max(e.time_ms, h.time_ms);
    if (time_ms != 0)
        e.time_ms = time_ms;
    e.id = std::to_string(e.time_ms) + '-' + std::to_string(last);
    e.producer = std::move(producer);
    e.prev = last - std::min<std::uint64_t>(last, hits.size());
    e.last = last;
    e.bytes = encoded(hits).size();
    e.hits = std::move(hits);
    return e;
}

/// The fields whose names begin so, added up.
inline std::int64_t sum_of(const aggregator::fields& counts, std::string_view prefix = "")
{
    std::int64_t sum = 0;
    for (const auto& [name, count] : counts)
        if (name.starts_with(prefix))
            sum += count;
    return sum;
}

inline std::int64_t sum_of(const aggregator::tally& rows)
{
    std::int64_t sum = 0;
    for (const auto& [row, count] : rows)
        sum += count;
    return sum;
}

/// Counts to compare and to read: "views=2 visits=1".
inline std::string text_of(const aggregator::fields& counts)
{
    std::string out;
    for (const auto& [name, count] : counts)
        out += (out.empty() ? "" : " ") + name + '=' + std::to_string(count);
    return out;
}

/// A field; 0 when it is not there.
inline std::int64_t count_of(const aggregator::fields& counts, std::string_view name)
{
    const auto found = counts.find(name);
    return found == counts.end() ? 0 : found->second;
}

}  // namespace luot::testing
