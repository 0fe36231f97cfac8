#include "aggregator/verify.hpp"

#include "collector/spool_check.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/config.hpp"
#include "core/file.hpp"
#include "core/keys.hpp"
#include "core/redis/client.hpp"
#include "luot/commands.hpp"
#include "luot/on_redis.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

namespace luot {

namespace {

using logs_in_redis = std::map<std::uint64_t, collector::log_in_redis>;

constexpr int most_attempts = 5;  ///< while the shipper moves on

boost::asio::awaitable<void> check(redis::client& redis, const std::string& site,
                                   aggregator::verify_report& report)
{
    aggregator::verify_options options;
    options.site = site;
    std::string trouble;
    auto checked = co_await aggregator::verify(redis, options, trouble);
    if (!checked)
        throw std::runtime_error(
            "Redis: " + (trouble.empty() ? checked.error().message() : trouble) +
            ": nothing can be said of the counts");
    report = std::move(*checked);
}

/// Runs the checks of Redis to their end.
aggregator::verify_report check_redis(const config& c, const std::string& site)
{
    aggregator::verify_report report;
    run_on_redis(
        c, "luot-verify", aggregator::verify_scripts(),
        [&](redis::client& redis) { return check(redis, site, report); }, redis_use::only_reads);
    return report;
}

/// Of a log in a partition; one that was retired goes on where it was when it is asked for.
aggregator::producer_position position_of(const aggregator::producers_state& state,
                                          const std::string& name)
{
    const auto known = state.producers.find(name);
    if (known != state.producers.end() && known->second.shipped)
        return known->second;
    if (const auto retired = state.retired.find(name); retired != state.retired.end())
        return retired->second;
    return known == state.producers.end() ? aggregator::producer_position{} : known->second;
}

/// The same by logs instead of by partitions.
logs_in_redis by_log(const aggregator::verify_report& report)
{
    logs_in_redis logs;
    for (const auto& [partition, state] : report.producers)
        for (const auto* of : {&state.producers, &state.retired})
            for (const auto& [name, ignored] : *of) {
                const auto position = position_of(state, name);
                std::uint64_t producer = 0;
                if (!from_hex(name, producer) || !position.shipped)
                    continue;
                logs[producer].shipped[partition] = *position.shipped;
                logs[producer].chains[partition] = position.chain;
            }
    return logs;
}

collector::log_in_redis log_of(const logs_in_redis& logs, std::uint64_t producer)
{
    const auto found = logs.find(producer);
    return found == logs.end() ? collector::log_in_redis{} : found->second;
}

std::int64_t boot_ms()
{
    timespec up{};
    ::clock_gettime(CLOCK_BOOTTIME, &up);
    return unix_ms() - std::int64_t{up.tv_sec} * 1000;
}

/// Compares the spool with Redis; adds what differs to the report, which was made before the spool
/// is read. Nothing when there is no spool here.
std::optional<collector::spool_on_disk> check_spool(const config& c,
                                                    aggregator::verify_report& report)
{
    const auto directory = c.data_dir + "/spool";
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        const auto before = by_log(report);
        auto spool = collector::read_spool(directory, before);
        if (!spool) {
            if (spool.error().value() != ENOENT)
                report.undecided.push_back(directory + ": " + spool.error().message() +
                                           ": the spool is not compared with Redis");
            return std::nullopt;
        }
        std::vector<collector::spool_difference> found;
        for (const auto& log : spool->logs)
            for (auto& d : collector::compare(log, log_of(before, log.producer), boot_ms()))
                found.push_back(std::move(d));
        if (!found.empty()) {
            // A segment may go once Redis has confirmed it, also between the two readings: what is
            // missing counts only where Redis has stayed as it was.
            auto again = check_redis(c, {});
            const auto after = by_log(again);
            const bool has_moved = std::any_of(found.begin(), found.end(), [&](const auto& d) {
                return log_of(before, d.producer).shipped[d.partition] !=
                       log_of(after, d.producer).shipped[d.partition];
            });
            if (has_moved) {
                report = std::move(again);
                continue;
            }
        }
        for (const auto& d : found)
            report.found.push_back({d.rule,
                                    keys::producers(d.partition) + ',' + directory,
                                    to_hex(d.producer) + ':' + d.field,
                                    {},
                                    d.found,
                                    d.expected});
        for (const auto& line : spool->unread)
            report.undecided.push_back(directory + '/' + line);
        return std::move(*spool);
    }
    report.undecided.push_back(directory + ": it changes faster than it can be compared");
    return std::nullopt;
}

/// One line for each log in each partition in which it has hits.
void print_positions(const aggregator::verify_report& report,
                     const std::optional<collector::spool_on_disk>& spool)
{
    std::map<std::uint64_t, const collector::log_on_disk*> on_disk;
    if (spool)
        for (const auto& log : spool->logs)
            on_disk[log.producer] = &log;
    std::set<std::pair<unsigned, std::string>> rows;
    for (const auto& [partition, state] : report.producers)
        for (const auto& [name, position] : state.producers)
            rows.emplace(partition, name);
    for (const auto& [producer, log] : on_disk)
        for (unsigned p = 0; p < partitions; ++p)
            rows.emplace(p, to_hex(producer));
    for (const auto& [partition, name] : rows) {
        const auto state = report.producers.find(partition);
        const auto there = state == report.producers.end() ? aggregator::producer_position{}
                                                           : position_of(state->second, name);
        std::uint64_t producer = 0;
        (void)from_hex(name, producer);
        const auto log = on_disk.find(producer);
        const bool is_here = log != on_disk.end();
        const auto shipped = there.shipped.value_or(there.applied);
        if (shipped == 0 && !(is_here && log->second->spooled[partition] > 0))
            continue;
        const auto of_spool = [&](const spool::per_partition collector::log_on_disk::*which) {
            return is_here ? std::to_string((log->second->*which)[partition]) : std::string("-");
        };
        std::printf(
            "position producer=%s partition=%u spooled=%s shipped=%llu applied=%llu "
            "lost=%llu queued=%llu unshipped=%s missing=%s\n",
            name.c_str(), partition, of_spool(&collector::log_on_disk::spooled).c_str(),
            static_cast<unsigned long long>(shipped),
            static_cast<unsigned long long>(there.applied),
            static_cast<unsigned long long>(there.lost),
            static_cast<unsigned long long>(there.queued),
            of_spool(&collector::log_on_disk::unshipped).c_str(),
            of_spool(&collector::log_on_disk::missing).c_str());
    }
}

}  // namespace

int verify_counts(const std::string& config_file, const std::string& site, bool with_positions)
{
    config c;
    try {
        c = load_config(config_file);
    } catch (const config_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 2;
    }
    if (!site.empty() && (with_positions || !c.find_site(site))) {
        std::fprintf(stderr, "luot: %s\n",
                     with_positions ? "positions are of all sites together: --positions without "
                                      "--site"
                                    : (config_file + " has no site " + site).c_str());
        return 2;
    }
    auto report = check_redis(c, site);
    std::optional<collector::spool_on_disk> spool;
    if (site.empty())
        spool = check_spool(c, report);
    if (with_positions)
        print_positions(report, spool);
    for (const auto& d : report.found)
        std::printf("%s\n", text_of(d).c_str());
    for (const auto& line : report.undecided)
        std::printf("undecided %s\n", line.c_str());
    std::printf("%llu keys of %llu sites and %zu logs on this disk checked: %zu differences\n",
                static_cast<unsigned long long>(report.keys),
                static_cast<unsigned long long>(report.sites), spool ? spool->logs.size() : 0,
                report.found.size());
    return report.found.empty() ? 0 : 1;
}

}  // namespace luot
