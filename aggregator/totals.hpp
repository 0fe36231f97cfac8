// Starting totals from an earlier counter: a CSV file becomes the site's whole baseline, kept apart
// from counted views and shown added to them.

#pragma once

#include "core/config.hpp"
#include "core/page_totals.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace luot::aggregator {

using totals = page_totals;

/// Reads `path,views` rows and the site's row `*,views,visits`. A first row of words, neither
/// address nor number, is a heading. BOM, `;` instead of `,`, quotes, CRLF and empty cells at the
/// end of a row are understood. Without a `*` row the site's views are the sum of its pages. Throws
/// totals_error: "FILE:LINE: ..." for a malformed row, a path twice after normalising, `*` below
/// the sum of the pages, visits above views.
[[nodiscard]] totals parse_totals(std::string_view csv, const std::string& file_name,
                                  const site_config& site);

[[nodiscard]] const redis::script& baseline_script();

struct import_outcome {
    std::size_t pages = 0;
    std::size_t changed = 0;
    std::uint64_t views_before = 0, visits_before = 0;  ///< imported ones of the site
};

/// Makes these the site's baseline, in steps of 250 rows beside live hits; cut off and run again it
/// goes on. Throws totals_error.
[[nodiscard]] boost::asio::awaitable<import_outcome> import_totals(redis::client& redis,
                                                                   const site_config& site,
                                                                   std::uint32_t max_paths,
                                                                   const totals& wanted);

/// The baseline that the site has. Throws totals_error, also when it is being changed.
[[nodiscard]] boost::asio::awaitable<totals> read_totals(redis::client& redis,
                                                         const site_config& site);

/// The same as a file that parse_totals() takes.
[[nodiscard]] std::string totals_text(const totals& t);

}  // namespace luot::aggregator
