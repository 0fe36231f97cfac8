#include "aggregator/verify.hpp"

#include "core/config.hpp"
#include "core/metrics.hpp"
#include "core/redis/client.hpp"
#include "luot/commands.hpp"
#include "luot/private_redis.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdio>
#include <exception>
#include <stdexcept>

namespace luot {

namespace {

boost::asio::awaitable<void> check(redis::client& redis, const std::string& site,
                                   aggregator::verify_report& report)
{
    if (!co_await redis.wait_connected(std::chrono::seconds(10)))
        throw std::runtime_error("Redis cannot be reached (" + redis.trouble() +
                                 "): is luot running with this configuration?");
    aggregator::verify_options options;
    options.site = site;
    std::string trouble;
    auto checked = co_await aggregator::verify(redis, options, trouble);
    if (!checked)
        throw std::runtime_error(
            "Redis: " + (trouble.empty() ? checked.error().message() : trouble) +
            ": nothing can be said of the counts");
    report = std::move(*checked);
    redis.stop();
}

/// Runs the checks of Redis to their end.
aggregator::verify_report report_of(const config& c, const std::string& site)
{
    boost::asio::io_context context;
    metrics_registry metrics;
    redis::client_options options;
    options.name = "luot-verify";
    options.quiet = true;
    redis::client redis{context, redis_of(c), options, metrics};
    redis.use_scripts(aggregator::verify_scripts());
    redis.start();
    aggregator::verify_report report;
    std::exception_ptr failure;
    boost::asio::co_spawn(context, check(redis, site, report), [&](std::exception_ptr e) {
        failure = e;
        redis.stop();
    });
    context.run();
    if (failure)
        std::rethrow_exception(failure);
    return report;
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
    if (!site.empty() && !c.find_site(site)) {
        std::fprintf(stderr, "luot: %s has no site %s\n", config_file.c_str(), site.c_str());
        return 2;
    }
    (void)with_positions;
    const auto report = report_of(c, site);
    for (const auto& d : report.found)
        std::printf("%s\n", text_of(d).c_str());
    for (const auto& line : report.undecided)
        std::printf("undecided %s\n", line.c_str());
    std::printf("%llu keys of %llu sites checked: %zu differences\n",
                static_cast<unsigned long long>(report.keys),
                static_cast<unsigned long long>(report.sites), report.found.size());
    return report.found.empty() ? 0 : 1;
}

}  // namespace luot
