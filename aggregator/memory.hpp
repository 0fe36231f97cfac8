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
/// Paths that exist stay; a stale one costs a site's limits one path, never a count.
class partition_memory {
public:
    /// The last applied entry; empty when nothing is remembered that would have to be compared.
    [[nodiscard]] const std::string& tip() const noexcept { return tip_; }

    [[nodiscard]] std::optional<std::int64_t> seen(std::uint64_t visitor) const;
    [[nodiscard]] bool knows(std::string_view site, std::string_view path) const;
    void learn(std::string_view site, std::string_view path);

    /// Whether all ids of this set of ten minutes are remembered: it was begun while we looked on.
    [[nodiscard]] bool has_all_of(std::int64_t ten_minutes) const;
    /// Whether a remembered set holds this id.
    [[nodiscard]] bool was_counted(std::uint64_t id) const;
    /// These sets exist in Redis; remembered ones that do not were dropped there.
    void keep_sets(const id_sets& there);

    /// A batch up to this entry was applied on top of tip(), or of what was read from Redis, where
    /// these sets existed before.
    void applied(const std::string& upto, const additions& a, const id_sets& before);

    /// Somebody else has applied something, or may have.
    void forget_state();

private:
    std::string tip_;
    visitor_times seen_;
    boost::unordered_flat_set<std::uint64_t> ids_;
    std::map<std::int64_t, std::vector<std::uint64_t>> sets_;  // which of ids_ go together
    boost::unordered_flat_set<std::uint64_t> paths_;           // hashes
};

}  // namespace luot::aggregator
