#include "aggregator/reports.hpp"

#include "aggregator/page_names.hpp"
#include "aggregator/progress.hpp"
#include "core/clock.hpp"
#include "core/hit.hpp"
#include "core/keys.hpp"
#include "core/local_time.hpp"
#include "core/redis/reads.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>

namespace luot::aggregator {

namespace asio = boost::asio;
using namespace std::string_view_literals;

namespace {

/// A read holds Redis up: a breakdown has up to 1,001 rows, one of pages ten times as many.
constexpr std::size_t keys_per_read = 16, page_rows_per_read = 1;
constexpr std::int64_t longest_wait_ms = 1500, ask_every_ms = 50;
constexpr std::string_view separator(&property_separator, 1);

/// Sends reads in groups, and looks at each whether Redis is not behind what was shown before.
class grouped_reads {
public:
    using taker = std::function<void(const redis::reply_view&)>;

    explicit grouped_reads(std::size_t keys = keys_per_read) : keys_(keys) {}

    template <class... Arguments>
    void add(taker take, std::string_view name, std::string key, const Arguments&... arguments)
    {
        if (groups_.empty() || groups_.back().takers.size() == keys_)
            groups_.emplace_back();
        groups_.back().wanted.add(name, std::move(key), arguments...);
        groups_.back().takers.push_back(std::move(take));
    }

    void add_list(taker take, std::string_view name, std::string key,
                  const std::vector<std::string>& arguments)
    {
        if (groups_.empty() || groups_.back().takers.size() == keys_)
            groups_.emplace_back();
        groups_.back().wanted.add_list(name, std::move(key), arguments);
        groups_.back().takers.push_back(std::move(take));
    }

    asio::awaitable<error_code> send(redis::client& redis, fall_back_guard& guard,
                                     unsigned partition)
    {
        for (auto& group : groups_) {
            group.wanted.add("HGET", keys::producers(partition), "applied"sv);
            redis::pipeline commands;
            commands.add(group.wanted.call());
            const auto seen_before = guard.highest(partition);
            const auto answers = co_await redis.exec(commands);
            if (!answers)
                co_return answers.error();
            const auto read = (*answers)[0];
            if (!read.is_array())
                co_return make_error_code(errc::redis_error);
            const auto applied = static_cast<std::uint64_t>(read[group.takers.size()].count());
            if (!guard.may_show(partition, applied, seen_before, steady_ms()))
                co_return make_error_code(errc::redis_away);
            for (std::size_t i = 0; i < group.takers.size(); ++i)
                group.takers[i](read[i]);
        }
        co_return error_code{};
    }

private:
    struct group {
        redis::reads wanted;
        std::vector<taker> takers;
    };
    const std::size_t keys_;
    std::vector<group> groups_;
};

/// Rows of a breakdown in these months and days; `depth`: the first so many of each; 0: all.
void add_rows(grouped_reads& wanted, const grouped_reads::taker& take, const std::string& site,
              breakdown by, const period_parts& parts, std::size_t depth = 0)
{
    const auto rows_of = [&](std::string key) {
        if (depth == 0)
            wanted.add(take, "ZRANGE", std::move(key), 0, -1, "WITHSCORES"sv);
        else
            wanted.add(take, "ZRANGE", std::move(key), 0, depth - 1, "REV"sv, "WITHSCORES"sv);
    };
    for (const auto month : parts.months)
        rows_of(keys::month_breakdown(site, month, by));
    for (const auto date : parts.days)
        rows_of(keys::day_breakdown(site, date, by));
}

std::string_view field_of(metric what, time_step step)
{
    switch (what) {
        case metric::views:
            return "views";
        case metric::visits:
            return "visits";
        case metric::visitors:
            break;
    }
    return step == time_step::month ? "visitor_days" : "visitors";
}

/// Where each point of a series is read, and which points there are.
void plan_series(grouped_reads& wanted, std::vector<point>& points, const site_table::site& site,
                 metric what, time_step step, date_range range,
                 const std::vector<std::string>& addresses)
{
    const auto& id = site.settings->id;
    const auto field = field_of(what, step);
    if (step == time_step::month)
        for (auto month = month_begin(range.from); month <= range.to; month = month_begin(month, 1))
            points.push_back({month, 0});
    else if (step == time_step::day)
        for (auto date = range.from; date <= range.to; ++date)
            points.push_back({date, 0});
    else
        for (auto date = range.from; date <= range.to; ++date)
            for (const auto hour : site.zone.hours_of(date))
                points.push_back({hour * 1000, 0});

    for (auto& p : points) {
        const auto date =
            step == time_step::hour ? site.zone.date(p.at) : static_cast<std::int32_t>(p.at);
        const auto take = [&p](const redis::reply_view& r) { p.value = r.number().value_or(0); };
        const auto add = [&p](const redis::reply_view& scores) {
            for (std::size_t i = 0; i < scores.size(); ++i)
                p.value += scores[i].number().value_or(0);
        };
        if (!addresses.empty())
            wanted.add_list(add, "ZMSCORE",
                            step == time_step::month
                                ? keys::month_breakdown(id, date, breakdown::path)
                                : keys::day_breakdown(id, date, breakdown::path),
                            addresses);
        else if (step == time_step::hour)
            wanted.add(take, "HGET", keys::day(id, date),
                       std::string_view(fmt::format("{}@{}", field, p.at / 1000)));
        else
            wanted.add(take, "HGET",
                       step == time_step::month ? keys::month(id, date) : keys::day(id, date),
                       field);
    }
}

}  // namespace

asio::awaitable<void> await_rows(redis::client& redis, unsigned partition)
{
    asio::steady_timer timer(co_await asio::this_coro::executor);
    const auto until = steady_ms() + longest_wait_ms;
    while (steady_ms() < until) {
        redis::pipeline asking;
        asking.add("EXISTS", keys::tallies(partition));
        const auto answers = co_await redis.exec(asking);
        if (!answers || (*answers)[0].count() == 0)
            co_return;
        timer.expires_after(std::chrono::milliseconds(ask_every_ms));
        co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

void row_sum::add(std::string_view key, std::int64_t views)
{
    if (const auto known = rows_.find(key); known != rows_.end())
        known->second += views;
    else
        rows_.emplace(key, views);
}

top_rows row_sum::top(std::size_t limit) const
{
    top_rows out;
    for (const auto& [key, views] : rows_) {
        out.total += views;
        if (key != other_member)
            out.rows.push_back({key, views});
    }
    const auto count = static_cast<std::ptrdiff_t>(std::min(limit, out.rows.size()));
    std::partial_sort(out.rows.begin(), out.rows.begin() + count, out.rows.end(),
                      [](const report_row& a, const report_row& b) {
                          return a.views != b.views ? a.views > b.views : a.key < b.key;
                      });
    out.rows.resize(static_cast<std::size_t>(count));
    out.other = out.total;
    for (const auto& row : out.rows)
        out.other -= row.views;
    return out;
}

period_parts parts_of(date_range range)
{
    period_parts parts;
    for (auto date = range.from; date <= range.to;) {
        const auto next = month_begin(date, 1);
        if (date == month_begin(date) && next - 1 <= range.to) {
            parts.months.push_back(date);
            date = next;
        } else {
            parts.days.push_back(date++);
        }
    }
    return parts;
}

std::optional<std::string_view> property_row(std::string_view member, std::string_view event,
                                             std::string_view property) noexcept
{
    if (!member.starts_with(event) || member.substr(event.size(), 1) != separator)
        return std::nullopt;
    member.remove_prefix(event.size() + 1);
    const auto end = member.find(property_separator);
    if (end == std::string_view::npos)
        return std::nullopt;
    const auto key = member.substr(0, end);
    if (property.empty())
        return key;
    return key == property ? std::optional(member.substr(end + 1)) : std::nullopt;
}

asio::awaitable<result<top_rows>> read_top(redis::client& redis, fall_back_guard& guard,
                                           const site_table::site& site,
                                           std::optional<breakdown> by, date_range range,
                                           std::size_t limit, std::size_t depth)
{
    const auto& id = site.settings->id;
    row_sum sum;
    const bool is_pages = by && is_of_pages(*by);
    auto names = held_names(site);
    if (is_pages) {
        auto now = co_await current_names(redis, site);
        if (!now)
            co_return now.error();
        names = *now;
    }
    const auto take_rows = [&sum, &names, is_pages](const redis::reply_view& rows) {
        for (std::size_t i = 0; i + 1 < rows.size(); i += 2) {
            const auto row = rows[i].text();
            const auto key = is_pages ? names->page_of(row) : row;
            const bool is_listed = !is_pages || !names->is_hidden(key);
            sum.add(is_listed ? key : other_member, rows[i + 1].number().value_or(0));
        }
    };
    const auto take_bots = [&sum](const redis::reply_view& fields) {
        for (std::size_t i = 0; i + 1 < fields.size(); i += 2)
            if (const auto field = fields[i].text(); field.starts_with("bots:"))
                sum.add(field.substr(5), fields[i + 1].number().value_or(0));
    };
    if (by && depth == 0)
        co_await await_rows(redis, partition_of(id));
    const bool is_long = by && is_of_pages(*by) && depth == 0;
    grouped_reads wanted(is_long ? page_rows_per_read : keys_per_read);
    const auto parts = parts_of(range);
    if (by) {
        add_rows(wanted, take_rows, id, *by, parts, depth);
    } else {
        for (const auto month : parts.months)
            wanted.add(take_bots, "HGETALL", keys::month(id, month));
        for (const auto date : parts.days)
            wanted.add(take_bots, "HGETALL", keys::day(id, date));
    }
    if (const auto error = co_await wanted.send(redis, guard, partition_of(id)))
        co_return error;
    co_return sum.top(limit);
}

asio::awaitable<result<top_rows>> read_properties(redis::client& redis, fall_back_guard& guard,
                                                  const site_table::site& site,
                                                  std::string_view event, std::string_view property,
                                                  date_range range, std::size_t limit)
{
    const auto& id = site.settings->id;
    row_sum sum;
    const auto take_rows = [&](const redis::reply_view& rows) {
        for (std::size_t i = 0; i + 1 < rows.size(); i += 2)
            if (const auto row = property_row(rows[i].text(), event, property))
                sum.add(*row, rows[i + 1].number().value_or(0));
    };
    co_await await_rows(redis, partition_of(id));
    grouped_reads wanted;
    add_rows(wanted, take_rows, id, breakdown::event_property, parts_of(range));
    if (const auto error = co_await wanted.send(redis, guard, partition_of(id)))
        co_return error;
    co_return sum.top(limit);
}

asio::awaitable<result<std::vector<point>>> read_series(redis::client& redis,
                                                        fall_back_guard& guard,
                                                        const site_table::site& site, metric what,
                                                        time_step step, date_range range,
                                                        const std::string& path)
{
    std::vector<point> points;
    std::vector<std::string> addresses;
    if (!path.empty()) {
        const auto names = co_await current_names(redis, site);
        if (!names)
            co_return names.error();
        addresses = (*names)->addresses_of(std::string((*names)->page_of(path)));
        co_await await_rows(redis, partition_of(site.settings->id));
    }
    grouped_reads wanted(addresses.size() > 100 ? page_rows_per_read : keys_per_read);
    plan_series(wanted, points, site, what, step, range, addresses);
    if (const auto error = co_await wanted.send(redis, guard, partition_of(site.settings->id)))
        co_return error;
    co_return points;
}

}  // namespace luot::aggregator
