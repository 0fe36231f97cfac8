// What is known of pages besides their counts: titles, sections, since when.

#pragma once

#include "aggregator/fold/fold.hpp"
#include "core/error.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace luot::aggregator {

class fall_back_guard;

struct page_facts {
    std::string title, section;              ///< what most of the last readers say; empty: nothing
    std::optional<std::int32_t> first_seen;  ///< days since 1970-01-01 in the site's zone
    std::vector<std::uint32_t> readers;      ///< its last clients, each once
    bool is_imported = false;                ///< it has starting totals

    /// Whether it may stand in a list that is shown to all: one stranger cannot bring it there.
    [[nodiscard]] bool is_listed(const site_config& site) const noexcept
    {
        return is_imported || readers.size() >= site.list_readers;
    }
};

/// The facts of pages, one for each, in their order, by the names that were read last
/// (page_names.hpp). Errors: redis_away, redis_error.
[[nodiscard]] boost::asio::awaitable<result<std::vector<page_facts>>> read_facts(
    redis::client& redis, const site_table::site& site, const std::vector<std::string>& paths);

}  // namespace luot::aggregator
