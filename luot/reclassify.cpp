#include "aggregator/reclassify.hpp"

#include "aggregator/correct.hpp"
#include "aggregator/corrections/note.hpp"
#include "core/local_time.hpp"
#include "core/log.hpp"
#include "luot/commands.hpp"
#include "luot/on_redis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <string_view>
#include <utility>

namespace luot {

namespace {

/// What a run came to, for the log of the site's corrections.
class changes_of_days {
public:
    void add(const aggregator::reclassified_day& day)
    {
        ++days_;
        for (const auto& f : day.figures) {
            const auto at = std::find(names.begin(), names.end(), f.name);
            if (at == names.end())
                continue;
            auto& [before, now] = sums_[static_cast<std::size_t>(at - names.begin())];
            before += f.before;
            now += f.now;
        }
    }
    [[nodiscard]] bool empty() const noexcept { return days_ == 0; }
    [[nodiscard]] std::string text() const
    {
        auto out = fmt::format("{} {} changed", days_, days_ == 1 ? "day" : "days");
        for (std::size_t i = 0; i < names.size(); ++i)
            out += fmt::format(", {} {} -> {}", names[i], sums_[i].first, sums_[i].second);
        return out;
    }

private:
    static constexpr std::array<std::string_view, 4> names{"views", "visits", "events", "bots"};

    std::array<std::pair<std::int64_t, std::int64_t>, names.size()> sums_{};
    std::size_t days_ = 0;
};

void print(const aggregator::reclassified_day& day, bool is_dry_run)
{
    std::printf("%s: ", date_text(day.date).c_str());
    if (!day.refused.empty()) {
        std::printf("refused: %s\n", day.refused.c_str());
    } else if (!day.has_changed) {
        std::printf("nothing changes\n");
    } else {
        const char* between = is_dry_run ? "would change: " : "changed: ";
        for (const auto& f : day.figures) {
            if (f.before == f.now && (f.name.starts_with("bots:") || f.name == "new_paths"))
                continue;
            std::printf("%s%s %lld -> %lld", between, f.name.c_str(),
                        static_cast<long long>(f.before), static_cast<long long>(f.now));
            between = ", ";
        }
        std::printf(", %zu rows\n", day.rows);
    }
    std::fflush(stdout);
}

}  // namespace

int reclassify_days(const std::string& config_file, const std::string& site_id, std::int32_t from,
                    std::int32_t to, const std::vector<std::string>& archives, bool is_dry_run)
{
    config c;
    const auto* site = load_with_site(config_file, site_id, c);
    if (!site)
        return 2;
    aggregator::reclassify_options options;
    options.site = site->id;
    options.settings = std::make_shared<const config>(c);
    options.from = from;
    options.to = to;
    options.archives = archives;
    options.is_dry_run = is_dry_run;
    if (options.archives.empty() && !c.archive.directory.empty())
        options.archives.push_back(c.archive.directory);
    if (options.archives.empty()) {
        std::fprintf(stderr,
                     "luot: there is no archive: archive.dir is not set in %s, and no --archive is "
                     "given\n",
                     config_file.c_str());
        return 2;
    }
    bool is_any_refused = false;
    changes_of_days done;
    const auto tell = [&](const aggregator::reclassified_day& day) {
        is_any_refused = is_any_refused || !day.refused.empty();
        print(day, is_dry_run);
        if (!day.has_changed || !day.refused.empty() || is_dry_run)
            return;
        done.add(day);
        for (const auto& f : day.figures)
            if (f.name == "views")
                log::info("reclassified", {{"site", options.site},
                                           {"date", date_text(day.date)},
                                           {"views_before", f.before},
                                           {"views", f.now}});
    };
    const auto work = [&](redis::client& redis) -> boost::asio::awaitable<void> {
        std::exception_ptr trouble;
        try {
            co_await aggregator::reclassify(redis, options, tell);
        } catch (...) {
            trouble = std::current_exception();
        }
        // Days that were done stand in the log, whatever became of the others.
        if (!done.empty()) {
            auto of = date_text(from) + " to " + date_text(to);
            auto changed = done.text();
            try {
                (void)co_await aggregator::log_note(redis, *site, aggregator::reclassify_note,
                                                    std::move(of), std::move(changed));
            } catch (const aggregator::correction_error&) {
                if (!trouble)
                    throw;
            }
        }
        if (trouble)
            std::rethrow_exception(trouble);
    };
    try {
        run_on_redis(c, "luot-reclassify",
                     {&aggregator::reclassify_script(), &aggregator::correct_script()}, work);
    } catch (const aggregator::reclassify_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 1;
    } catch (const aggregator::correction_error& e) {
        std::fprintf(stderr, "luot: the days are counted again, but not in the log: %s\n",
                     e.what());
        return 1;
    } catch (const config_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 2;
    } catch (const no_redis& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 1;
    }
    return is_any_refused ? 1 : 0;
}

}  // namespace luot
