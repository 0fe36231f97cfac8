// Collectors with different salts would count every reader once each: a fingerprint in Redis shows
// it.

#pragma once

#include "collector/salts.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

namespace boost::asio {
class io_context;
}

namespace luot {
class metrics_registry;
}

namespace luot::collector {

/// Compares the chain's fingerprint of the day with the one in Redis every minute, for ever; ends
/// when the client is stopped. A difference is an error line and luot_salts_differ = 1.
[[nodiscard]] boost::asio::awaitable<void> watch_salts(boost::asio::io_context& context,
                                                       redis::client& redis,
                                                       const salt_chain& salts,
                                                       metrics_registry& metrics);

}  // namespace luot::collector
