// What a worker remembers of a partition from batch to batch, so that Redis is asked only for what
// is new.

#pragma once

#include "aggregator/fold/fold.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace luot::aggregator {

/// Bounded; belongs to one worker.
///
/// Visitors and hit ids are those as of tip() (and some that were forgotten there since), the last
/// entry that was applied: apply.lua acts only if that is still the last one in Redis. Ids of
/// entries never come back for other content, so one tip is one state, also after Redis fell back.
/// So are the paths that exist: `luot prune`, which takes some away, changes the tip. (`import
/// totals` may take one that nobody has read: if it is remembered, a site's limits miss one path.)
class partition_memory {
public:
    partition_memory();

    /// The last applied entry; empty when nothing is remembered that would have to be compared.
    [[nodiscard]] const std::string& tip() const noexcept { return tip_; }

    [[nodiscard]] std::optional<std::int64_t> seen(std::uint64_t visitor) const;
    /// The encoded visit of a visitor whom seen() knows; null: there is none. Until the next
    /// change.
    [[nodiscard]] const std::string* visit_of(std::uint64_t visitor) const;
    [[nodiscard]] bool knows(std::string_view site, std::string_view path) const;
    void learn(std::string_view site, std::string_view path);
    /// Whether all of a page's last votes say so: one more for it changes nothing.
    [[nodiscard]] bool agrees(std::string_view site, std::string_view path, std::string_view title,
                              std::string_view section) const;
    /// Whether all of a page's last votes say the same: there are as many as can be.
    [[nodiscard]] bool agrees(std::string_view site, std::string_view path) const;
    /// Encoded page_votes, where they do not all agree; null: not known. Until the next change.
    [[nodiscard]] const std::string* votes_of(std::string_view site, std::string_view path) const;
    void learn(std::string_view site, std::string_view path, std::string votes);
    /// Forgets what is too much. Not between the questions of a batch and its fold: what was not
    /// asked would not be known either.
    void make_room();

    /// Whether all ids of this set of ten minutes are remembered: it was begun while we looked on.
    [[nodiscard]] bool has_all_of(std::int64_t ten_minutes) const;
    /// Whether a remembered set holds this id.
    [[nodiscard]] bool was_counted(std::uint64_t id) const;
    /// These sets exist in Redis; remembered ones that do not were dropped there.
    void keep_sets(const id_sets& there);

    /// What is remembered from now on is as of this tip. Only while tip() is empty.
    void rest_on(std::string tip);

    /// A batch up to this entry was applied on top of tip(), or of what was read from Redis, where
    /// these sets existed before.
    void applied(const std::string& upto, additions a, const id_sets& before);

    /// Somebody else has applied something, or may have.
    void forget_state();

private:
    std::string tip_;
    visitor_times seen_;
    visit_states visits_;
    boost::unordered_flat_set<std::uint64_t> ids_;
    std::map<std::int64_t, std::vector<std::uint64_t>> sets_;         // which of ids_ go together
    boost::unordered_flat_set<std::uint64_t> paths_;                  // hashes
    boost::unordered_flat_map<std::uint64_t, std::uint64_t> agreed_;  // path -> what, hashes
    boost::unordered_flat_map<std::uint64_t, std::string> votes_;     // of other paths
    std::uint64_t path_seed_;  // nobody outside can make two paths that look the same
};

}  // namespace luot::aggregator
