// The names of all keys in Redis, in this one place. docs/redis-keys.md tells what each holds.

#pragma once

#include "core/breakdown.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace luot::keys {

/// Version of the keys below, held in luot:format.
inline constexpr unsigned format = 1;
inline constexpr std::string_view format_key = "luot:format";
inline constexpr std::string_view salts_key = "luot:salts";
inline constexpr std::string_view aggregators_key = "luot:aggregators";

/// Keys of a partition, which share its hash tag: a cluster keeps them on one node.
[[nodiscard]] std::string hits(unsigned partition);
[[nodiscard]] std::string rejected(unsigned partition);
[[nodiscard]] std::string producers(unsigned partition);
[[nodiscard]] std::string retired(unsigned partition);
[[nodiscard]] std::string lease(unsigned partition);
[[nodiscard]] std::string tallies(unsigned partition);
[[nodiscard]] std::string rows_wanted(unsigned partition);
[[nodiscard]] std::string id_sets(unsigned partition);
[[nodiscard]] std::string id_set(unsigned partition, std::int64_t ten_minutes);

/// Keys of a site; the partition follows from its id.
[[nodiscard]] std::string totals(std::string_view site);
[[nodiscard]] std::string pages(std::string_view site);
[[nodiscard]] std::string baseline(std::string_view site);
[[nodiscard]] std::string facts(std::string_view site);
[[nodiscard]] std::string seen(std::string_view site);
[[nodiscard]] std::string visits(std::string_view site);
/// What operators have corrected (aggregator/corrections.hpp): the log; addresses that are others'
/// now; pages that stand in no list.
[[nodiscard]] std::string corrections(std::string_view site);
[[nodiscard]] std::string aliases(std::string_view site);
[[nodiscard]] std::string hidden(std::string_view site);
/// What the correction with that number has taken, step by step; and a key of the site that it took
/// whole, under the name of that key behind the site.
[[nodiscard]] std::string taken(std::string_view site, std::uint64_t number);
[[nodiscard]] std::string kept(std::string_view site, std::uint64_t number, std::string_view key);
inline constexpr std::string_view any_seen = "luot:{p*}:*:seen";  ///< a pattern for SCAN
/// `date` is days since 1970-01-01 in the site's zone.
[[nodiscard]] std::string day(std::string_view site, std::int32_t date);
[[nodiscard]] std::string day_visitors(std::string_view site, std::int32_t date);
[[nodiscard]] std::string day_first_seen(std::string_view site, std::int32_t date);
[[nodiscard]] std::string path_visitors(std::string_view site, std::int32_t date);
/// `path_hash`: path_hash() of the page (aggregator/fold/fold.hpp).
[[nodiscard]] std::string visitors_of_path(std::string_view site, std::int32_t date,
                                           std::uint64_t path_hash);
[[nodiscard]] std::string day_breakdown(std::string_view site, std::int32_t date, breakdown by);
/// `hour` is hours since 1970-01-01T00:00Z.
[[nodiscard]] std::string new_paths(std::string_view site, std::int64_t hour);
/// The month in which that date lies.
[[nodiscard]] std::string month(std::string_view site, std::int32_t date);
[[nodiscard]] std::string month_breakdown(std::string_view site, std::int32_t date, breakdown by);

/// What a key is, and whose.
enum class kind {
    unknown,
    format,
    salts,
    aggregators,
    hits,
    rejected,
    producers,
    retired,
    lease,
    tallies,
    rows_wanted,
    id_sets,
    id_set,
    totals,
    pages,
    baseline,
    facts,
    seen,
    visits,
    corrections,
    aliases,
    hidden,
    taken,
    kept,
    day,
    day_visitors,
    day_first_seen,
    path_visitors,
    visitors_of_path,
    day_breakdown,
    new_paths,
    month,
    month_breakdown,
};

struct parsed {
    kind what = kind::unknown;
    unsigned partition = 0;
    std::string site;              ///< of keys of a site
    std::int32_t date = 0;         ///< of a day; the first of a month
    std::int64_t ten_minutes = 0;  ///< of a set of ids
    std::int64_t hour = 0;         ///< of new paths by client
    breakdown by{};                ///< of breakdowns
    std::uint64_t correction = 0;  ///< of what one has taken
    kind was = kind::unknown;      ///< of a key that was taken whole
};

/// Takes a name apart. unknown: none of the names above, or in another partition than its site's.
[[nodiscard]] parsed parse(std::string_view name);

/// What TYPE says of such a key; empty for an unknown one.
[[nodiscard]] std::string_view redis_type(kind what) noexcept;

}  // namespace luot::keys
