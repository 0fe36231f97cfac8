// The sum over a site's pages at one moment, worked out from walks that take longer than a moment.

#pragma once

#include "aggregator/page_counts.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace luot::aggregator {

/// Bounds of (counted views of all pages) - (counted views of the site), which is a constant as
/// long as nothing but hits changes the pages, and which must be 0.
///
/// A page's counted views only grow. So at a moment T each page has at least what was read of it
/// before T, and at most what was read of it since; pages that were read at T itself are known
/// exactly, and so are those that did not grow in between. Each walk gives bounds; all of them
/// hold, so they are intersected. Pages that grew are read at the next T.
///
/// Memory: 32 bytes a page, and the paths of the looked_up() ones.
class page_sum {
public:
    /// What can be read at one moment: one script does it.
    static constexpr std::size_t most_looked_up = 500, most_looked_up_bytes = 128 << 10;

    /// A walk begins: what the site has now, and what the looked_up() pages have now.
    void begin(std::int64_t site_views, const std::vector<std::int64_t>& looked_up_views);
    /// A page, as it is at some time of the walk; it may come several times.
    void add(std::string_view page, std::int64_t views);
    /// The walk is over; the site has so many views by now.
    void end(std::int64_t site_views);

    /// Whether 0 is beyond the bounds: the sums differ, whatever came in meanwhile.
    [[nodiscard]] bool differs() const noexcept { return low_ > 0 || high_ < 0; }
    [[nodiscard]] bool is_exact() const noexcept { return low_ == high_; }
    [[nodiscard]] std::int64_t low() const noexcept { return low_; }
    [[nodiscard]] std::int64_t high() const noexcept { return high_; }

    /// Pages to be read at the moment at which the next walk begins.
    [[nodiscard]] const std::vector<std::string>& looked_up() const noexcept { return looked_up_; }

private:
    void bound(std::int64_t low, std::int64_t high);
    void look_up_next_time(std::uint64_t page, std::string_view path);

    page_hash hash_;
    std::int64_t low_ = INT64_MIN, high_ = INT64_MAX;
    std::int64_t views_ = 0;  ///< of the site, at the moment at which the walk began
    page_counts before_, now_;
    bool has_before_ = false;
    std::vector<std::string> looked_up_;
    std::size_t looked_up_bytes_ = 0;
    /// Of the looked_up() pages; nothing of those that came to them in this walk.
    std::unordered_map<std::uint64_t, std::optional<std::int64_t>> exact_;
};

}  // namespace luot::aggregator
