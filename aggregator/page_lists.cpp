#include "aggregator/page_lists.hpp"

#include "aggregator/page_names.hpp"
#include "aggregator/report_query.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/local_time.hpp"
#include "core/path.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr std::int64_t kept_ms = 10'000;
constexpr std::size_t most_kept = 64;
constexpr std::uint64_t default_rows = 10;
constexpr std::int32_t default_days = 30;  // as read_query() takes

/// The number of rows that are asked for; nullopt: it is none.
std::optional<std::size_t> limit_of(const report_query& q)
{
    const auto given = q.given.find("limit");
    std::uint64_t limit = default_rows;
    if (given != q.given.end() &&
        (!parse_number(given->second, limit) || limit == 0 || limit > most_listed))
        return std::nullopt;
    return static_cast<std::size_t>(limit);
}

using page_choice = std::function<bool(const listed_page&)>;

json::array rows_of(const page_list& list, std::size_t limit, const page_choice& is_wanted)
{
    json::array rows;
    for (const auto& page : list) {
        if (rows.size() == limit)
            break;
        if (!is_wanted(page))
            continue;
        json::object row{{"path", page.path}, {"title", page.facts.title}, {"views", page.views}};
        if (!page.facts.section.empty())
            row["section"] = page.facts.section;
        rows.push_back(std::move(row));
    }
    return rows;
}

std::string json_of(const report_query& q, json::array rows)
{
    return json::serialize(json::object{{"site", q.site->settings->id},
                                        {"from", date_text(q.range.from)},
                                        {"to", date_text(q.range.to)},
                                        {"rows", std::move(rows)}});
}

bool is_any(const listed_page&)
{
    return true;
}

}  // namespace

json::array rows_of(const page_list& list, std::size_t limit)
{
    return rows_of(list, limit, is_any);
}

list_api::list_api(redis::client& redis, fall_back_guard& guard, std::shared_ptr<const config> c,
                   metrics_registry& metrics)
    : redis_(redis),
      guard_(guard),
      sites_(std::make_shared<site_table>(std::move(c))),
      answers_(metrics)
{
}

void list_api::use(std::shared_ptr<const config> c)
{
    sites_ = std::make_shared<site_table>(std::move(c));
    kept_.clear();
}

void list_api::add_routes(http::router& routes)
{
    routes.add(http::method::get, "/api/v1/most_read",
               http::waiting_handler([this](const http::request& r) { return most_read(r); }));
    routes.add(http::method::get, "/api/v1/related",
               http::waiting_handler([this](const http::request& r) { return related(r); }));
}

asio::awaitable<result<std::shared_ptr<const page_list>>> list_api::list_of(
    const site_table::site& site, date_range range)
{
    const std::tuple key{site.settings->id, range.from, range.to};
    if (const auto found = kept_.find(key);
        found != kept_.end() && steady_ms() - found->second.read_ms < kept_ms)
        co_return found->second.list;
    const auto top = co_await read_top(redis_, guard_, site, breakdown::path, range,
                                       most_candidates, most_of_day);
    if (!top)
        co_return top.error();
    page_list list;
    for (std::size_t from = 0; from < top->rows.size() && list.size() < most_pages;) {
        const auto upto = std::min(top->rows.size(), from + most_pages);
        std::vector<std::string> paths;
        for (auto i = from; i < upto; ++i)
            paths.push_back(top->rows[i].key);
        auto facts = co_await read_facts(redis_, site, paths);
        if (!facts)
            co_return facts.error();
        for (std::size_t i = 0; i < paths.size() && list.size() < most_pages; ++i)
            if ((*facts)[i].is_listed(*site.settings))
                list.push_back(
                    {std::move(paths[i]), std::move((*facts)[i]), top->rows[from + i].views});
        from = upto;
    }
    if (kept_.size() >= most_kept)
        kept_.clear();
    auto shared = std::make_shared<const page_list>(std::move(list));
    kept_[key] = {shared, steady_ms()};
    co_return shared;
}

asio::awaitable<result<std::shared_ptr<const page_list>>> list_api::most_read_of(
    const site_table::site& site)
{
    const auto today = site.zone.date(unix_ms());
    return list_of(site, {today - default_days + 1, today});
}

asio::awaitable<http::response> list_api::most_read(const http::request& r)
{
    auto q = read_query(r, sites_, {"limit"}, public_route::most_read);
    if (q.refused)
        co_return std::move(*q.refused);
    const auto limit = limit_of(q);
    if (!limit)
        co_return failure(400, "bad_request", "`limit` is a number from 1 to 100");
    if (q.range.days() > most_days)
        co_return failure(400, "bad_request", "a list is of 92 days at most");
    const auto list = co_await list_of(*q.site, q.range);
    if (!list)
        co_return answers_.unavailable();
    const auto body = json_of(q, rows_of(**list, *limit));
    co_return answers_.with(r, body, body, true);
}

asio::awaitable<http::response> list_api::related(const http::request& r)
{
    auto q = read_query(r, sites_, {"limit", "path"}, public_route::related);
    if (q.refused)
        co_return std::move(*q.refused);
    const auto limit = limit_of(q);
    if (!limit)
        co_return failure(400, "bad_request", "`limit` is a number from 1 to 100");
    if (q.range.days() > most_days)
        co_return failure(400, "bad_request", "a list is of 92 days at most");
    std::string path;
    if (const auto given = q.given.find("path");
        given == q.given.end() ||
        normalise_page(given->second, *q.site->settings, {}, path, nullptr))
        co_return failure(400, "bad_request", "`path` names no page of this site");
    const auto list = co_await list_of(*q.site, q.range);
    if (!list)
        co_return answers_.unavailable();
    const std::vector<std::string> asked{path};
    const auto facts = co_await read_facts(redis_, *q.site, asked);
    if (!facts)
        co_return answers_.unavailable();
    const auto& section = facts->front().section;
    const auto names = held_names(*q.site);
    const auto shown = names->page_of(path);
    const auto is_related = [&](const listed_page& page) {
        return !section.empty() && page.facts.section == section && page.path != shown;
    };
    const auto body = json_of(q, rows_of(**list, *limit, is_related));
    co_return answers_.with(r, body, body, true);
}

}  // namespace luot::aggregator
