#include "aggregator/report_api.hpp"

#include "aggregator/report_query.hpp"
#include "aggregator/reports.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/local_time.hpp"
#include "core/path.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>

namespace luot::aggregator {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr std::int32_t default_days = 30;
constexpr std::uint64_t default_rows = 10, most_rows = 1000;
constexpr std::string_view bots_name = "bot";

using parameters = std::map<std::string, std::string, std::less<>>;

std::string_view value_of(const parameters& given, std::string_view name)
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

}  // namespace

report_query read_query(const http::request& r, const std::shared_ptr<const site_table>& sites,
                        std::initializer_list<std::string_view> known, public_route route)
{
    report_query q;
    q.sites = sites;
    const auto refuse = [&q](std::string_view message) {
        q.refused = failure(400, "bad_request", message);
    };
    for (auto& [name, value] : http::query_values(r.query)) {
        const bool is_known = name == "site" || name == "from" || name == "to" ||
                              std::find(known.begin(), known.end(), name) != known.end();
        if (!is_known)
            return refuse("one of the parameters is not known here"), q;
        q.given.insert_or_assign(std::move(name), std::move(value));
    }
    const auto id = value_of(q.given, "site");
    if (id.empty())
        return refuse("name a site"), q;
    q.site = sites->find(id);
    if (!q.site)
        return q.refused = unknown_site(), q;
    q.refused = refusal(r, *q.site->settings, route);
    if (q.refused)
        return q;
    q.range.to = q.site->zone.date(unix_ms());
    const auto from = value_of(q.given, "from"), to = value_of(q.given, "to");
    if (!to.empty() && !parse_date(to, q.range.to))
        return refuse("`to` is no date such as 2021-07-26"), q;
    q.range.from = q.range.to - default_days + 1;
    if (!from.empty() && !parse_date(from, q.range.from))
        return refuse("`from` is no date such as 2021-07-26"), q;
    if (q.range.from > q.range.to)
        return refuse("`from` is later than `to`"), q;
    if (q.range.days() > most_report_days)
        return refuse("a report reads ten years at most"), q;
    return q;
}

namespace {

/// The enumerator whose name was given; nullopt: another text.
template <class Enum, std::size_t Count>
std::optional<Enum> one_of(std::string_view given, const std::array<std::string_view, Count>& names)
{
    const auto found = std::find(names.begin(), names.end(), given);
    return found == names.end() ? std::nullopt
                                : std::optional(static_cast<Enum>(found - names.begin()));
}

constexpr std::array<std::string_view, 3> metric_names{"views", "visits", "visitors"};
constexpr std::array<std::string_view, 3> step_names{"hour", "day", "month"};

json::object envelope(const report_query& q)
{
    return {{"site", q.site->settings->id},
            {"from", date_text(q.range.from)},
            {"to", date_text(q.range.to)}};
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
    auto q = read_query(r, sites_, {"by", "limit", "event", "property"});
    if (q.refused)
        co_return std::move(*q.refused);
    const auto name = value_of(q.given, "by");
    const auto by = breakdown_of_request(name);
    if (!by && name != bots_name) {
        std::vector<std::string_view> names;
        for (const auto& n : breakdown_names)
            if (!n.request.empty())
                names.push_back(n.request);
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
    auto reading = is_of_one_event
                       ? read_properties(redis_, guard_, *q.site, event, property, q.range, most)
                       : read_top(redis_, guard_, *q.site, by, q.range, most);
    const auto read = co_await std::move(reading);
    if (!read)
        co_return answers_.unavailable();
    auto out = envelope(q);
    out["by"] = json_view(name);
    json::array rows;
    for (const auto& row : read->rows)
        rows.push_back({{"key", row.key}, {"views", row.views}});
    out["rows"] = std::move(rows);
    out["total"] = read->total;
    out["other"] = read->other;
    auto body = json::serialize(out);
    const auto stamp = body;
    co_return answers_.with(r, std::move(body), stamp, true);
}

asio::awaitable<http::response> report_api::series(const http::request& r)
{
    auto q = read_query(r, sites_, {"metric", "step", "path"});
    if (q.refused)
        co_return std::move(*q.refused);
    const auto metric_name = value_of(q.given, "metric"), step_name = value_of(q.given, "step");
    const auto what = one_of<metric>(metric_name.empty() ? "views" : metric_name, metric_names);
    const auto step = one_of<time_step>(step_name.empty() ? "day" : step_name, step_names);
    if (!what)
        co_return failure(400, "bad_request", "`metric` is one of " + listed(metric_names));
    if (!step)
        co_return failure(400, "bad_request", "`step` is one of " + listed(step_names));
    if (*step == time_step::hour && *what == metric::visitors)
        co_return failure(400, "bad_request", "visitors are counted by days, not by hours");
    std::string path;
    if (const auto asked = value_of(q.given, "path"); !asked.empty()) {
        if (normalise_page(asked, *q.site->settings, {}, path, nullptr))
            co_return failure(400, "bad_path", "the path is malformed or on a foreign host");
        if (*what != metric::views || *step == time_step::hour)
            co_return failure(400, "bad_request",
                              "a path has views by days and months: no visits, visitors, hours");
    }
    if (*step == time_step::hour && q.range.days() * 25 > most_points)
        co_return failure(400, "bad_request", "hours are read for 400 days at most");
    const auto read = co_await read_series(redis_, guard_, *q.site, *what, *step, q.range, path);
    if (!read)
        co_return answers_.unavailable();
    auto out = envelope(q);
    out["metric"] = json_view(metric_names[static_cast<std::size_t>(*what)]);
    out["step"] = json_view(step_names[static_cast<std::size_t>(*step)]);
    json::array points;
    for (const auto& p : *read) {
        auto at = *step == time_step::hour ? q.site->zone.local_text(p.at)
                                           : date_text(static_cast<std::int32_t>(p.at));
        if (*step == time_step::month)
            at.resize(7);
        points.push_back({{"at", std::move(at)}, {"value", p.value}});
    }
    out["points"] = std::move(points);
    auto body = json::serialize(out);
    const auto stamp = body;
    co_return answers_.with(r, std::move(body), stamp, true);
}

}  // namespace luot::aggregator
