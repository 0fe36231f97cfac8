// Counts the hits of one site again in memory, by the fold that counted them, as if they came by
// time. For `luot reclassify`.

#pragma once

#include "aggregator/fold/fold.hpp"

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace luot::aggregator {

/// Takes hits by time, folds them in parts, and keeps of them what one day needs: the figures of
/// all dates, rows and visitors of that date alone. A visit that goes over midnight belongs to the
/// day on which it began: give it the hits of the days before and after, too. Not thread-safe.
class recount {
public:
    /// The ids of hits are remembered as in Redis: for `dedupe_window_ms` after the ten minutes
    /// that they came in. All must outlive this.
    recount(const site_table& sites, const classifier& classes, std::string site, std::int32_t date,
            std::int64_t dedupe_window_ms);

    /// Takes an encoded hit, in the order of time. Those of other sites are passed over.
    void add(std::string_view payload);
    /// Whether fold() should come next.
    [[nodiscard]] bool is_full() const noexcept { return hits_.size() >= part_hits; }

    /// Paths of the hits in hand that nothing is known of: tell() of them before fold().
    [[nodiscard]] std::vector<std::string> unknown_paths() const;
    /// `existed`: before the day; then it needs no place.
    void tell(const std::string& path, bool existed);
    void set_path_count(std::uint64_t paths) { known_site().path_count = paths; }
    /// A path that path_count holds and that did not exist before the day.
    void is_to_come() { known_site().path_count -= known_site().path_count > 0 ? 1 : 0; }

    /// Folds the hits in hand.
    void fold();

    // What came of it.
    [[nodiscard]] const std::map<std::int32_t, fields>& days() const noexcept { return days_; }
    [[nodiscard]] const tallies& rows() const noexcept { return rows_; }
    [[nodiscard]] const boost::unordered_flat_set<std::uint64_t>& visitors() const noexcept
    {
        return visitors_;
    }
    /// path_hash() of those first seen on the date, in that order.
    [[nodiscard]] const std::vector<std::uint64_t>& first_seen() const noexcept
    {
        return first_seen_;
    }
    [[nodiscard]] const std::string* votes_of(const std::string& path) const;

private:
    static constexpr std::size_t part_hits = 2000;

    [[nodiscard]] knowledge::site& known_site() { return known_.sites.at(site_); }
    void forget(std::int64_t now_ms);

    const site_table& sites_;
    const classifier& classes_;
    const std::string site_;
    const std::int32_t date_;
    const std::int64_t window_ms_;
    std::deque<std::string> payloads_;  ///< which hits_ point into
    std::vector<hit> hits_;
    std::unordered_set<std::string> told_;
    knowledge known_;
    boost::unordered_flat_map<std::uint64_t, std::int64_t> ids_;  ///< known until then
    std::int64_t forgotten_ms_ = 0;

    std::map<std::int32_t, fields> days_;
    tallies rows_;
    boost::unordered_flat_set<std::uint64_t> visitors_;
    std::vector<std::uint64_t> first_seen_;
};

}  // namespace luot::aggregator
