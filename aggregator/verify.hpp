// Checks, beside live hits, all that must always be true of what Redis holds. docs/verify.md lists
// the rules, and how each is read so that a busy system gives no false alarm.

#pragma once

#include "aggregator/rules.hpp"
#include "core/hit.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <bitset>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace luot {
class metrics_registry;
}

namespace luot::aggregator {

struct verify_options {
    std::bitset<partitions> of = std::bitset<partitions>{}.set();  ///< these partitions
    std::string site;  ///< only this one and no partition's own keys; empty: all
};

struct verify_report {
    /// Each was found in two runs, one after the other; 1,000 at most.
    differences found;
    /// What could not be decided and why, one line each: not a difference.
    std::vector<std::string> undecided;
    std::uint64_t keys = 0;  ///< one that Redis names twice, which SCAN may, counts twice
    std::uint64_t sites = 0;
    /// How far the logs have got in each partition, the last of its checks.
    std::map<unsigned, producers_state> producers;
};

/// The scripts that the client of verify() must have loaded.
[[nodiscard]] std::vector<const redis::script*> verify_scripts();

/// Errors: redis_away (also when the connection was lost meanwhile, three times in a row: what is
/// read over two connections may be of two states), redis_error (an answer that makes no sense,
/// with its text in `trouble`), stopping.
[[nodiscard]] boost::asio::awaitable<result<verify_report>> verify(redis::client& redis,
                                                                   verify_options options,
                                                                   std::string& trouble);

/// How long the hourly check waits after one that ended so. Soon only when Redis was away: one that
/// refuses something would do so again, and a check is not for nothing.
[[nodiscard]] std::chrono::seconds pause_after(error_code outcome) noexcept;

/// Runs verify() soon after the start and then every hour until the client is stopped, logs what it
/// finds, and shows it as luot_verify_differences. `held` says which partitions are this
/// aggregator's to check; it is called on the context's thread.
[[nodiscard]] boost::asio::awaitable<void> verify_hourly(
    boost::asio::io_context& context, redis::client& redis,
    std::function<std::bitset<partitions>()> held, metrics_registry& metrics);

}  // namespace luot::aggregator
