#include "aggregator/read_api.hpp"

#include "aggregator/badge.hpp"
#include "aggregator/page_lists.hpp"
#include "aggregator/report_query.hpp"
#include "aggregator/summary_report.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "core/number_text.hpp"
#include "core/path.hpp"
#include "core/token.hpp"
#include "core/utf8.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr std::size_t most_paths = 100;
constexpr std::size_t most_tokens = 16;
asio::awaitable<http::response> ready(http::response r)
{
    co_return r;
}

json::object to_json(const period_counts& c, std::string_view visitors_name)
{
    return {{"views", c.views},
            {"visits", c.visits},
            {json::string_view(visitors_name.data(), visitors_name.size()), c.visitors},
            {"bounces", c.bounces},
            {"reloads", c.reloads},
            {"visit_seconds", visit_seconds(c.visit_ms)}};
}

json::object to_json(const summary_counts& s, std::int64_t online)
{
    return {{"today", to_json(s.today, "visitors")},
            {"yesterday", to_json(s.yesterday, "visitors")},
            {"this_week", to_json(s.this_week, "visitor_days")},
            {"this_month", to_json(s.this_month, "visitor_days")},
            {"last_month", to_json(s.last_month, "visitor_days")},
            {"this_year", to_json(s.this_year, "visitor_days")},
            {"total", to_json(s.total, "visitor_days")},
            {"online", online}};
}

/// A string, or a list of strings.
bool add_texts(const json::value& v, std::vector<std::string>& out)
{
    if (v.is_string()) {
        out.emplace_back(v.get_string().data(), v.get_string().size());
        return true;
    }
    if (!v.is_array())
        return v.is_null();
    return std::all_of(v.get_array().begin(), v.get_array().end(),
                       [&](const auto& e) { return e.is_string() && add_texts(e, out); });
}

bool is_on(const json::value& v)
{
    return v.is_bool() ? v.get_bool() : v.is_int64() && v.get_int64() != 0;
}

/// A name that asks for a part of the numbers. Others are passed over, unlike in reports: pages ask
/// here, and what is between them and luot may add to an address.
bool is_narrowing(std::string_view name)
{
    return is_dimension(name) || name == "from" || name == "to";
}

/// The last of each name.
std::map<std::string, std::string, std::less<>> parameters_of(const http::request& r)
{
    std::map<std::string, std::string, std::less<>> out;
    for (auto& [name, value] : http::query_values(r.query))
        out.insert_or_assign(std::move(name), std::move(value));
    return out;
}

/// Whether more than one site or page is named where one number is asked for.
bool names_two(const http::request& r)
{
    const auto given = http::query_values(r.query);
    const auto times = [&given](std::string_view name) {
        return std::count_if(given.begin(), given.end(),
                             [name](const auto& p) { return p.first == name; });
    };
    return times("site") > 1 || times("path") > 1;
}

}  // namespace

/// The JSON body of POST counts; false when it is not one. Unknown members are ignored.
bool read_api::parse_body(std::string_view body, query& out)
{
    json::error_code error;
    const auto value = json::parse(json::string_view(body.data(), body.size()), error);
    if (error || !value.is_object())
        return false;
    for (const auto& [name, v] : value.get_object()) {
        if (name == "site" && v.is_string())
            out.site.assign(v.get_string().data(), v.get_string().size());
        else if (name == "summary")
            out.with_summary = is_on(v);
        else if (name == "most_read" && v.is_int64())
            out.most_read = std::to_string(v.get_int64());
        else if ((name == "site" && !v.is_null()) ||
                 (name == "paths" && (v.is_string() || !add_texts(v, out.paths))) ||
                 (name == "after" && !add_texts(v, out.after)))
            return false;
        else if (const std::string_view text(name.data(), name.size()); is_narrowing(text))
            out.narrowing = text;
    }
    return true;
}

read_api::read_api(asio::io_context& context, redis::client& redis, fall_back_guard& guard,
                   list_api& lists, std::size_t most_waiting, std::shared_ptr<const config> c,
                   metrics_registry& metrics)
    : redis_(redis),
      guard_(guard),
      lists_(lists),
      progress_(context, redis, most_waiting),
      sites_(std::make_shared<site_table>(std::move(c))),
      answers_(metrics),
      behind_(metrics.add_counter("luot_reads_behind_total",
                                  "Reads that waited for their own hit in vain."))
{
}

read_api::~read_api() = default;

void read_api::add_routes(http::router& routes)
{
    using http::method;
    using http::request;
    using http::waiting_handler;
    using awaited = asio::awaitable<http::response>;
    routes.add(method::get, "/api/v1/counts", waiting_handler([this](const request& r) -> awaited {
                   query q;
                   for (auto& [name, value] : http::query_values(r.query)) {
                       if (name == "site")
                           q.site = std::move(value);
                       else if (name == "path")
                           q.paths.push_back(std::move(value));
                       else if (name == "after")
                           q.after.push_back(std::move(value));
                       else if (name == "summary")
                           q.with_summary = value == "1" || value == "true";
                       else if (name == "most_read")
                           q.most_read = std::move(value);
                       else if (is_narrowing(name))
                           q.narrowing = std::move(name);
                   }
                   return counts(r, std::move(q));
               }));
    routes.add(method::post, "/api/v1/counts", waiting_handler([this](const request& r) -> awaited {
                   query q;
                   if (!parse_body(r.body, q))
                       return ready(failure(400, "bad_request",
                                            "the body is no JSON object with site, paths, after"));
                   return counts(r, std::move(q));
               }));
    routes.add(method::get, "/api/v1/summary",
               waiting_handler([this](const request& r) -> awaited { return summary(r); }));
    routes.add(method::get, "/count.txt",
               waiting_handler([this](const request& r) -> awaited { return count_text(r); }));
    routes.add(method::get, "/badge.svg", waiting_handler([this](const request& r) -> awaited {
                   return count_picture(r, badge_svg);
               }));
    routes.add(method::get, "/count.svg", waiting_handler([this](const request& r) -> awaited {
                   return count_picture(r, count_svg);
               }));
}

asio::awaitable<http::response> read_api::counts(const http::request& r, query q)
{
    const auto sites = sites_;  // a reload must not pull it away under us
    if (!q.narrowing.empty())   // else the whole site's numbers would be taken for those of a part
        co_return failure(
            400, "bad_request",
            fmt::format("`{}` is no parameter of counts, which has the numbers of the site and of "
                        "pages (`{}`): summary, series and top have those of a row or of a period",
                        q.narrowing, r.method == http::method::post ? "paths" : "path"));
    if (q.site.empty())
        co_return failure(400, "bad_request", "name a site");
    const auto* site = sites->find(q.site);
    if (!site)
        co_return unknown_site();
    if (auto refused = refusal(r, *site->settings, public_route::counts))
        co_return std::move(*refused);
    if (q.with_summary)
        if (auto refused = refusal(r, *site->settings, public_route::summary))
            co_return std::move(*refused);
    std::uint64_t listed = 0;
    if (q.most_read) {
        if (!parse_number(*q.most_read, listed) || listed == 0 || listed > most_listed)
            co_return failure(400, "bad_request", "`most_read` is a number from 1 to 100");
        if (auto refused = refusal(r, *site->settings, public_route::most_read))
            co_return std::move(*refused);
    }
    if (q.paths.size() > most_paths)
        co_return failure(400, "too_many_paths", "at most 100 paths in one request");
    std::vector<std::string> paths;
    const auto own_host = host_of_url(r.origin.empty() ? r.referer : r.origin);
    for (const auto& asked : q.paths) {
        // What is no page of this site has never been counted: null. One bad link in a list must
        // not take the numbers of all others away.
        std::string path;
        if (!utf8::valid(asked))
            co_return failure(400, "bad_path", "a path is not UTF-8");
        if (normalise_page(asked, *site->settings, own_host, path, nullptr))
            path.clear();
        paths.push_back(std::move(path));
    }
    std::vector<hit_token> tokens;
    for (const auto& text : q.after) {
        const auto token = parse_token(text);
        if (!token || tokens.size() == most_tokens)
            co_return failure(400, "bad_token",
                              "`after` takes Luot-Tokens as they were given, 16 at most");
        tokens.push_back(*token);
    }
    const bool behind = !co_await progress_.reached(std::move(tokens));
    const auto now = unix_ms();
    const auto read = co_await read_counts(
        redis_, guard_, *site, sites->settings().aggregator.max_paths, paths, q.with_summary, now);
    if (!read)
        co_return answers_.unavailable();

    json::object out{{"site", q.site},
                     {"views", read->views},
                     {"visits", read->visits},
                     {"online", read->online}};
    json::object pages;
    for (std::size_t i = 0; i < q.paths.size(); ++i) {
        if (read->pages[i])
            pages[q.paths[i]] = json::object{{"views", *read->pages[i]}};
        else
            pages[q.paths[i]] = nullptr;
    }
    out["pages"] = std::move(pages);
    if (read->summary)
        out["summary"] = to_json(*read->summary, read->online);
    if (q.most_read) {
        const auto list = co_await lists_.most_read_of(*site);
        if (!list)
            co_return answers_.unavailable();
        out["most_read"] = rows_of(**list, static_cast<std::size_t>(listed));
    }
    if (behind) {
        behind_.add();
        out["behind"] = true;
    }
    const auto stamp = json::serialize(out);
    out["as_of"] = utc_text(now);
    co_return answers_.with(r, json::serialize(out), stamp, q.after.empty());
}

asio::awaitable<http::response> read_api::summary(const http::request& r)
{
    const auto sites = sites_;
    std::string id;
    report_parameters given, narrowed_to;
    for (auto& [name, value] : http::query_values(r.query)) {
        bool is_new = true;
        if (name == "site")
            is_new = std::exchange(id, std::move(value)).empty();
        else if (name == "compare")
            is_new = given.insert_or_assign(std::move(name), std::move(value)).second;
        else if (is_dimension(name))
            is_new = narrowed_to.insert_or_assign(std::move(name), std::move(value)).second;
        else  // else the whole site's numbers would be taken for those of a row
            co_return failure(400, "bad_request", "one of the parameters is not known here");
        if (!is_new)
            co_return failure(400, "bad_request", twice_text);
    }
    if (id.empty())
        co_return failure(400, "bad_request", "name a site");
    const auto* site = sites->find(id);
    if (!site)
        co_return unknown_site();
    // What a site shows to all are its own numbers, not those of one country or page.
    const auto route = narrowed_to.empty() ? public_route::summary : public_route::stats;
    if (auto refused = refusal(r, *site->settings, route))
        co_return std::move(*refused);
    const auto is_compared = compares(given);
    if (!is_compared)
        co_return failure(400, "bad_request", compare_text);
    auto narrowed = filter_of(narrowed_to, *site->settings);
    if (narrowed.refused)
        co_return std::move(*narrowed.refused);

    const auto now = unix_ms();
    const auto today = site->zone.date(now);
    const auto& settings = sites->settings().aggregator;
    std::vector<std::string> paths;  // of all time only pages are counted apart
    if (narrowed.filter && narrowed.filter->by == breakdown::path)
        paths.push_back(narrowed.filter->key);
    const auto read = co_await read_counts(redis_, guard_, *site, settings.max_paths, paths,
                                           !narrowed.filter, now);
    if (!read)
        co_return answers_.unavailable();
    json::object out{{"site", id}};
    if (!narrowed.filter) {
        for (auto& [name, value] : to_json(*read->summary, read->online))
            out[name] = value;
        if (*is_compared && co_await add_periods_before(out, redis_, guard_, *site, today))
            co_return answers_.unavailable();
    } else {
        const auto kept = kept_from(today, settings.keep_days);
        if (co_await add_row_periods(out, redis_, guard_, *site, *narrowed.filter, today,
                                     *is_compared, kept))
            co_return answers_.unavailable();
        if (!paths.empty() && read->pages[0])
            out["total"] = json::object{{"views", *read->pages[0]}};
        else if (!paths.empty())
            out["total"] = json::object{{"views", nullptr}};
    }
    const auto stamp = json::serialize(out);
    out["as_of"] = utc_text(now);
    co_return answers_.with(r, json::serialize(out), stamp, true);
}

asio::awaitable<read_api::one_count> read_api::read_one(const http::request& r,
                                                        const parameters& given)
{
    const auto sites = sites_;
    one_count out;
    const auto id = given.find("site"), asked = given.find("path");
    if (id == given.end() || id->second.empty()) {
        out.refused = failure(400, "bad_request", "name a site");
        co_return out;
    }
    if (names_two(r)) {
        out.refused = failure(400, "bad_request", twice_text);
        co_return out;
    }
    const auto* site = sites->find(id->second);
    out.refused = site ? refusal(r, *site->settings, public_route::badge) : unknown_site();
    if (out.refused)
        co_return out;
    std::vector<std::string> paths;
    if (asked != given.end() &&
        normalise_page(asked->second, *site->settings, {}, paths.emplace_back(), nullptr)) {
        out.refused = failure(400, "bad_path", "the path is malformed or on a foreign host");
        co_return out;
    }
    const auto read = co_await read_counts(
        redis_, guard_, *site, sites->settings().aggregator.max_paths, paths, false, unix_ms());
    if (!read)
        out.is_away = true;
    else
        out.views = paths.empty() ? read->views : read->pages[0];
    co_return out;
}

asio::awaitable<http::response> read_api::count_text(const http::request& r)
{
    const auto given = parameters_of(r);
    auto read = co_await read_one(r, given);
    if (read.refused)
        co_return std::move(*read.refused);
    if (read.is_away)
        co_return answers_.unavailable();
    // What is not known is not 0.
    const auto text = read.views ? std::to_string(*read.views) : std::string{};
    auto out = answers_.with(r, text, text, true);
    out.content_type = "text/plain; charset=utf-8";
    co_return out;
}

/// What is wrong for good is JSON, for who writes the page. When the number is away readers see the
/// label and a dash: browsers draw the picture of a 503, too.
asio::awaitable<http::response> read_api::count_picture(const http::request& r, drawing* draw)
{
    const auto given = parameters_of(r);
    const auto value = [&given](std::string_view name) {
        const auto found = given.find(name);
        return found == given.end() ? std::nullopt : std::optional<std::string_view>(found->second);
    };
    const auto language = value("lang").value_or("vi");
    auto style = style_of_language(language);
    if (!style)
        co_return failure(400, "bad_request", "`lang` is vi or en");
    if (const auto format = value("format"); format && *format != "plain")
        co_return failure(400, "bad_request", "`format` is plain, or left out");
    else if (format)
        style = number_style::plain;
    const auto label = value("label").value_or(language == "vi" ? "lượt xem" : "views");

    auto read = co_await read_one(r, given);
    if (read.refused)
        co_return std::move(*read.refused);
    const auto picture =
        draw(label, read.views ? number_text(*read.views, *style) : std::string(no_number));
    http::response out;
    if (read.is_away) {
        out = answers_.unavailable();
        out.body = picture;
    } else {
        out = answers_.with(r, picture, picture, true);
    }
    out.content_type = "image/svg+xml";
    out.headers +=
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
        "Cross-Origin-Resource-Policy: cross-origin\r\n";
    co_return out;
}

}  // namespace luot::aggregator
