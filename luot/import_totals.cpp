#include "aggregator/totals.hpp"
#include "core/config.hpp"
#include "core/file.hpp"
#include "core/log.hpp"
#include "luot/commands.hpp"
#include "luot/on_redis.hpp"

#include <cstdio>

namespace luot {

namespace {

constexpr std::size_t most_csv_bytes = 256 << 20;

boost::asio::awaitable<void> import(redis::client& redis, const config& c, const site_config& site,
                                    const aggregator::totals& wanted)
{
    const auto done =
        co_await aggregator::import_totals(redis, site, c.aggregator.max_paths, wanted);
    log::info("totals_imported", {{"site", site.id},
                                  {"pages", done.pages},
                                  {"changed", done.changed},
                                  {"views", wanted.views},
                                  {"visits", wanted.visits}});
    std::printf("%s: %llu views and %llu visits in all, %zu pages (%zu changed)\n", site.id.c_str(),
                static_cast<unsigned long long>(wanted.views),
                static_cast<unsigned long long>(wanted.visits), done.pages, done.changed);
}

}  // namespace

int import_totals_file(const std::string& config_file, const std::string& csv_file,
                       const std::string& site_id)
{
    config c;
    const auto* site = load_with_site(config_file, site_id, c);
    if (!site)
        return 2;
    const auto csv = read_file(csv_file, most_csv_bytes + 1);
    if (!csv) {
        std::fprintf(stderr, "luot: cannot read %s: %s\n", csv_file.c_str(),
                     csv.error().message().c_str());
        return 1;
    }
    if (csv->size() > most_csv_bytes) {
        std::fprintf(stderr, "luot: %s is larger than 256 MiB: are these totals?\n",
                     csv_file.c_str());
        return 1;
    }
    try {
        const auto wanted = aggregator::parse_totals(*csv, csv_file, *site);
        run_on_redis(c, "luot-import", {&aggregator::baseline_script()},
                     [&](redis::client& redis) { return import(redis, c, *site, wanted); });
        return 0;
    } catch (const aggregator::totals_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 1;
    } catch (const no_redis& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 1;
    }
}

}  // namespace luot
