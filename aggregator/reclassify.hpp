// `luot reclassify`: the days of a site counted again from the archive (docs/archive.md), by the
// lists and the configuration of today, and the difference put into Redis.

#pragma once

#include "core/config.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace luot::aggregator {

/// Redis cannot be reached, or refused, or the archive cannot be read. what() is one line that says
/// what to do.
class reclassify_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct reclassify_options {
    std::shared_ptr<const config> settings;
    std::string site;
    std::int32_t from = 0, to = 0;      ///< local dates, both included
    std::vector<std::string> archives;  ///< files and folders, of all collectors
    bool is_dry_run = false;            ///< nothing is changed
};

/// What became of one day.
struct reclassified_day {
    struct figure {
        std::string name;  ///< views, visits, events, bots, new_paths, bots:KIND
        std::int64_t before = 0, now = 0;
    };
    std::int32_t date = 0;
    std::string refused;          ///< why nothing was done, for a person; empty: it was
    std::vector<figure> figures;  ///< that there are, or were
    std::size_t rows = 0;         ///< of its reports and of pages that are others now
    bool has_changed = false;     ///< or would have
};

[[nodiscard]] const redis::script& reclassify_script();

/// One day after the other, each in one step: cut off and run again it goes on, and where it is
/// done nothing changes. A day is refused when it or one beside it is not whole in the archive, or
/// may still get hits. `tell` hears of each. Needs the script loaded. Throws reclassify_error, and
/// config_error when the list of made-up referrers cannot be read.
[[nodiscard]] boost::asio::awaitable<void> reclassify(
    redis::client& redis, reclassify_options options,
    std::function<void(const reclassified_day&)> tell);

}  // namespace luot::aggregator
