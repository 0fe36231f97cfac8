#include "aggregator/article_report.hpp"

#include "aggregator/report_query.hpp"
#include "core/breakdown.hpp"
#include "core/clock.hpp"
#include "core/csv.hpp"
#include "core/local_time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;

namespace {

constexpr std::string_view sum_member = "(sum)";

std::string share_text(std::int64_t views, std::int64_t total)
{
    return fmt::format("{:.4f}",
                       total == 0 ? 0.0 : static_cast<double>(views) / static_cast<double>(total));
}

void add_cell(csv_line& line, std::optional<std::int64_t> count)
{
    if (count)
        line.add(*count);
    else
        line.add_nothing();
}

/// Fills in what is known of the pages; with a section only its pages stay.
asio::awaitable<error_code> add_facts(article_report& report, redis::client& redis,
                                      const site_table::site& site,
                                      const std::optional<std::string>& section)
{
    std::vector<std::string> paths;
    for (const auto& row : report.rows)
        paths.push_back(row.path);
    auto read = co_await read_facts(redis, site, paths);
    if (!read)
        co_return read.error();
    for (std::size_t i = 0; i < paths.size(); ++i)
        report.rows[i].facts = std::move((*read)[i]);
    if (!section)
        co_return error_code{};
    const auto wanted = *section == no_member ? std::string_view{} : std::string_view(*section);
    std::erase_if(report.rows, [&](const auto& row) { return row.facts.section != wanted; });
    report.total = report.other = 0;
    if (report.previous_total)
        report.previous_total = 0;
    for (const auto& row : report.rows) {
        report.total += row.views;
        if (report.previous_total)
            *report.previous_total += row.previous.value_or(0);
    }
    co_return error_code{};
}

}  // namespace

std::string csv_of(const article_report& report)
{
    csv_line line;
    std::string out(utf8_bom);
    for (const auto* name : {"path", "title", "section", "first_seen", "views", "visits",
                             "views_previous_period", "share"})
        line.add(name);
    if (report.has_visitors)
        line.add("visitor_days");
    out += line.take();
    const auto end_row = [&](std::int64_t views, std::optional<std::int64_t> visitor_days) {
        line.add(share_text(views, report.total));
        if (report.has_visitors)
            add_cell(line, visitor_days);
        out += line.take();
    };
    for (const auto& row : report.rows) {
        line.add(row.path).add(row.facts.title).add(row.facts.section);
        line.add(row.facts.first_seen ? date_text(*row.facts.first_seen) : std::string{});
        line.add(row.views);
        add_cell(line, row.visits);
        add_cell(line, row.previous);
        end_row(row.views, row.visitor_days);
    }
    const auto add_sum = [&](std::string_view name, std::int64_t views,
                             std::optional<std::int64_t> previous) {
        line.add(name).add_nothing().add_nothing().add_nothing().add(views).add_nothing();
        add_cell(line, previous);
        end_row(views, std::nullopt);
    };
    if (report.other > 0)
        add_sum(other_member, report.other, std::nullopt);
    add_sum(sum_member, report.total, report.previous_total);
    return out;
}

asio::awaitable<result<article_report>> read_articles(redis::client& redis, fall_back_guard& guard,
                                                      const site_table::site& site,
                                                      date_range range, std::int32_t kept,
                                                      const std::optional<std::string>& section)
{
    auto now = co_await read_top(redis, guard, site, breakdown::path, range, most_articles);
    if (!now)
        co_return now.error();
    const auto earlier =
        co_await read_top(redis, guard, site, breakdown::path, period_before(range), SIZE_MAX);
    if (!earlier)
        co_return earlier.error();
    const auto read_by =
        co_await read_top(redis, guard, site, breakdown::page_visits, range, SIZE_MAX);
    if (!read_by)
        co_return read_by.error();
    std::unordered_map<std::string_view, std::int64_t> previous, visits;
    for (const auto& row : earlier->rows)
        previous.emplace(row.key, row.views);
    for (const auto& row : read_by->rows)
        visits.emplace(row.key, row.views);
    // Rows of forgotten days are no part of what was read, and a sum of the rest no number to be
    // compared with. Whether a page that is in no row then had views among the others, nobody
    // knows.
    const bool is_previous_known = !reads_forgotten(period_before(range), kept);
    const auto if_missing =
        is_previous_known && earlier->tells_all() ? std::optional<std::int64_t>(0) : std::nullopt;

    article_report out;
    out.other = now->other;
    out.total = now->total;
    if (is_previous_known)
        out.previous_total = earlier->total;
    if (reads_forgotten(range, kept)) {
        const std::vector<date_range> whole{range};
        const auto counts = co_await read_periods(redis, guard, site, whole);
        if (!counts)
            co_return counts.error();
        const auto forgotten = std::max<std::int64_t>(0, (*counts)[0].views - now->total);
        out.other += forgotten;
        out.total += forgotten;
    }
    for (auto& row : now->rows) {
        const auto found = previous.find(row.key);
        auto& added = out.rows.emplace_back();
        if (found == previous.end())
            added.previous = if_missing;
        else if (is_previous_known)
            added.previous = found->second;
        if (const auto visited = visits.find(row.key); visited != visits.end())
            added.visits = visited->second;
        added.views = row.views;
        added.path = std::move(row.key);
    }
    if (site.settings->path_visitors) {
        const auto visitors = co_await read_path_visitors(redis, guard, site, range);
        if (!visitors)
            co_return visitors.error();
        out.has_visitors = true;
        for (auto& row : out.rows)
            if (const auto found = visitors->find(row.path); found != visitors->end())
                row.visitor_days = std::min(found->second, row.views);
    }
    if (const auto error = co_await add_facts(out, redis, site, section))
        co_return error;
    co_return out;
}

article_api::article_api(redis::client& redis, fall_back_guard& guard,
                         std::shared_ptr<const config> c, metrics_registry& metrics)
    : redis_(redis),
      guard_(guard),
      sites_(std::make_shared<site_table>(std::move(c))),
      answers_(metrics)
{
}

void article_api::add_routes(http::router& routes)
{
    routes.add(http::method::get, "/api/v1/report.csv",
               http::waiting_handler([this](const http::request& r) { return report(r); }));
}

asio::awaitable<http::response> article_api::report(const http::request& r)
{
    auto q = read_query(r, sites_, {"section"});
    if (q.refused)
        co_return std::move(*q.refused);
    std::optional<std::string> section;
    if (const auto found = q.given.find("section"); found != q.given.end())
        section = found->second;
    const auto kept =
        kept_from(q.site->zone.date(unix_ms()), q.sites->settings().aggregator.keep_days);
    const auto read = co_await read_articles(redis_, guard_, *q.site, q.range, kept, section);
    if (!read)
        co_return answers_.unavailable();
    const auto body = csv_of(*read);
    auto out = answers_.with(r, body, body, true);
    out.content_type = "text/csv; charset=utf-8";
    out.headers +=
        fmt::format("Content-Disposition: attachment; filename=\"{}-{}-{}.csv\"\r\n",
                    q.site->settings->id, date_text(q.range.from), date_text(q.range.to));
    co_return out;
}

}  // namespace luot::aggregator
