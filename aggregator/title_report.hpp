// What was read in a period by the titles of pages.

#pragma once

#include "aggregator/reports.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>

namespace luot::aggregator {

/// The pages' rows, those of one title together, by the titles that pages have now; `(none)`: pages
/// that have none. Errors as of read_top().
[[nodiscard]] boost::asio::awaitable<result<top_rows>> read_titles(redis::client& redis,
                                                                   fall_back_guard& guard,
                                                                   const site_table::site& site,
                                                                   date_range range,
                                                                   std::size_t limit);

}  // namespace luot::aggregator
