#include "aggregator/prune.hpp"

#include "aggregator/correct.hpp"
#include "aggregator/corrections.hpp"
#include "core/clock.hpp"
#include "core/local_time.hpp"
#include "core/log.hpp"
#include "luot/commands.hpp"
#include "luot/on_redis.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace luot {

int prune_paths(const std::string& config_file, const std::string& site_id,
                std::uint64_t views_below, std::int32_t older_days, bool is_dry_run)
{
    config c;
    const auto* site = load_with_site(config_file, site_id, c);
    if (!site)
        return 2;
    const auto today = local_zone(site->timezone).date(unix_ms());
    const aggregator::prune_options options{views_below, older_days, today, is_dry_run};
    aggregator::prune_outcome done;
    const auto work = [&](redis::client& redis) -> boost::asio::awaitable<void> {
        done = co_await aggregator::prune(redis, *site, options);
        if (is_dry_run || done.pruned == 0)
            co_return;
        auto of = fmt::format("paths below {} views, older than {} days", views_below, older_days);
        auto changed = fmt::format("{} paths with {} views, into (other)", done.pruned, done.views);
        (void)co_await aggregator::log_pruning(redis, *site, std::move(of), std::move(changed));
    };
    try {
        run_on_redis(c, "luot-prune", {&aggregator::prune_script(), &aggregator::correct_script()},
                     work);
    } catch (const aggregator::prune_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 1;
    } catch (const aggregator::correction_error& e) {
        std::fprintf(stderr, "luot: the paths are pruned, but not in the log: %s\n", e.what());
        return 1;
    } catch (const no_redis& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 1;
    }
    if (!is_dry_run)
        log::info("paths_pruned", {{"site", site->id},
                                   {"views_below", views_below},
                                   {"older_days", older_days},
                                   {"paths", done.paths},
                                   {"pruned", done.pruned},
                                   {"views", done.views}});
    std::printf("%s: %zu of %zu paths %s, %llu views %s (other)\n", site->id.c_str(), done.pruned,
                done.paths, is_dry_run ? "would be pruned" : "pruned",
                static_cast<unsigned long long>(done.views),
                is_dry_run ? "would go to" : "went to");
    return 0;
}

}  // namespace luot
