// Starting totals from an earlier counter: a CSV file becomes the site's whole baseline, kept apart
// from counted views and shown added to them.

#pragma once

#include "core/config.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace luot::aggregator {

/// A file of totals that cannot be taken, or Redis that cannot be reached. what() is one line that
/// says where and what would be right.
class totals_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct totals {
    std::map<std::string, std::uint64_t> pages;  ///< normalised path -> views
    std::uint64_t views = 0;                     ///< of the site, pages included
    std::uint64_t visits = 0;
};

/// Reads `path,views` rows and the site's row `*,views,visits`. A first row of words, neither
/// address nor number, is a heading. BOM, `;` instead of `,`, quotes, CRLF and empty cells at the
/// end of a row are understood. Without a `*` row the site's views are the sum of its pages. Throws
/// totals_error: "FILE:LINE:
/// ..." for a malformed row, a path twice after normalising, `*` below the sum of the pages, visits
/// above views.
[[nodiscard]] totals parse_totals(std::string_view csv, const std::string& file_name,
                                  const site_config& site);

[[nodiscard]] const redis::script& baseline_script();

struct import_outcome {
    std::size_t pages = 0;
    std::size_t changed = 0;
};

/// Makes these the site's baseline, in steps of 250 rows beside live hits; cut off and run again it
/// goes on. Throws totals_error.
[[nodiscard]] boost::asio::awaitable<import_outcome> import_totals(redis::client& redis,
                                                                   const site_config& site,
                                                                   std::uint32_t max_paths,
                                                                   const totals& wanted);

}  // namespace luot::aggregator
