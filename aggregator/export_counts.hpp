// A site's counts read from Redis for `luot export`, beside hits that come in.

#pragma once

#include "aggregator/export_table.hpp"
#include "aggregator/reports.hpp"
#include "core/config.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <stdexcept>
#include <vector>

namespace luot::aggregator {

/// Redis that cannot be read, or pages that an import or `luot prune` changes meanwhile. what() is
/// one line that says what to do.
class export_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

[[nodiscard]] std::vector<const redis::script*> export_scripts();

/// Gives `take` the totals of all time, the months in which the range lies, and its days; in steps
/// of 500 pages, or 4 days. Each day and month is of one moment. Of all time, the site's row comes
/// last and is of a later moment than its pages: it has at least their sum. Throws export_error,
/// and what `take` throws.
[[nodiscard]] boost::asio::awaitable<void> export_counts(
    redis::client& redis, const site_config& site, date_range range,
    const std::function<void(const export_row&)>& take);

}  // namespace luot::aggregator
