// All counts of a site are taken out, key by key: those that must agree in one step.

#include "aggregator/corrections/correcting.hpp"
#include "aggregator/fold/fold.hpp"
#include "core/clock.hpp"
#include "core/keys.hpp"
#include "core/local_time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace luot::aggregator {

namespace asio = boost::asio;
using namespace std::string_view_literals;

namespace {

class site_deletion : public correcting {
public:
    using correcting::correcting;

    asio::awaitable<corrected> remove(delete_options options);
};

asio::awaitable<corrected> site_deletion::remove(delete_options options)
{
    co_await read_log();
    const auto& id = site_.id;
    const auto prefix = site_prefix();
    (void)co_await begin_deletion(std::string(of_site), options);
    const auto is_recent_day = [&](std::int32_t date) { return date >= options.today - 2; };
    const auto is_recent_month = [&](std::int32_t date) {
        return date >= month_begin(options.today, -1);
    };
    std::set<std::string> first, last;
    const auto names = co_await keys_like(prefix + "*");
    for (const auto& name : names) {
        const auto key = keys::parse(name);
        if (key.site != id)
            continue;
        switch (key.what) {
            case keys::kind::unknown:
            case keys::kind::corrections:
            case keys::kind::aliases:
            case keys::kind::hidden:
            case keys::kind::taken:
            case keys::kind::kept:
                break;
            case keys::kind::day_breakdown:
            case keys::kind::day_first_seen:
                (is_recent_day(key.date) ? last : first).insert(name);
                break;
            case keys::kind::month_breakdown:
                (is_recent_month(key.date) ? last : first).insert(name);
                break;
            default:
                last.insert(name);
        }
    }
    // What hits may make meanwhile.
    for (const auto* name : {"totals", "pages", "baseline", "facts", "seen", "visits"})
        last.insert(prefix + name);
    for (auto date = options.today - 2; date <= options.today + 1; ++date) {
        last.insert({keys::day(id, date), keys::day_visitors(id, date),
                     keys::day_first_seen(id, date), keys::path_visitors(id, date),
                     keys::month(id, date)});
        for (const auto& by : breakdown_names)
            last.insert(
                {keys::day_breakdown(id, date, by.what), keys::month_breakdown(id, date, by.what)});
    }
    for (auto hour = unix_ms() / hour_ms - 2; hour <= unix_ms() / hour_ms + 1; ++hour)
        last.insert(keys::new_paths(id, hour));

    redis::pipeline asking;
    asking.add("HMGET", keys::totals(id), "views"sv, "visits"sv, "baseline_views"sv);
    const auto held = co_await exec(asking);
    record_.changed =
        fmt::format("{} and {} of all time, {} imported", views_text(held[0][0].count()),
                    counted(held[0][1].count(), "visit", "visits"), held[0][2].count());
    // What tells of readers is forgotten in any case, as soon as it would have been.
    const auto is_of_readers = [](const std::string& key) {
        const auto what = keys::parse(key).what;
        return what == keys::kind::seen || what == keys::kind::visits ||
               what == keys::kind::new_paths;
    };
    const auto taken = [&](const std::string& key) {
        return options.is_for_good || is_of_readers(key)
                   ? change{'U', {key}, {}}
                   : rename(key, keys::kept(id, number_, key));
    };
    // Rows of former days first, as if they had ended: then all that must agree at once.
    const std::vector<std::string> rows(first.begin(), first.end());
    for (std::size_t from = 0; from < rows.size(); from += keys_per_step) {
        changes list;
        for (auto i = from; i < std::min(rows.size(), from + keys_per_step); ++i)
            list.push_back(taken(rows[i]));
        count_record(list);
        co_await must(step_kind::names, list);
    }
    changes list;
    for (const auto& key : last)
        list.push_back(taken(key));
    if (options.is_for_good) {
        const auto kept = co_await keys_like(keys::corrections(id) + ":*");
        for (const auto& key : kept)
            list.push_back({'U', {key}, {}});
        for (const auto& key : {keys::corrections(id), keys::aliases(id), keys::hidden(id)})
            list.push_back({'U', {key}, {}});
    } else {
        record_.state = "made";
        count_record(list);
    }
    co_await must(options.is_for_good ? step_kind::whole_site : step_kind::pages, list);
    co_return corrected{options.is_for_good ? 0 : number_, record_.changed};
}

}  // namespace

asio::awaitable<corrected> delete_site(redis::client& redis, const site_config& site,
                                       delete_options options)
{
    site_deletion run{redis, site};
    co_return co_await run.remove(options);
}

}  // namespace luot::aggregator
