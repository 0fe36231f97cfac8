// From the spool to the stream: ships every log of this data_dir, asks when idle how far Redis has
// got, ships again what Redis has lost, and removes what it has held for long enough
// (docs/exactly-once.md).

#pragma once

#include "collector/archiver.hpp"
#include "collector/spool/reader.hpp"
#include "collector/spool/writer.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace luot {
class counter;
class metrics_registry;
}  // namespace luot

namespace luot::collector {

struct shipper_options {
    std::string directory;                        ///< of the spool
    std::chrono::milliseconds retain{3'600'000};  ///< counted only while Redis answers
    std::chrono::milliseconds name_is_kept{7LL * 24 * 3600 * 1000};  ///< of an emptied log
    std::uint64_t queue_bytes = 32ULL << 20;  ///< that may wait in the stream of one partition
    archiver_options archive;                 ///< where segments go before they are removed
    /// Called, on the shipper's thread, when a log that is being written turns out to be shipped by
    /// somebody else, too: what is taken from then on could not be counted.
    std::function<void()> on_live_fork;
};

/// One per process; belongs to the thread that runs its io_context, but for what says otherwise.
class shipper {
public:
    /// `redis` must have the scripts() loaded and belong to the same io_context.
    shipper(boost::asio::io_context& context, redis::client& redis, shipper_options options,
            spool::disk_budget& budget, metrics_registry& metrics);
    ~shipper();

    /// The scripts that the client must load.
    [[nodiscard]] static std::vector<const redis::script*> scripts();

    /// Takes up the logs that earlier runs left. Before the first writer begins a log.
    /// Throws boost::system::system_error when the directory cannot be read.
    void find_old_logs();

    /// Ships this log too. Before run().
    void add(std::shared_ptr<spool::live_log> log);

    /// Works until stop() was called and everything taken so far is shipped, or its time has
    /// passed.
    [[nodiscard]] boost::asio::awaitable<void> run();

    /// Tells that something was committed. Thread-safe and cheap when it has been told already.
    void notify();

    /// Ends run() once all logs of this run are shipped, at the latest after `most`. Thread-safe.
    void stop(std::chrono::milliseconds most);

private:
    class impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace luot::collector
