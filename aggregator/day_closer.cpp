#include "aggregator/day_closer.hpp"

#include "core/keys.hpp"
#include "core/metrics.hpp"

#include <utility>
#include <vector>

namespace luot::embedded {
extern const std::string_view close_lua;
}

namespace luot::aggregator {

namespace asio = boost::asio;

namespace {

constexpr std::int64_t most_at_once = 500;  // rows of a step: a script must not hold Redis up

}  // namespace

const redis::script& close_script()
{
    static const redis::script s{embedded::close_lua};
    return s;
}

redis::command close_command(const std::string& site, std::int32_t date, breakdown by,
                             std::int64_t stay, std::int64_t most)
{
    auto c = redis::evaluate(close_script(), 2);
    c.add(std::string_view(keys::day_breakdown(site, date, by)))
        .add(std::string_view(keys::day(site, date)))
        .add(stay)
        .add(most);
    return c;
}

day_closer::day_closer(redis::client& redis, metrics_registry& metrics)
    : redis_(redis),
      rows_(metrics.add_counter("luot_closed_rows_total",
                                "Rows of closed days' breakdowns by page that went to (other), "
                                "because the day has more than it keeps."))
{
}

asio::awaitable<void> day_closer::close(const site_table::site& site, std::int64_t passed_ms)
{
    const auto& id = site.settings->id;
    const auto last = site.zone.date(passed_ms) - 1;
    if (const auto done = closed_.find(id); done != closed_.end() && done->second >= last)
        co_return;
    std::vector<std::pair<std::int32_t, breakdown>> asked;
    redis::pipeline counting;
    for (auto date = last - looks_back; date <= last; ++date)
        for (const auto& b : breakdown_names)
            if (is_of_pages(b.what)) {
                asked.emplace_back(date, b.what);
                counting.add("ZCARD", keys::day_breakdown(id, date, b.what));
            }
    const auto counts = co_await redis_.exec(counting);
    if (!counts)
        co_return;
    for (std::size_t i = 0; i < asked.size(); ++i) {
        const auto rows = (*counts)[i];
        if (rows.is_error())
            refused("ZCARD", id, rows.text());
        else if (rows.count() > most_of_closed_day &&
                 !co_await cut(id, asked[i].first, asked[i].second))
            co_return;
    }
    closed_[id] = last;
}

asio::awaitable<bool> day_closer::cut(const std::string& site, std::int32_t date, breakdown by)
{
    for (std::int64_t left = most_at_once; left > 0;) {
        redis::pipeline cutting;
        cutting.add(close_command(site, date, by, most_of_closed_day, most_at_once));
        const auto answers = co_await redis_.exec(cutting);
        if (!answers)
            co_return false;
        const auto answer = (*answers)[0];
        if (answer.size() != 2) {
            refused("close.lua", site, answer.text());
            co_return false;
        }
        rows_.add(static_cast<std::uint64_t>(answer[0].count()));
        left = answer[1].count();
    }
    co_return true;
}

void day_closer::refused(std::string_view command, std::string_view site, std::string_view answer)
{
    if (error_limit_.pass())
        log::warn("redis_refuses", {{"command", command},
                                    {"site", site},
                                    {"answer", answer},
                                    {"held_back", error_limit_.held_back()}});
}

}  // namespace luot::aggregator
