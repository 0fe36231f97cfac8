// `luot prune`: paths that hardly anybody has read, such as those of an attack with made-up
// addresses, make room for new ones. Their views go to "(other)", so that every sum stays.

#pragma once

#include "core/config.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <stdexcept>

namespace luot::aggregator {

/// Redis cannot be reached, or refused. what() is one line that says what to do.
class prune_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct prune_options {
    std::uint64_t views_below = 0;  ///< only paths with fewer views
    std::int32_t older_days = 0;    ///< only paths first seen more days ago
    std::int32_t today = 0;         ///< the date on the site
    bool is_dry_run = false;        ///< nothing is changed
};

struct prune_outcome {
    std::size_t paths = 0;    ///< that the site had
    std::size_t pruned = 0;   ///< of them, or that would be
    std::uint64_t views = 0;  ///< that went to "(other)" with them
};

[[nodiscard]] const redis::script& prune_script();

/// In steps of 250 paths beside live hits; cut off and run again it goes on. Paths with a baseline
/// stay. One that is read again later is a new path. Needs the script loaded. Throws prune_error.
[[nodiscard]] boost::asio::awaitable<prune_outcome> prune(redis::client& redis,
                                                          const site_config& site,
                                                          prune_options options);

}  // namespace luot::aggregator
