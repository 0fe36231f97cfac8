// The aggregator's loop: reads the heads of the partitions' streams, folds them, and applies the
// additions, round after round. docs/exactly-once.md has the argument and what happens at each
// crash.

#pragma once

#include "core/config.hpp"
#include "core/hit.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <bitset>
#include <memory>
#include <string>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace luot {
class metrics_registry;
}

namespace luot::aggregator {

/// One per process; belongs to the thread that runs its io_context, but for what says otherwise.
class worker {
public:
    /// `redis` must have the scripts() loaded, belong to the same io_context, and be used by nobody
    /// else: the worker blocks on it.
    /// `owner` names this aggregator among those that take leases. Throws config_error when
    /// aggregator.referrer_spam cannot be read.
    worker(boost::asio::io_context& context, redis::client& redis, std::shared_ptr<const config> c,
           std::string owner, metrics_registry& metrics);
    ~worker();

    [[nodiscard]] static std::vector<const redis::script*> scripts();

    /// Works until stop(); a batch in hand is finished.
    [[nodiscard]] boost::asio::awaitable<void> run();

    /// Ends run() within two seconds. Thread-safe.
    void stop();

    /// The partitions that it works on at the moment. Thread-safe.
    [[nodiscard]] std::bitset<partitions> holds() const noexcept;

    /// Whether Redis has answered within the last seconds, and not with LOADING. Thread-safe.
    [[nodiscard]] bool hears_redis() const noexcept;

    /// Works by another configuration from the next batch on. Throws config_error as the
    /// constructor does, and works on by the former one then. Thread-safe.
    void use(std::shared_ptr<const config> c);

private:
    class impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace luot::aggregator
