#include "aggregator/report_api.hpp"

#include "aggregator/page_names.hpp"
#include "aggregator/report_query.hpp"
#include "aggregator/reports.hpp"
#include "aggregator/title_report.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/local_time.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace luot::aggregator {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr std::string_view titles_name = "title";
constexpr std::uint64_t default_rows = 10, most_rows = 1000;

std::string_view value_of(const report_parameters& given, std::string_view name)
{
    const auto found = given.find(name);
    return found == given.end() ? std::string_view{} : std::string_view(found->second);
}

json::string_view json_view(std::string_view text)
{
    return {text.data(), text.size()};
}

/// "path, section, ...": what may be asked for.
template <class Names>
std::string listed(const Names& names)
{
    return fmt::format("{}", fmt::join(names, ", "));
}

/// The enumerator whose name was given; nullopt: another text.
template <class Enum, std::size_t Count>
std::optional<Enum> one_of(std::string_view given, const std::array<std::string_view, Count>& names)
{
    const auto found = std::find(names.begin(), names.end(), given);
    return found == names.end() ? std::nullopt
                                : std::optional(static_cast<Enum>(found - names.begin()));
}

constexpr std::array<std::string_view, 8> metric_names{
    "views", "visits", "visitors", "events", "bots", "bounces", "reloads", "visit_seconds"};
constexpr std::array<std::string_view, 3> step_names{"hour", "day", "month"};

json::object envelope(const report_query& q)
{
    return {{"site", q.site->settings->id},
            {"from", date_text(q.range.from)},
            {"to", date_text(q.range.to)}};
}

/// When days are read whose rows are forgotten, says since when they are kept.
void add_kept_from(json::object& out, date_range range, std::int32_t kept)
{
    if (reads_forgotten(range, kept))
        out["kept_from"] = date_text(kept);
}

std::int32_t kept_by(const report_query& q)
{
    return kept_from(q.site->zone.date(unix_ms()), q.sites->settings().aggregator.keep_days);
}

json::object period_of(date_range range)
{
    return {{"from", date_text(range.from)}, {"to", date_text(range.to)}};
}

void add_in_other(json::object& out, std::int64_t in_other)
{
    if (in_other > 0)
        out["in_other_at_most"] = in_other;
}

/// Gives each row its views of the period before, which is told of. null: not known - days of it
/// are forgotten, or the row is not there and others were counted together.
json::object add_previous(json::array& rows, const top_rows& earlier, date_range before,
                          std::optional<std::int32_t> kept)
{
    auto previous = period_of(before);
    const bool is_forgotten = kept && reads_forgotten(before, *kept);
    std::unordered_map<std::string_view, std::int64_t> views;
    for (const auto& row : earlier.rows)
        views.emplace(row.key, row.views);
    for (auto& row : rows) {
        const auto& key = row.at("key").get_string();
        const auto found = views.find(std::string_view(key.data(), key.size()));
        json::value value = nullptr;
        if (!is_forgotten && found != views.end())
            value = found->second;
        else if (!is_forgotten && earlier.tells_all())
            value = 0;
        row.get_object()["views_previous"] = std::move(value);
    }
    previous["total"] = is_forgotten ? json::value(nullptr) : json::value(earlier.total);
    if (is_forgotten)
        previous["kept_from"] = date_text(*kept);
    return previous;
}

json::array points_of(const std::vector<point>& read, const local_zone& zone, time_step step,
                      std::optional<std::int32_t> null_before)
{
    json::array points;
    for (const auto& p : read) {
        auto at = step == time_step::hour ? zone.local_text(p.at)
                                          : date_text(static_cast<std::int32_t>(p.at));
        if (step == time_step::month)
            at.resize(7);
        json::object added{{"at", std::move(at)}, {"value", p.value}};
        if (step == time_step::day && null_before && p.at < *null_before)
            added["value"] = nullptr;
        add_in_other(added, p.in_other);
        points.push_back(std::move(added));
    }
    return points;
}

}  // namespace

report_api::report_api(redis::client& redis, fall_back_guard& guard,
                       std::shared_ptr<const config> c, metrics_registry& metrics)
    : redis_(redis),
      guard_(guard),
      sites_(std::make_shared<site_table>(std::move(c))),
      answers_(metrics)
{
}

void report_api::add_routes(http::router& routes)
{
    using http::method;
    using http::request;
    using http::waiting_handler;
    using awaited = asio::awaitable<http::response>;
    routes.add(method::get, "/api/v1/top",
               waiting_handler([this](const request& r) -> awaited { return top(r); }));
    routes.add(method::get, "/api/v1/series",
               waiting_handler([this](const request& r) -> awaited { return series(r); }));
}

asio::awaitable<http::response> report_api::top(const http::request& r)
{
    auto q = read_query(r, sites_, {"by", "limit", "event", "property", "compare"},
                        public_route::stats, filters::taken);
    if (q.refused)
        co_return std::move(*q.refused);
    const auto name = value_of(q.given, "by");
    const auto by = breakdown_of_request(name);
    const bool is_by_title = name == titles_name;
    if (!by && !is_by_title && name != bots_name) {
        std::vector<std::string_view> names;
        for (const auto& n : breakdown_names)
            if (!n.request.empty())
                names.push_back(n.request);
        names.push_back(titles_name);
        names.push_back(bots_name);
        co_return failure(400, "bad_request", "`by` is one of " + listed(names));
    }
    const auto event = value_of(q.given, "event"), property = value_of(q.given, "property");
    const bool is_of_one_event = q.given.contains("event");
    if (is_of_one_event && (by != breakdown::event || event.empty()))
        co_return failure(400, "bad_request", "`event` is a name, and goes with `by=event`");
    if (q.given.contains("property") && (!is_of_one_event || property.empty()))
        co_return failure(400, "bad_request", "`property` is a key, and goes with `event`");
    std::uint64_t limit = default_rows;
    const auto wanted = value_of(q.given, "limit");
    if (!wanted.empty() && (!parse_number(wanted, limit) || limit == 0 || limit > most_rows))
        co_return failure(400, "bad_request", "`limit` is a number from 1 to 1000");
    const auto most = static_cast<std::size_t>(limit);
    if (q.filter && (q.filter->by != by || is_by_title))
        co_return failure(400, "bad_request", filters_text);
    if (q.filter)
        co_return co_await one_row(r, q, name);
    const auto rows_of = [&](date_range range, std::size_t count) {
        return is_of_one_event
                   ? read_properties(redis_, guard_, *q.site, event, property, range, count)
               : is_by_title ? read_titles(redis_, guard_, *q.site, range, count)
                             : read_top(redis_, guard_, *q.site, by, range, count);
    };
    const bool may_forget = by || is_by_title;  // bots are counted in the days themselves
    auto reading = rows_of(q.range, most);
    const auto read = co_await std::move(reading);
    if (!read)
        co_return answers_.unavailable();
    auto out = envelope(q);
    out["by"] = json_view(name);
    json::array rows;
    for (const auto& row : read->rows)
        rows.push_back({{"key", row.key}, {"views", row.views}});
    if (by == breakdown::path && q.site->settings->path_visitors) {
        const auto visitors = co_await read_path_visitors(redis_, guard_, *q.site, q.range);
        if (!visitors)
            co_return answers_.unavailable();
        for (std::size_t i = 0; i < rows.size(); ++i)
            if (const auto found = visitors->find(read->rows[i].key); found != visitors->end())
                rows[i].get_object()["visitor_days"] = std::min(found->second, read->rows[i].views);
    }
    if (q.compares) {
        const auto before = period_before(q.range);
        auto reading_before = rows_of(before, SIZE_MAX);
        const auto earlier = co_await std::move(reading_before);
        if (!earlier)
            co_return answers_.unavailable();
        out["previous"] = add_previous(rows, *earlier, before,
                                       may_forget ? std::optional(kept_by(q)) : std::nullopt);
    }
    out["rows"] = std::move(rows);
    out["total"] = read->total;
    out["other"] = read->other;
    if (may_forget)
        add_kept_from(out, q.range, kept_by(q));
    co_return answer(r, out);
}

/// `top` narrowed to one row: it is the only one, also where it counts nothing.
asio::awaitable<http::response> report_api::one_row(const http::request& r, const report_query& q,
                                                    std::string_view by)
{
    std::vector<date_range> periods{q.range};
    if (q.compares)
        periods.push_back(period_before(q.range));
    const auto read = co_await read_row(redis_, guard_, *q.site, *q.filter, periods);
    if (!read)
        co_return answers_.unavailable();
    const auto kept = kept_by(q);
    const auto is_forgotten = [&](date_range range) {
        return q.filter->by && reads_forgotten(range, kept);
    };
    auto out = envelope(q);
    out["by"] = json_view(by);
    json::object row{{"key", q.filter->key}, {"views", (*read)[0].value}};
    if (q.compares) {
        auto previous = period_of(periods[1]);
        json::value value = (*read)[1].value;
        if (is_forgotten(periods[1])) {
            value = nullptr;
            previous["kept_from"] = date_text(kept);
        }
        row["views_previous"] = value;
        previous["total"] = value;
        add_in_other(previous, (*read)[1].in_other);
        out["previous"] = std::move(previous);
    }
    if (q.filter->by == breakdown::path && q.site->settings->path_visitors) {
        const auto visitors = co_await read_path_visitors(redis_, guard_, *q.site, q.range);
        if (!visitors)
            co_return answers_.unavailable();
        const auto page = std::string(held_names(*q.site)->page_of(q.filter->key));
        if (const auto found = visitors->find(page); found != visitors->end())
            row["visitor_days"] = std::min(found->second, (*read)[0].value);
    }
    out["rows"] = json::array{std::move(row)};
    out["total"] = (*read)[0].value;
    out["other"] = 0;
    add_in_other(out, (*read)[0].in_other);
    if (is_forgotten(q.range))
        out["kept_from"] = date_text(kept);
    co_return answer(r, out);
}

http::response report_api::answer(const http::request& r, const json::object& out) const
{
    auto body = json::serialize(out);
    const auto stamp = body;
    return answers_.with(r, std::move(body), stamp, true);
}

asio::awaitable<http::response> report_api::series(const http::request& r)
{
    auto q =
        read_query(r, sites_, {"metric", "step", "compare"}, public_route::stats, filters::taken);
    if (q.refused)
        co_return std::move(*q.refused);
    const auto metric_name = value_of(q.given, "metric"), step_name = value_of(q.given, "step");
    const auto own = q.filter ? metric_of(q.filter->by) : metric::views;
    const auto what =
        metric_name.empty() ? std::optional(own) : one_of<metric>(metric_name, metric_names);
    const auto step = one_of<time_step>(step_name.empty() ? "day" : step_name, step_names);
    if (!what)
        co_return failure(400, "bad_request", "`metric` is one of " + listed(metric_names));
    if (!step)
        co_return failure(400, "bad_request", "`step` is one of " + listed(step_names));
    if (*step == time_step::hour && *what != metric::views && *what != metric::visits)
        co_return failure(400, "bad_request",
                          "hours have views and visits, nothing else: ask by day or month");
    const bool is_of_page = q.filter && q.filter->by == breakdown::path;
    const bool has_visitors = is_of_page && q.site->settings->path_visitors;
    if (is_of_page && *what == metric::visitors && (!has_visitors || *step != time_step::day))
        co_return failure(400, "bad_request",
                          "visitors of a page are told by days, for sites with `path_visitors`");
    const bool is_visitors_of_page = has_visitors && *what == metric::visitors;
    if (q.filter && !is_visitors_of_page && (*what != own || *step == time_step::hour))
        co_return failure(400, "bad_request",
                          fmt::format("this filter has {} by days and months, nothing else",
                                      metric_names[static_cast<std::size_t>(own)]));
    if (*step == time_step::hour && q.range.days() * 25 > most_points)
        co_return failure(400, "bad_request", "hours are read for 400 days at most");
    const auto read =
        co_await read_series(redis_, guard_, *q.site, *what, *step, q.range, q.filter);
    if (!read)
        co_return answers_.unavailable();
    const bool is_forgetful = q.filter && q.filter->by && *step == time_step::day;
    const auto kept = kept_by(q);
    auto out = envelope(q);
    out["metric"] = json_view(metric_names[static_cast<std::size_t>(*what)]);
    out["step"] = json_view(step_names[static_cast<std::size_t>(*step)]);
    out["points"] = points_of(*read, q.site->zone, *step, std::nullopt);
    if (is_forgetful && q.range.from < kept)
        out["kept_from"] = date_text(kept);
    if (q.compares) {
        const auto before =
            *step == time_step::month ? months_before(q.range) : period_before(q.range);
        const auto earlier =
            co_await read_series(redis_, guard_, *q.site, *what, *step, before, q.filter);
        if (!earlier)
            co_return answers_.unavailable();
        auto previous = period_of(before);
        previous["points"] = points_of(*earlier, q.site->zone, *step,
                                       is_forgetful ? std::optional(kept) : std::nullopt);
        if (is_forgetful && before.from < kept)
            previous["kept_from"] = date_text(kept);
        out["previous"] = std::move(previous);
    }
    co_return answer(r, out);
}

}  // namespace luot::aggregator
