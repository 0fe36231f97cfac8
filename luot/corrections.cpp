#include "luot/corrections.hpp"

#include "aggregator/correct.hpp"
#include "aggregator/corrections.hpp"
#include "core/clock.hpp"
#include "core/local_time.hpp"
#include "core/log.hpp"
#include "import/byte_source.hpp"
#include "luot/on_redis.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <functional>

namespace luot {

namespace {

using aggregator::corrected;
using aggregator::correction_error;

constexpr std::size_t most_text_bytes = 64 << 20;
constexpr std::size_t piece_bytes = 64 << 10;
constexpr const char* again_by_round =
    ": access logs that were imported count again with luot import log --round N "
    "(docs/log-import.md)";

std::string text_of(const std::string& name)
{
    auto source = importer::byte_source::open(name);
    if (source.has_error())
        throw correction_error("cannot read " + name + ": " + source.error().message());
    std::string out, piece;
    do {
        piece.resize(piece_bytes);
        const auto size = source->read(piece.data(), piece.size());
        if (size.has_error())
            throw correction_error("cannot read " + name + ": " + size.error().message());
        piece.resize(*size);
        out += piece;
        if (out.size() > most_text_bytes)
            throw correction_error(name + " is larger than 64 MiB: are these addresses?");
    } while (!piece.empty());
    return out;
}

/// Runs one correction and says what it came to. `done`: as a sentence on the site.
int run(const std::string& config_file, const std::string& site_id, const char* event,
        const std::function<boost::asio::awaitable<corrected>(redis::client&, const config&,
                                                              const site_config&)>& work,
        const std::function<std::string(const corrected&)>& told)
{
    config c;
    const auto* site = load_with_site(config_file, site_id, c);
    if (!site)
        return 2;
    corrected done;
    const auto all = [&](redis::client& redis) -> boost::asio::awaitable<void> {
        done = co_await work(redis, c, *site);
    };
    try {
        run_on_redis(c, "luot-correct", {&aggregator::correct_script()}, all);
    } catch (const std::runtime_error& e) {  // correction_error, no_redis
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 1;
    }
    // Addresses are what clients say: the log holds none.
    if (done.number > 0 || !done.changed.empty())
        log::info(event, {{"site", site->id}, {"correction", done.number}});
    fmt::print("{}: {}\n", site->id, told(done));
    return 0;
}

std::string with_number(const corrected& done)
{
    return fmt::format("{} (correction {})", done.changed, done.number);
}

}  // namespace

int merge_paths(const std::string& config_file, const std::string& site_id, const std::string& from,
                const std::string& to, const std::string& file)
{
    const auto work = [&](redis::client& redis, const config&,
                          const site_config& site) -> boost::asio::awaitable<corrected> {
        aggregator::address_pairs pairs;
        std::string of = file;
        if (file.empty()) {
            pairs.push_back(aggregator::normalised_pair(from, to, site));
            of = pairs.front().first + " into " + pairs.front().second;
        } else {
            pairs = aggregator::parse_pairs(text_of(file), file, site);
        }
        return aggregator::merge_pages(redis, site, std::move(pairs), std::move(of));
    };
    return run(config_file, site_id, "pages_merged", work, [](const corrected& done) {
        return done.number == 0 ? std::string("all of that is merged already")
                                : "merged: " + with_number(done);
    });
}

int hide_path(const std::string& config_file, const std::string& site_id, const std::string& path)
{
    const auto work = [&](redis::client& redis, const config&,
                          const site_config& site) -> boost::asio::awaitable<corrected> {
        return aggregator::hide_page(redis, site, aggregator::normalised(path, site));
    };
    return run(config_file, site_id, "page_hidden", work, [](const corrected& done) {
        return done.number == 0 ? std::string("that page is hidden already")
                                : "hidden: " + with_number(done);
    });
}

int delete_counts(const std::string& config_file, const std::string& site_id,
                  const delete_request& asked)
{
    const auto work = [&](redis::client& redis, const config& c,
                          const site_config& site) -> boost::asio::awaitable<corrected> {
        const aggregator::delete_options options{
            asked.is_for_good, local_zone(site.timezone).date(unix_ms()), c.aggregator.keep_days};
        if (asked.is_all)
            return aggregator::delete_site(redis, site, options);
        if (asked.date)
            return aggregator::delete_day(redis, site, *asked.date, options);
        return aggregator::delete_page(redis, site, aggregator::normalised(asked.path, site),
                                       options);
    };
    return run(config_file, site_id, "counts_deleted", work, [&](const corrected& done) {
        const auto text = done.number == 0 || asked.is_for_good
                              ? fmt::format("deleted for good: {}", done.changed)
                              : "deleted: " + with_number(done);
        return asked.is_all ? text + "\n" + site_id + again_by_round : text;
    });
}

int undo_correction(const std::string& config_file, const std::string& site_id,
                    std::uint64_t number)
{
    const auto work = [&](redis::client& redis, const config&,
                          const site_config& site) -> boost::asio::awaitable<corrected> {
        return aggregator::undo_correction(redis, site, number);
    };
    return run(config_file, site_id, "correction_undone", work,
               [](const corrected& done) { return "undone: " + with_number(done); });
}

int list_corrections(const std::string& config_file, const std::string& site_id)
{
    config c;
    const auto* site = load_with_site(config_file, site_id, c);
    if (!site)
        return 2;
    aggregator::correction_log log;
    const auto read = [&](redis::client& redis) -> boost::asio::awaitable<void> {
        log = co_await aggregator::read_corrections(redis, site->id);
    };
    try {
        run_on_redis(c, "luot-correct", {}, read, redis_use::only_reads);
    } catch (const std::runtime_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 1;
    }
    const local_zone zone(site->timezone);
    if (log.records.empty())
        fmt::print("{}: nothing was corrected\n", site->id);
    for (const auto& [number, r] : log.records) {
        fmt::print("{:>4}  {}  {:<10} {:<10} {}: {}", number, zone.local_text(r.at_ms), r.by,
                   r.what, r.of, r.changed);
        if (r.state == "undone")
            fmt::print(" [undone {} by {}]", zone.local_text(r.undone_at_ms), r.undone_by);
        else if (can_go_on(log, number))
            fmt::print(" [not finished: run it again, or undo it]");
        else if (r.state == "begun")
            fmt::print(" [not finished: undo it]");
        else if (r.state == "begun for good")
            fmt::print(" [not finished: run it again]");
        else if (r.state == "for good")
            fmt::print(" [for good]");
        fmt::print("\n");
    }
    return 0;
}

}  // namespace luot
