#include "aggregator/summary_report.hpp"

#include "core/local_time.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <string>

namespace luot::aggregator {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

json::string_view json_view(std::string_view text)
{
    return {text.data(), text.size()};
}

std::string_view name_of(metric what)
{
    switch (what) {
        case metric::visits:
            return "visits";
        case metric::events:
            return "events";
        case metric::bots:
            return "bots";
        default:  // no row counts another
            break;
    }
    return "views";
}

json::object period_of(date_range range)
{
    return {{"from", date_text(range.from)}, {"to", date_text(range.to)}};
}

void add_count(json::object& out, const row_filter& row, const row_count& count, bool is_known)
{
    auto& value = out[json_view(name_of(metric_of(row.by)))];
    if (is_known)
        value = count.value;
    else
        value = nullptr;
    if (count.in_other > 0)
        out["in_other_at_most"] = count.in_other;
}

}  // namespace

std::vector<summary_period> summary_periods(std::int32_t today)
{
    const auto monday = monday_of(today), month = month_begin(today);
    const auto last_month = month_begin(month, -1), before_last = month_begin(month, -2);
    const auto year = month_begin(today, 1 - static_cast<int>(month_of(today)));
    // The same date of the month before, of the year before; a shorter month ends earlier.
    const auto of_last_month = std::min(last_month + (today - month), month - 1);
    const auto of_last_year =
        std::min(month_begin(month, -12) + (today - month), month_begin(month, -11) - 1);
    return {
        {"today", {today, today}, {today - 1, today - 1}},
        {"yesterday", {today - 1, today - 1}, {today - 2, today - 2}},
        {"this_week", {monday, today}, {monday - 7, today - 7}},
        {"this_month", {month, month_begin(month, 1) - 1}, {last_month, of_last_month}},
        {"last_month", {last_month, month - 1}, {before_last, last_month - 1}},
        {"this_year", {year, month_begin(year, 12) - 1}, {month_begin(year, -12), of_last_year}},
    };
}

asio::awaitable<error_code> add_periods_before(json::object& summary, redis::client& redis,
                                               fall_back_guard& guard, const site_table::site& site,
                                               std::int32_t today)
{
    const auto periods = summary_periods(today);
    std::vector<date_range> ranges;
    for (const auto& p : periods)
        ranges.push_back(p.before);
    const auto read = co_await read_periods(redis, guard, site, ranges);
    if (!read)
        co_return read.error();
    for (std::size_t i = 0; i < periods.size(); ++i) {
        auto previous = period_of(ranges[i]);
        const auto& counts = (*read)[i];
        previous["views"] = counts.views;
        previous["visits"] = counts.visits;
        previous[i < 2 ? "visitors" : "visitor_days"] = counts.visitors;  // of days, or longer
        previous["bounces"] = counts.bounces;
        previous["reloads"] = counts.reloads;
        previous["visit_seconds"] = visit_seconds(counts.visit_ms);
        summary[json_view(periods[i].name)].as_object()["previous"] = std::move(previous);
    }
    co_return error_code{};
}

asio::awaitable<error_code> add_row_periods(json::object& summary, redis::client& redis,
                                            fall_back_guard& guard, const site_table::site& site,
                                            const row_filter& row, std::int32_t today,
                                            bool compares, std::int32_t kept)
{
    const auto periods = summary_periods(today);
    std::vector<date_range> ranges;
    for (const auto& p : periods)
        ranges.push_back(p.range);
    if (compares)
        for (const auto& p : periods)
            ranges.push_back(p.before);
    const auto read = co_await read_row(redis, guard, site, row, ranges);
    if (!read)
        co_return read.error();
    for (std::size_t i = 0; i < periods.size(); ++i) {
        json::object period;
        add_count(period, row, (*read)[i], true);
        if (compares) {
            const auto& before = periods[i].before;
            auto previous = period_of(before);
            const bool is_forgotten = row.by && reads_forgotten(before, kept);
            add_count(previous, row, (*read)[periods.size() + i], !is_forgotten);
            if (is_forgotten)
                previous["kept_from"] = date_text(kept);
            period["previous"] = std::move(previous);
        }
        summary[json_view(periods[i].name)] = std::move(period);
    }
    co_return error_code{};
}

}  // namespace luot::aggregator
