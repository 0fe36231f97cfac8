#include "aggregator/reports.hpp"

#include "aggregator/page_names.hpp"
#include "aggregator/progress.hpp"
#include "core/bytes.hpp"
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
#include <map>

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
        group_with_room(std::move(take)).wanted.add(name, std::move(key), arguments...);
    }

    void add_list(taker take, std::string_view name, std::string key,
                  const std::vector<std::string>& arguments)
    {
        group_with_room(std::move(take)).wanted.add_list(name, std::move(key), arguments);
    }

    asio::awaitable<error_code> send(redis::client& redis, fall_back_guard& guard,
                                     unsigned partition)
    {
        for (auto& group : groups_) {
            const auto answers =
                co_await read_guarded(redis, guard, partition, std::move(group.wanted));
            if (!answers)
                co_return answers.error();
            const auto read = (*answers)[0];
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
    group& group_with_room(taker take)
    {
        if (groups_.empty() || groups_.back().takers.size() == keys_)
            groups_.emplace_back();
        groups_.back().takers.push_back(std::move(take));
        return groups_.back();
    }

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
        case metric::events:
            return "events";
        case metric::bots:
            return "bots";
        case metric::bounces:
            return "bounces";
        case metric::reloads:
            return "reloads";
        case metric::visit_seconds:
            return "visit_ms";
        case metric::visitors:
            break;
    }
    return step == time_step::month ? "visitor_days" : "visitors";
}

/// A row that a report is narrowed to, by the members that are counted for it.
struct narrowed_row {
    std::optional<breakdown> by;
    std::string key;
    /// A page's addresses (page_names.hpp), and `(other)` behind them.
    std::vector<std::string> members;

    [[nodiscard]] std::size_t keys_per_read() const noexcept
    {
        return members.size() > 100 ? page_rows_per_read : aggregator::keys_per_read;
    }
};

asio::awaitable<result<narrowed_row>> members_of(redis::client& redis, const site_table::site& site,
                                                 const row_filter& row)
{
    narrowed_row out{row.by, row.key, {row.key}};
    if (row.by && is_of_pages(*row.by)) {
        const auto names = co_await current_names(redis, site);
        if (!names)
            co_return names.error();
        out.members = (*names)->addresses_of(std::string((*names)->page_of(row.key)));
    }
    out.members.emplace_back(other_member);
    co_return out;
}

/// The reads of one row of a day or month; `take` is called with what it counts there, and what
/// `(other)` does when one of its members has no place of its own.
void add_row(grouped_reads& wanted, const std::string& site, const narrowed_row& row,
             std::int32_t date, bool is_month, std::function<void(std::int64_t, std::int64_t)> take)
{
    if (!row.by) {
        const auto take_bots = [take](const redis::reply_view& r) { take(r.count(), 0); };
        wanted.add(take_bots, "HGET", is_month ? keys::month(site, date) : keys::day(site, date),
                   std::string_view("bots:" + row.key));
        return;
    }
    const auto take_scores = [take](const redis::reply_view& scores) {
        std::int64_t sum = 0;
        bool has_all = true;
        for (std::size_t i = 0; i + 1 < scores.size(); ++i) {
            const auto value = scores[i].number();
            sum += value.value_or(0);
            has_all = has_all && value.has_value();
        }
        const auto in_other = has_all || scores.size() == 0 ? 0 : scores[scores.size() - 1].count();
        take(sum, in_other);
    };
    wanted.add_list(take_scores, "ZMSCORE",
                    is_month ? keys::month_breakdown(site, date, *row.by)
                             : keys::day_breakdown(site, date, *row.by),
                    row.members);
}

/// Where each point of a series by days or months is read, and which points there are.
void plan_series(grouped_reads& wanted, std::vector<point>& points, const site_table::site& site,
                 metric what, time_step step, date_range range, const narrowed_row* row)
{
    const auto& id = site.settings->id;
    const auto field = field_of(what, step);
    if (step == time_step::month)
        for (auto month = month_begin(range.from); month <= range.to; month = month_begin(month, 1))
            points.push_back({month, 0});
    else
        for (auto date = range.from; date <= range.to; ++date)
            points.push_back({date, 0});

    for (auto& p : points) {
        const auto date = static_cast<std::int32_t>(p.at);
        const auto take = [&p, what](const redis::reply_view& r) {
            p.value = what == metric::visit_seconds ? visit_seconds(r.count()) : r.count();
        };
        const auto take_row = [&p](std::int64_t value, std::int64_t in_other) {
            p.value = value;
            p.in_other = in_other;
        };
        if (row)
            add_row(wanted, id, *row, date, step == time_step::month, take_row);
        if (row && what == metric::visitors) {
            // Behind its views, which bound them.
            const auto take_visitors = [&p](const redis::reply_view& scores) {
                std::int64_t sum = 0;
                for (std::size_t i = 0; i < scores.size(); ++i)
                    sum += scores[i].count();
                p.value = std::min(p.value, sum);
            };
            wanted.add_list(take_visitors, "ZMSCORE", keys::path_visitors(id, date), row->members);
        }
        if (!row)
            wanted.add(take, "HGET",
                       step == time_step::month ? keys::month(id, date) : keys::day(id, date),
                       field);
    }
}

/// The hours that the zone of now has in the range, and those that its days were counted by: a site
/// that has moved to another zone keeps the days of before, whose hours may be of other dates and
/// begin at other minutes.
asio::awaitable<result<std::vector<point>>> read_hours(redis::client& redis, fall_back_guard& guard,
                                                       const site_table::site& site, metric what,
                                                       date_range range)
{
    const auto& id = site.settings->id;
    const auto prefix = fmt::format("{}@", field_of(what, time_step::hour));
    std::map<std::uint64_t, std::int64_t> hours;
    grouped_reads wanted;
    for (auto date = range.from; date <= range.to; ++date) {
        for (const auto hour : site.zone.hours_of(date))
            hours.try_emplace(static_cast<std::uint64_t>(hour));
        const auto take = [&hours, &prefix](const redis::reply_view& day) {
            for (std::size_t i = 0; i + 1 < day.size(); i += 2) {
                const auto field = day[i].text();
                std::uint64_t hour = 0;
                if (field.starts_with(prefix) && parse_number(field.substr(prefix.size()), hour))
                    hours[hour] += day[i + 1].count();
            }
        };
        wanted.add(take, "HGETALL", keys::day(id, date));
    }
    if (const auto error = co_await wanted.send(redis, guard, partition_of(id)))
        co_return error;
    std::vector<point> points;
    for (const auto& [hour, value] : hours)
        points.push_back({static_cast<std::int64_t>(hour) * 1000, value});
    co_return points;
}

}  // namespace

asio::awaitable<void> await_rows(redis::client& redis, unsigned partition)
{
    asio::steady_timer timer(co_await asio::this_coro::executor);
    const auto until = steady_ms() + longest_wait_ms;
    redis::pipeline asking;
    asking.add("EXISTS", keys::tallies(partition));
    for (bool is_first = true; steady_ms() < until; is_first = false) {
        const auto answers = co_await redis.exec(asking);
        if (!answers || (*answers)[0].count() == 0)
            co_return;
        if (is_first) {
            redis::pipeline saying;
            saying.add("SET", keys::rows_wanted(partition), 1, std::string_view("PX"),
                       longest_wait_ms);
            (void)co_await redis.exec(
                saying);  // a Redis that is full or read-only: they come later
        }
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
        if (key != other_member && views != 0)  // 0: a page at which no visit ends any more
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

date_range period_before(date_range range) noexcept
{
    const auto days = static_cast<std::int32_t>(range.days());
    return {range.from - days, range.from - 1};
}

date_range months_before(date_range range) noexcept
{
    int months = 0;
    for (auto month = month_begin(range.from); month <= range.to; month = month_begin(month, 1))
        ++months;
    return {month_begin(range.from, -months), month_begin(range.from) - 1};
}

std::int32_t kept_from(std::int32_t today, std::uint32_t keep_days) noexcept
{
    return today - static_cast<std::int32_t>(keep_days);
}

bool reads_forgotten(date_range range, std::int32_t kept_from)
{
    const auto days = parts_of(range).days;
    return !days.empty() && days.front() < kept_from;
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
    std::int64_t hidden = 0;
    const bool is_pages = by && is_of_pages(*by);
    auto names = held_names(site);
    if (is_pages) {
        auto now = co_await current_names(redis, site);
        if (!now)
            co_return now.error();
        names = *now;
    }
    const auto take_rows = [&sum, &hidden, &names, is_pages](const redis::reply_view& rows) {
        for (std::size_t i = 0; i + 1 < rows.size(); i += 2) {
            const auto row = rows[i].text();
            const auto key = is_pages ? names->page_of(row) : row;
            const bool is_listed = !is_pages || !names->is_hidden(key);
            const auto views = rows[i + 1].number().value_or(0);
            sum.add(is_listed ? key : other_member, views);
            hidden += is_listed ? 0 : views;
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
    auto top = sum.top(limit);
    top.hidden = hidden;
    co_return top;
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

asio::awaitable<result<std::vector<row_count>>> read_row(redis::client& redis,
                                                         fall_back_guard& guard,
                                                         const site_table::site& site,
                                                         const row_filter& row,
                                                         const std::vector<date_range>& periods)
{
    const auto& id = site.settings->id;
    const auto narrowed = co_await members_of(redis, site, row);
    if (!narrowed)
        co_return narrowed.error();
    std::vector<row_count> out(periods.size());
    grouped_reads wanted(narrowed->keys_per_read());
    for (std::size_t i = 0; i < periods.size(); ++i) {
        const auto take = [sum = &out[i]](std::int64_t value, std::int64_t in_other) {
            sum->value += value;
            sum->in_other += in_other;
        };
        const auto parts = parts_of(periods[i]);
        for (const auto month : parts.months)
            add_row(wanted, id, *narrowed, month, true, take);
        for (const auto date : parts.days)
            add_row(wanted, id, *narrowed, date, false, take);
    }
    if (row.by)
        co_await await_rows(redis, partition_of(id));
    if (const auto error = co_await wanted.send(redis, guard, partition_of(id)))
        co_return error;
    co_return out;
}

asio::awaitable<result<std::unordered_map<std::string, std::int64_t>>> read_path_visitors(
    redis::client& redis, fall_back_guard& guard, const site_table::site& site, date_range range)
{
    const auto& id = site.settings->id;
    const auto names = co_await current_names(redis, site);
    if (!names)
        co_return names.error();
    std::unordered_map<std::string, std::int64_t> out;
    const auto take = [&](const redis::reply_view& rows) {
        for (std::size_t i = 0; i + 1 < rows.size(); i += 2)
            out[std::string((*names)->page_of(rows[i].text()))] += rows[i + 1].count();
    };
    grouped_reads wanted;
    for (auto date = range.from; date <= range.to; ++date)
        wanted.add(take, "ZRANGE", keys::path_visitors(id, date), 0, -1, "WITHSCORES"sv);
    if (const auto error = co_await wanted.send(redis, guard, partition_of(id)))
        co_return error;
    co_return out;
}

asio::awaitable<result<std::vector<period_counts>>> read_periods(
    redis::client& redis, fall_back_guard& guard, const site_table::site& site,
    const std::vector<date_range>& periods)
{
    const auto& id = site.settings->id;
    std::vector<period_counts> out(periods.size());
    grouped_reads wanted;
    for (std::size_t i = 0; i < periods.size(); ++i) {
        const auto take = [sum = &out[i]](const redis::reply_view& fields) {
            sum->views += fields[0].count();
            sum->visits += fields[1].count();
            sum->visitors += fields[2].count();
            sum->bounces += fields[3].count();
            sum->reloads += fields[4].count();
            sum->visit_ms += fields[5].count();
        };
        const auto parts = parts_of(periods[i]);
        for (const auto month : parts.months)
            wanted.add(take, "HMGET", keys::month(id, month), "views"sv, "visits"sv,
                       "visitor_days"sv, "bounces"sv, "reloads"sv, "visit_ms"sv);
        for (const auto date : parts.days)
            wanted.add(take, "HMGET", keys::day(id, date), "views"sv, "visits"sv, "visitors"sv,
                       "bounces"sv, "reloads"sv, "visit_ms"sv);
    }
    if (const auto error = co_await wanted.send(redis, guard, partition_of(id)))
        co_return error;
    co_return out;
}

metric metric_of(std::optional<breakdown> by) noexcept
{
    if (!by)
        return metric::bots;
    const auto whole = name_of(*by).whole;
    return whole == "visits" ? metric::visits : whole == "events" ? metric::events : metric::views;
}

asio::awaitable<result<std::vector<point>>> read_series(redis::client& redis,
                                                        fall_back_guard& guard,
                                                        const site_table::site& site, metric what,
                                                        time_step step, date_range range,
                                                        const std::optional<row_filter>& row)
{
    if (step == time_step::hour)
        co_return co_await read_hours(redis, guard, site, what, range);
    std::vector<point> points;
    std::optional<narrowed_row> narrowed;
    if (row) {
        auto found = co_await members_of(redis, site, *row);
        if (!found)
            co_return found.error();
        narrowed = std::move(*found);
        co_await await_rows(redis, partition_of(site.settings->id));
    }
    grouped_reads wanted(narrowed ? narrowed->keys_per_read() : keys_per_read);
    plan_series(wanted, points, site, what, step, range, narrowed ? &*narrowed : nullptr);
    if (const auto error = co_await wanted.send(redis, guard, partition_of(site.settings->id)))
        co_return error;
    co_return points;
}

}  // namespace luot::aggregator
