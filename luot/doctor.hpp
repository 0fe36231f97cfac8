// The parts of `luot doctor`: each looks at one side and puts down what it found.

#pragma once

#include "core/config.hpp"
#include "luot/admin_port.hpp"
#include "luot/explanation.hpp"
#include "luot/findings.hpp"

#include <optional>
#include <string>
#include <vector>

namespace luot {

/// What one daemon says of itself; nothing when it does not answer.
struct daemon_view {
    listen_address address;
    std::optional<scraped_metrics> metrics;

    [[nodiscard]] bool is_collector() const
    {
        return metrics && metrics->has("luot_hits_received_total");
    }
    [[nodiscard]] bool is_aggregator() const { return metrics && metrics->has("luot_leases_held"); }
};

/// data_dir, the spool's disk, the salts, files that the configuration names, the clock of the
/// system. `used_bytes`: of the spool, as the collector says; none: it was not asked.
void check_files(const config& c, std::optional<double> used_bytes, findings& out);

/// Redis: settings, memory, permissions, clock, streams, leases, titles of the most read pages.
void check_redis(const config& c, findings& out);

/// Asks admin ports; whether they answer is put down, too. `is_told`: the addresses were given, and
/// each must answer.
[[nodiscard]] std::vector<daemon_view> ask_daemons(const std::vector<listen_address>& addresses,
                                                   bool is_told, findings& out);

/// What the metrics of running daemons show.
void check_daemons(const config& c, const std::vector<daemon_view>& daemons, findings& out);

/// Fetches a page and says whether it is counted. `asked`: who reads it; its url is the page's.
/// Answers what a read of it would count as, for each tag on it, or each site that has its host.
[[nodiscard]] std::vector<explanation> check_page(const config& c, asked_hit asked, findings& out);

}  // namespace luot
