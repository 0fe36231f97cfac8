#include "luot/on_redis.hpp"

#include "core/keys.hpp"
#include "core/metrics.hpp"
#include "luot/private_redis.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdio>
#include <exception>
#include <utility>

namespace luot {

namespace {

boost::asio::awaitable<void> connected(
    redis::client& redis, std::chrono::milliseconds patience,
    const std::function<boost::asio::awaitable<void>(redis::client&)>& work)
{
    // Not in the condition: g++ 12 then makes a coroutine that never ends.
    const bool is_there = co_await redis.wait_connected(patience);
    if (!is_there)
        throw no_redis("Redis cannot be reached (" + redis.trouble() +
                       "): is luot running with this configuration?");
    co_await work(redis);
}

}  // namespace

const site_config* load_with_site(const std::string& config_file, const std::string& site_id,
                                  config& c)
{
    try {
        c = load_config(config_file);
    } catch (const config_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return nullptr;
    }
    const auto* site = c.find_site(site_id);
    if (!site)
        std::fprintf(stderr, "luot: %s has no site %s\n", config_file.c_str(), site_id.c_str());
    return site;
}

void run_on_redis(const config& c, const std::string& name,
                  std::vector<const redis::script*> scripts,
                  const std::function<boost::asio::awaitable<void>(redis::client&)>& work,
                  redis_use use, std::chrono::milliseconds patience)
{
    boost::asio::io_context context;
    metrics_registry metrics;
    redis::client_options options;
    options.name = name;
    options.quiet = true;
    if (use == redis_use::changes) {
        options.format_key = keys::format_key;
        options.format = keys::format;
    }
    redis::client redis{context, redis_of(c), options, metrics};
    redis.use_scripts(std::move(scripts));
    redis.start();
    std::exception_ptr failure;
    boost::asio::co_spawn(context, connected(redis, patience, work), [&](std::exception_ptr e) {
        failure = e;
        redis.stop();
    });
    context.run();
    if (failure)
        std::rethrow_exception(failure);
}

}  // namespace luot
