#include "aggregator/export_counts.hpp"
#include "core/local_time.hpp"
#include "luot/commands.hpp"
#include "luot/on_redis.hpp"

#include <cstdio>

namespace luot {

namespace {

void print(const std::string& text)
{
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
        throw aggregator::export_error("standard output takes no more");
}

}  // namespace

int export_site(const std::string& config_file, const std::string& site_id, std::int32_t from,
                std::int32_t to, bool as_json)
{
    config c;
    const auto* site = load_with_site(config_file, site_id, c);
    if (!site)
        return 2;
    aggregator::export_text text{as_json ? aggregator::export_format::json
                                         : aggregator::export_format::csv};
    const auto work = [&](redis::client& redis) -> boost::asio::awaitable<void> {
        print(text.begin(site->id, date_text(from), date_text(to)));
        const std::function<void(const aggregator::export_row&)> take =
            [&text](const aggregator::export_row& row) { print(text.row(row)); };
        co_await aggregator::export_counts(redis, *site, {from, to}, take);
        print(text.end());
    };
    try {
        run_on_redis(c, "luot-export", aggregator::export_scripts(), work, redis_use::only_reads);
        if (std::fflush(stdout) != 0)
            throw aggregator::export_error("standard output takes no more");
        return 0;
    } catch (const aggregator::export_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 1;
    } catch (const no_redis& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 1;
    }
}

}  // namespace luot
