// What is shown of the sites, as gauges for Prometheus: totals, the day, and the articles that are
// read most today. Of each site one aggregator tells, the one that works on its partition, so that
// sums over all aggregators are true.

#pragma once

#include "aggregator/fold/fold.hpp"
#include "core/config.hpp"
#include "core/hit.hpp"
#include "core/metrics.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <bitset>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace luot::aggregator {

class fall_back_guard;

/// What is shown of one site at one moment.
struct site_gauges_row {
    struct article {
        std::string path;
        std::int64_t views = 0, views_today = 0;  ///< of all time, baseline included
    };
    std::string site;
    std::int64_t views = 0, visits = 0, online = 0;  ///< of all time, baseline included; and now
    std::int64_t views_today = 0, visits_today = 0, visitors_today = 0, bot_views_today = 0;
    std::vector<article> articles;
};

/// Of one moment, as gauges.
[[nodiscard]] std::vector<gauge_rows> gauges_of(const std::vector<site_gauges_row>& sites);

/// One per process; belongs to the thread of its io_context, on which the metrics are scraped too:
/// a scrape is answered from memory.
class site_gauges {
public:
    /// `holds` answers the partitions that this process works on, none when it has not heard of
    /// Redis lately. `redis` must have redis::reads::source() loaded. `redis`, `guard` and this
    /// must outlive the registry's last scrape.
    site_gauges(boost::asio::io_context& context, redis::client& redis, fall_back_guard& guard,
                std::function<std::bitset<partitions>()> holds, std::shared_ptr<const config> c,
                metrics_registry& metrics);
    ~site_gauges();
    site_gauges(const site_gauges&) = delete;
    site_gauges& operator=(const site_gauges&) = delete;

    /// Reads every few seconds, and at once when there are other partitions; as long as the context
    /// runs.
    [[nodiscard]] boost::asio::awaitable<void> run();

    /// Works by another configuration from now on.
    void use(std::shared_ptr<const config> c);

private:
    class impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace luot::aggregator
