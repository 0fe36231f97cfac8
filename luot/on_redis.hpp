// What commands for the operator share that work on the counts of a running luot.

#pragma once

#include "core/config.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace luot {

/// There is no Redis to work on. what() is one line that says what to do.
class no_redis : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Reads a configuration and finds a site in it; null when either fails, which has been said on
/// standard error (exit status 2).
[[nodiscard]] const site_config* load_with_site(const std::string& config_file,
                                                const std::string& site_id, config& c);

/// Who only reads writes nothing, not even the version of the data, and looks at any.
enum class redis_use { changes, only_reads };

/// Connects to the Redis of a configuration, with these scripts loaded, runs `work` to its end and
/// returns. `name` names the connection; it is waited for `patience`. Throws no_redis, and what
/// `work` throws.
void run_on_redis(const config& c, const std::string& name,
                  std::vector<const redis::script*> scripts,
                  const std::function<boost::asio::awaitable<void>(redis::client&)>& work,
                  redis_use use = redis_use::changes,
                  std::chrono::milliseconds patience = std::chrono::seconds(10));

}  // namespace luot
