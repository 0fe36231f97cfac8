// What batches add to breakdowns, as it is counted and as it waits in Redis (luot:{pNN}:tallies) to
// be written: many rows of many breakdowns change with every view, so under load those of many
// batches are put together before they are written.

#pragma once

#include "core/breakdown.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace luot::aggregator {

/// Finds by text without making a string of it.
struct text_hash {
    using is_transparent = void;
    [[nodiscard]] std::size_t operator()(std::string_view text) const noexcept;
};

/// Member -> how often.
using tally = boost::unordered_flat_map<std::string, std::int64_t, text_hash, std::equal_to<>>;
/// By breakdown.
using tallies = std::array<tally, breakdown_count>;
/// By local date.
using date_tallies = std::map<std::int32_t, tallies>;
using site_tallies = std::map<std::string, date_tallies, std::less<>>;

void add_to(tally& to, std::string_view member, std::int64_t count);
void add_to(tally& to, const tally& more);

/// Bytes with which the tallies of a list begin, and which no others have.
inline constexpr std::size_t nonce_bytes = 8;
[[nodiscard]] std::string_view nonce_of(std::string_view encoded) noexcept;

/// The tallies of one site under a new random nonce. The format is in docs/redis-keys.md.
[[nodiscard]] std::string encode(std::string_view site, const date_tallies& of_site);

/// Adds encoded tallies. False when they are damaged: then nothing was added.
[[nodiscard]] bool add_encoded(site_tallies& to, std::string_view encoded);

/// The same in parts of at most so many rows (or one date's breakdown), each of one site.
[[nodiscard]] std::vector<std::pair<std::string, date_tallies>> parts_of(const site_tallies& all,
                                                                         std::size_t most_rows);

}  // namespace luot::aggregator
