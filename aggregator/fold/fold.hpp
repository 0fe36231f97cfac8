// From hits to additions: a pure function of a batch, of what Redis knows about it, and of the
// configuration. Every decision that makes a count is taken here.

#pragma once

#include "aggregator/fold/classifier.hpp"
#include "aggregator/fold/page_votes.hpp"
#include "aggregator/tallies.hpp"
#include "core/breakdown.hpp"
#include "core/clock.hpp"
#include "core/config.hpp"
#include "core/hit.hpp"
#include "core/local_time.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace luot::aggregator {

inline constexpr std::int64_t visit_gap_ms = 30 * 60 * 1000;
inline constexpr std::int64_t id_set_ms = 10 * 60 * 1000;
/// A hit stamped so much later than its entry comes from a clock that is ahead.
inline constexpr std::int64_t clock_tolerance_ms = 5000;
/// New paths that one client may bring to a site in an hour.
inline constexpr std::int64_t most_new_paths_per_client = 20;
/// Where views of paths beyond a site's limits are counted.
inline constexpr std::string_view other_path = other_member;

/// Why a view is counted in other_path.
enum class path_limit : std::uint8_t {
    only,       ///< the page matches none of the site's `only`
    max_paths,  ///< it would be new, and the site has aggregator.max_paths
    day,        ///< ... the day has brought max_new_paths_per_day
    client,     ///< ... the client has brought most_new_paths_per_client in this hour
};
inline constexpr std::array<std::string_view, 4> path_limit_names{"only", "max_paths", "day",
                                                                  "client"};

class page_names;
class partition_memory;

/// The sets of hit ids of a partition: number of the ten minutes -> ids in it.
using id_sets = std::map<std::int64_t, std::uint64_t>;

/// When visitors were last seen, Unix milliseconds.
using visitor_times = boost::unordered_flat_map<std::uint64_t, std::int64_t>;

/// Visits (visit.hpp), encoded, by visitor.
using visit_states = boost::unordered_flat_map<std::uint64_t, std::string>;

/// New paths that clients (hit::client) have brought, by hours since 1970-01-01T00:00Z.
using client_counts = std::map<std::int64_t, std::unordered_map<std::uint32_t, std::int64_t>>;

/// What stands for a path in the lists of those first seen on a day: XXH3. Part of the stored
/// format.
[[nodiscard]] std::uint64_t path_hash(std::string_view path) noexcept;

/// One entry of a partition's stream, decoded. The hits' views point into the stream's reply.
struct entry {
    std::string id;            ///< "<ms>-<bits>"
    std::int64_t time_ms = 0;  ///< of the id: when Redis took it
    std::string producer;
    std::uint64_t prev = 0, last = 0;  ///< offsets: it holds hits of (prev, last]
    std::size_t bytes = 0;             ///< of the encoded hits
    std::vector<hit> hits;
    std::uint64_t damaged = 0;  ///< hits that could not be decoded
};

/// Decodes one hit to be counted; errors as of decode(). What its page says in words that begin
/// with a parenthesis, as rows of luot such as "(other)" do, is taken as not known: a stranger does
/// not write into those.
[[nodiscard]] error_code decode_hit(std::string_view record, hit& out) noexcept;

/// Decodes the hits of an entry. `encoded` must outlive the entry.
void decode_hits(std::string_view encoded, entry& out);

/// The sites that a fold knows, with their time zones. Not thread-safe (zones cache).
class site_table {
public:
    explicit site_table(std::shared_ptr<const config> c);

    struct site {
        const site_config* settings;
        local_zone zone;
        /// Of its pages, as who reads from this table has seen them last (page_names.hpp).
        mutable std::shared_ptr<const page_names> names{};
    };
    [[nodiscard]] const site* find(std::string_view id) const;
    [[nodiscard]] const config& settings() const noexcept { return *config_; }

private:
    std::shared_ptr<const config> config_;
    std::map<std::string, site, std::less<>> sites_;
};

/// What must be known of a batch before it can be folded.
struct questions {
    struct site {
        std::vector<std::uint64_t> visitors;
        std::vector<std::string> paths;
        std::vector<std::string> voted_paths;  ///< whose votes may change
        std::vector<std::int32_t> dates;
        /// By hour: those that may bring a new path.
        std::map<std::int64_t, std::vector<std::uint32_t>> clients;
    };
    std::vector<std::uint64_t> ids;
    std::map<std::string, site, std::less<>> sites;
};

/// The answers to questions, read while the batch was at the head of its stream.
struct knowledge {
    struct site {
        visitor_times seen;                                  ///< visitor -> time of the last hit
        visit_states visits;                                 ///< visitor -> encoded visit
        std::unordered_set<std::string> paths;               ///< those that exist already
        std::unordered_map<std::string, std::string> votes;  ///< by path, encoded
        std::uint64_t path_count = 0;
        std::map<std::int32_t, std::int64_t> new_paths;  ///< by date
        client_counts new_by_client;
    };
    std::unordered_set<std::uint64_t> ids;  ///< hits that were counted before
    std::map<std::string, site, std::less<>> sites;
    const partition_memory* memory = nullptr;  ///< what was not asked because it is remembered
};

using fields = std::map<std::string, std::int64_t, std::less<>>;

/// What a batch adds. Some of it points into the batch.
struct additions {
    struct site {
        fields totals;
        std::map<std::int32_t, fields> days;
        std::map<std::int32_t, fields> months;  ///< by the month's first day
        fields pages;
        date_tallies broken_down;
        std::map<std::int32_t, std::vector<std::uint64_t>> visitors;  ///< by date
        /// Of pages, by date, where the site wants it.
        std::map<std::int32_t, std::map<std::string_view, std::vector<std::uint64_t>>>
            path_visitors;
        visitor_times seen;
        visit_states visits;
        /// Page votes, encoded, by path: all that there are now.
        boost::unordered_flat_map<std::string_view, std::string, text_hash, std::equal_to<>> votes;
        client_counts new_by_client;
        std::map<std::int32_t, std::vector<std::uint64_t>> first_seen;     ///< path_hash, by date
        std::uint64_t views = 0, new_paths = 0;                            ///< for rates
        std::array<std::uint64_t, path_limit_names.size()> other_views{};  ///< by path_limit
    };
    struct position {
        std::uint64_t applied = 0;
        std::int64_t watermark_ms = 0;  ///< the time of the last hit; 0: there is none
    };
    std::map<std::string, site, std::less<>> sites;
    std::map<std::int64_t, std::vector<std::uint64_t>> ids;  ///< by number of the ten minutes
    std::map<std::string, position, std::less<>> positions;  ///< by producer
    std::uint64_t hits = 0;
    std::uint64_t repeats = 0;       ///< hits whose id was known
    std::uint64_t unconfigured = 0;  ///< hits of sites that are not configured (any more)
    std::string unconfigured_site;   ///< of one of them
    std::uint64_t damaged = 0;
    /// Offsets that hold no hit: declared lost, or lines of an imported log that are no page.
    std::uint64_t bare = 0;
    std::map<bot_kind, std::uint64_t> bots;

    /// How many members and fields a script would have to touch, but for rows of breakdowns.
    [[nodiscard]] std::size_t weight() const noexcept;
};

/// What to ask for the first `count` entries of a batch, less what `memory` holds.
[[nodiscard]] questions ask_for(const std::vector<entry>& batch, std::size_t count,
                                const site_table& sites, const partition_memory* memory = nullptr);

/// Folds the first `count` entries.
[[nodiscard]] additions fold(const std::vector<entry>& batch, std::size_t count,
                             const knowledge& known, const site_table& sites,
                             const classifier& classes);

}  // namespace luot::aggregator
