#include "aggregator/export_counts.hpp"

#include "aggregator/fold/fold.hpp"
#include "aggregator/page_names.hpp"
#include "aggregator/reports.hpp"
#include "core/hit.hpp"
#include "core/keys.hpp"
#include "core/local_time.hpp"
#include "core/redis/reads.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace luot::embedded {
extern const std::string_view rows_lua;
}

namespace luot::aggregator {

namespace asio = boost::asio;
using namespace std::string_view_literals;

namespace {

constexpr int pages_per_step = 500;
constexpr std::size_t periods_per_step = 4;  // of 1,001 rows each at most

const redis::script& rows_script()
{
    static const redis::script s{embedded::rows_lua};
    return s;
}

/// A day or a month.
struct period {
    std::string_view kind;
    std::string date, key, pages_key;
    std::string_view visitors_field;
};

std::vector<period> periods_of(const std::string& site, date_range range)
{
    std::vector<period> out;
    for (auto at = month_begin(range.from); at <= range.to; at = month_begin(at, 1))
        out.push_back({export_kinds::month, date_text(at).substr(0, 7), keys::month(site, at),
                       keys::month_breakdown(site, at, breakdown::path), "visitor_days"});
    for (auto at = range.from; at <= range.to; ++at)
        out.push_back({export_kinds::day, date_text(at), keys::day(site, at),
                       keys::day_breakdown(site, at, breakdown::path), "visitors"});
    return out;
}

/// One run of the command.
class exporting {
public:
    exporting(redis::client& redis, const site_config& site, const page_names& names,
              const std::function<void(const export_row&)>& take)
        : redis_(redis), site_(site.id), names_(names), take_(take)
    {
    }

    asio::awaitable<void> all_time()
    {
        std::string cursor = "0";
        do {
            auto step = redis::evaluate(rows_script(), 3);
            step.add(std::string_view(keys::pages(site_)))
                .add(std::string_view(keys::baseline(site_)))
                .add(std::string_view(keys::totals(site_)))
                .add(std::string_view(cursor))
                .add(pages_per_step);
            redis::pipeline commands;
            commands.add(step);
            const auto answers = co_await exec(commands);
            const auto part = answers[0];
            cursor = part[0].text();
            check_edits(part[3].count());
            const auto rows = part[4];
            for (std::size_t i = 0; i + 2 < rows.size(); i += 3)
                take_page(rows[i].text(), rows[i + 1].count(), rows[i + 2].count());
        } while (cursor != "0");
        for (const auto& [page, sums] : merged_)
            take_sums(page, sums.shown, sums.imported);

        redis::pipeline commands;
        commands.add("HMGET", keys::totals(site_), "views"sv, "visits"sv, "visitor_days"sv,
                     "events"sv, "bots"sv, "baseline_views"sv, "baseline_visits"sv, "edits"sv,
                     "bounces"sv, "reloads"sv, "visit_ms"sv);
        const auto answers = co_await exec(commands);
        const auto held = answers[0];
        check_edits(held[7].count());
        if (held[5].count() > 0)
            take_({export_kinds::baseline, {}, {}, held[5].count(), held[6].count()});
        take_({export_kinds::total,
               {},
               {},
               held[0].count(),
               held[1].count(),
               held[2].count(),
               held[3].count(),
               held[4].count(),
               held[8].count(),
               held[9].count(),
               visit_seconds(held[10].count())});
    }

    asio::awaitable<void> periods(const std::vector<period>& all)
    {
        for (std::size_t from = 0; from < all.size(); from += periods_per_step) {
            const auto upto = std::min(all.size(), from + periods_per_step);
            redis::reads wanted;
            for (auto i = from; i < upto; ++i) {
                wanted.add("HMGET", all[i].key, "views"sv, "visits"sv, all[i].visitors_field,
                           "events"sv, "bots"sv, "bounces"sv, "reloads"sv, "visit_ms"sv);
                wanted.add("ZRANGE", all[i].pages_key, 0, -1, "WITHSCORES"sv);
            }
            redis::pipeline commands;
            commands.add(wanted.call());
            const auto answers = co_await exec(commands);
            for (auto i = from; i < upto; ++i)
                take_period(all[i], answers[0][2 * (i - from)], answers[0][2 * (i - from) + 1]);
        }
    }

private:
    asio::awaitable<redis::replies> exec(const redis::pipeline& commands)
    {
        auto answers = co_await redis_.exec(commands);
        if (!answers)
            throw export_error("Redis: " + (redis_.trouble().empty() ? answers.error().message()
                                                                     : redis_.trouble()));
        if (const auto error = answers->first_error(); !error.is_null())
            throw export_error("Redis: " + std::string(error.text()));
        co_return std::move(*answers);
    }

    void check_edits(std::int64_t edits)
    {
        if (edits_ && *edits_ != edits)
            throw export_error(
                "the site's pages were changed meanwhile, by an import or luot prune: run this "
                "again");
        edits_ = edits;
    }

    /// A page may come twice.
    void take_page(std::string_view path, std::int64_t shown, std::int64_t imported)
    {
        if (!seen_.insert(path_hash(path)).second)
            return;
        const auto page = names_.page_of(path);
        if (page == path && names_.addresses_of(std::string(page)).size() == 1)
            return take_sums(path, shown, imported);
        auto& sums = merged_[std::string(page)];
        sums.shown += shown;
        sums.imported += imported;
    }

    void take_sums(std::string_view path, std::int64_t shown, std::int64_t imported)
    {
        if (shown > imported || imported == 0)
            take_({export_kinds::total, {}, std::string(path), shown - imported});
        if (imported > 0)
            take_({export_kinds::baseline, {}, std::string(path), imported});
    }

    /// Where nothing was counted there is no row.
    void take_period(const period& p, const redis::reply_view& counts,
                     const redis::reply_view& pages)
    {
        export_row whole{p.kind, p.date, {}, counts[0].count()};
        whole.visits = counts[1].count();
        whole.visitors = counts[2].count();
        whole.events = counts[3].count();
        whole.bots = counts[4].count();
        whole.bounces = counts[5].count();
        whole.reloads = counts[6].count();
        whole.visit_seconds = visit_seconds(counts[7].count());
        if (whole.views + *whole.events + *whole.bots > 0)
            take_(whole);
        std::map<std::string, std::int64_t> sums;
        std::vector<std::pair<std::string, std::int64_t>> rows;
        for (std::size_t i = 0; i + 1 < pages.size(); i += 2)
            sums[std::string(names_.page_of(pages[i].text()))] += pages[i + 1].count();
        rows.assign(sums.begin(), sums.end());
        std::stable_sort(rows.begin(), rows.end(),
                         [](const auto& a, const auto& b) { return a.second > b.second; });
        for (auto& [page, views] : rows)  // most read first
            take_({p.kind, p.date, std::move(page), views});
    }

    redis::client& redis_;
    const std::string site_;
    const page_names& names_;
    const std::function<void(const export_row&)>& take_;
    struct page_counts {
        std::int64_t shown = 0, imported = 0;
    };
    std::map<std::string, page_counts> merged_;  ///< pages into which others were merged
    std::optional<std::int64_t> edits_;
    boost::unordered_flat_set<std::uint64_t> seen_;
};

}  // namespace

std::vector<const redis::script*> export_scripts()
{
    return {&redis::reads::source(), &rows_script()};
}

asio::awaitable<void> export_counts(redis::client& redis, const site_config& site, date_range range,
                                    const std::function<void(const export_row&)>& take)
{
    co_await await_rows(redis, partition_of(site.id));
    auto read = co_await read_page_names(redis, site.id);
    if (!read)
        throw export_error("Redis: " + read.error().message());
    const page_names names(read->mark, read->aliases, std::move(read->hidden));
    exporting run{redis, site, names, take};
    co_await run.all_time();
    const auto periods = periods_of(site.id, range);
    co_await run.periods(periods);
}

}  // namespace luot::aggregator
