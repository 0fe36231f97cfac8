#include "aggregator/counts.hpp"

#include "aggregator/page_names.hpp"
#include "aggregator/progress.hpp"
#include "core/keys.hpp"
#include "core/local_time.hpp"
#include "core/redis/reads.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;
using namespace std::string_view_literals;

namespace {

period_counts& operator+=(period_counts& sum, const period_counts& part)
{
    sum.views += part.views;
    sum.visits += part.visits;
    sum.visitors += part.visitors;
    sum.bounces += part.bounces;
    sum.reloads += part.reloads;
    sum.visit_ms += part.visit_ms;
    return sum;
}

period_counts counts_of(const redis::reply_view& fields)
{
    return {fields[0].count(), fields[1].count(), fields[2].count(),
            fields[3].count(), fields[4].count(), fields[5].count()};
}

/// The hashes that a summary is read from, as a list of keys and how each reply is added up.
struct summary_plan {
    struct part {
        std::string key;
        std::string_view visitors_field;
        std::vector<period_counts summary_counts::*> into;
    };
    std::vector<part> parts;

    summary_plan(const std::string& site, std::int32_t today)
    {
        const auto monday = monday_of(today);
        for (auto date = std::min(monday, today - 1); date <= today; ++date) {
            part day{keys::day(site, date), "visitors", {}};
            if (date == today)
                day.into.push_back(&summary_counts::today);
            if (date == today - 1)
                day.into.push_back(&summary_counts::yesterday);
            if (date >= monday)
                day.into.push_back(&summary_counts::this_week);
            parts.push_back(std::move(day));
        }
        const int this_month = static_cast<int>(month_of(today));
        for (int back = 0; back < std::max(this_month, 2); ++back) {
            part month{keys::month(site, month_begin(today, -back)), "visitor_days", {}};
            if (back == 0)
                month.into.push_back(&summary_counts::this_month);
            if (back == 1)
                month.into.push_back(&summary_counts::last_month);
            if (back < this_month)
                month.into.push_back(&summary_counts::this_year);
            parts.push_back(std::move(month));
        }
    }
};

constexpr std::size_t addresses_per_call = 1000;

/// The addresses whose counts the pages are that are asked for.
struct asked_pages {
    std::vector<std::vector<std::string>> parts;
    std::unordered_map<std::string_view, std::int64_t> views_of;  ///< by page, of those counted

    asked_pages(const page_names& names, const std::vector<std::string>& paths)
    {
        std::unordered_set<std::string_view> pages;
        for (const auto& path : paths) {
            if (path.empty() || !pages.insert(names.page_of(path)).second)
                continue;
            for (auto& address : names.addresses_of(std::string(names.page_of(path)))) {
                if (parts.empty() || parts.back().size() == addresses_per_call)
                    parts.emplace_back();
                parts.back().push_back(std::move(address));
            }
        }
    }
};

}  // namespace

asio::awaitable<result<site_counts>> read_counts(redis::client& redis, fall_back_guard& guard,
                                                 const site_table::site& site,
                                                 std::uint32_t max_paths,
                                                 std::vector<std::string> paths, bool with_summary,
                                                 std::int64_t now_ms)
{
    const std::string id = site.settings->id;
    const auto max_new_paths = site.settings->max_new_paths_per_day;
    const auto today = site.zone.date(now_ms);
    const summary_plan plan{id, today};

    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        const auto names = held_names(site);
        asked_pages asked{*names, paths};
        redis::reads wanted;
        wanted.add("HMGET", keys::totals(id), "views"sv, "visits"sv, "visitor_days"sv,
                   "baseline_views"sv, "baseline_visits"sv, "bounces"sv, "reloads"sv, "visit_ms"sv);
        // Who was seen under a clock that was ahead, and set back since, is not there for hours.
        wanted.add("ZCOUNT", keys::seen(id), now_ms - online_ms, now_ms + online_ms);
        wanted.add("ZCARD", keys::pages(id));
        wanted.add("ZSCORE", keys::pages(id), other_path);
        wanted.add("HGET", keys::day(id, today), "new_paths"sv);
        wanted.add("HGET", keys::corrections(id), "mark"sv);
        for (const auto& part : asked.parts)
            wanted.add_list("ZMSCORE", keys::pages(id), part);
        if (with_summary)
            for (const auto& part : plan.parts)
                wanted.add("HMGET", part.key, "views"sv, "visits"sv, part.visitors_field,
                           "bounces"sv, "reloads"sv, "visit_ms"sv);
        const auto answers =
            co_await read_guarded(redis, guard, partition_of(id), std::move(wanted));
        if (!answers)
            co_return answers.error();
        const auto read = (*answers)[0];
        if (read[5].text() != names->mark()) {
            const auto now = co_await current_names(redis, site);
            if (!now)
                co_return now.error();
            continue;
        }

        site_counts out;
        const auto totals = read[0];
        out.views = totals[0].count() + totals[3].count();
        out.visits = totals[1].count() + totals[4].count();
        out.online = read[1].count();
        const auto path_count = read[2].count() - (read[3].is_null() ? 0 : 1);
        const bool is_at_limit = path_count >= max_paths || read[4].count() >= max_new_paths;
        std::size_t at = 6;
        for (const auto& part : asked.parts) {
            const auto scores = read[at++];
            for (std::size_t i = 0; i < part.size(); ++i)
                if (const auto views = scores[i].number())
                    asked.views_of[names->page_of(part[i])] += *views;
        }
        for (const auto& path : paths) {
            const auto page = names->page_of(path);
            const auto known = asked.views_of.find(page);
            if (path.empty() || !site.settings->counts_apart(std::string(page)))
                out.pages.emplace_back(std::nullopt);
            else if (known != asked.views_of.end())
                out.pages.emplace_back(known->second);
            else if (is_at_limit)
                out.pages.emplace_back(std::nullopt);
            else
                out.pages.emplace_back(0);
        }
        if (with_summary) {
            summary_counts summary;
            for (const auto& part : plan.parts) {
                const auto counts = counts_of(read[at++]);
                for (const auto period : part.into)
                    summary.*period += counts;
            }
            summary.total = {out.views,         out.visits,        totals[2].count(),
                             totals[5].count(), totals[6].count(), totals[7].count()};
            out.summary = summary;
        }
        co_return out;
    }
    co_return make_error_code(errc::redis_error);
}

}  // namespace luot::aggregator
