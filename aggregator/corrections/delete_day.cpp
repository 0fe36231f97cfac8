// A day is taken out of its month and of all time: rows of its reports first, then its counts.

#include "aggregator/corrections/correcting.hpp"
#include "aggregator/fold/fold.hpp"
#include "aggregator/fold/visit.hpp"
#include "core/clock.hpp"
#include "core/keys.hpp"
#include "core/local_time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;
using namespace std::string_view_literals;

namespace {

constexpr std::size_t rows_per_step = 150, changes_per_step = 1000;

class day_deletion : public correcting {
public:
    using correcting::correcting;

    asio::awaitable<corrected> remove(std::int32_t date, delete_options options);

private:
    using month_rest = std::vector<std::pair<std::string, std::int64_t>>;

    asio::awaitable<void> check_day(std::int32_t date);
    asio::awaitable<std::int64_t> of_no_page(std::int32_t date);
    asio::awaitable<void> end_visits(std::int32_t date);
    asio::awaitable<month_rest> rest_of_month(std::int32_t date, breakdown by);
    asio::awaitable<void> take_day_rows(std::int32_t date, breakdown by,
                                        const delete_options& options);
    void take_views(changes& list, std::int32_t date, std::int64_t views, std::int64_t of_other,
                    const redis::reply_view& day_fields, std::int64_t of_hours) const;
    asio::awaitable<void> take_day_fields(std::int32_t date, const delete_options& options);
    asio::awaitable<bool> has_counts(std::int32_t date);
    asio::awaitable<void> take_day_rest(std::int32_t date, const delete_options& options);

    std::int64_t views_ = 0, visits_ = 0;
};

/// Visits of that day which go on (somebody who never leaves): where they end is not counted there
/// any more.
asio::awaitable<void> day_deletion::end_visits(std::int32_t date)
{
    const auto key = keys::visits(site_.id);
    std::string cursor = "0";
    do {
        redis::pipeline asking;
        asking.add("HSCAN", key, std::string_view(cursor), "COUNT"sv, names_per_step);
        const auto answers = co_await exec(asking);
        cursor = answers[0][0].text();
        const auto part = answers[0][1];
        changes list;
        for (std::size_t i = 0; i + 1 < part.size(); i += 2) {
            auto v = decode_visit(part[i + 1].text());
            if (v.date != date || v.exit.empty())
                continue;
            v.exit.clear();
            list.push_back(
                {'X',
                 {key},
                 {std::string(part[i].text()), std::string(part[i + 1].text()), encode(v)}});
        }
        if (!list.empty())
            co_await must(step_kind::pages, list);
    } while (cursor != "0");
}

/// What a month has of each row beyond what the rows of its days say, the most first: that is where
/// the others of a day are, as far as they had a place in the month. Behind it what there is
/// besides, so that it is enough in any case.
asio::awaitable<day_deletion::month_rest> day_deletion::rest_of_month(std::int32_t date,
                                                                      breakdown by)
{
    const auto& id = site_.id;
    const auto first = month_begin(date), next = month_begin(date, 1);
    std::map<std::string, std::int64_t, std::less<>> whole, rest;
    redis::pipeline reading;
    reading.add("ZRANGE", keys::month_breakdown(id, date, by), 0, -1, "WITHSCORES"sv);
    const auto of_month = co_await exec(reading);
    for (std::size_t i = 0; i + 1 < of_month[0].size(); i += 2)
        if (of_month[0][i].text() != other_member)
            whole.emplace(of_month[0][i].text(), of_month[0][i + 1].count());
    rest = whole;
    for (auto day = first; day < next; ++day) {
        redis::pipeline asking;
        asking.add("ZRANGE", keys::day_breakdown(id, day, by), 0, -1, "WITHSCORES"sv);
        const auto of_day = co_await exec(asking);
        for (std::size_t i = 0; i + 1 < of_day[0].size(); i += 2)
            if (const auto row = rest.find(of_day[0][i].text()); row != rest.end())
                row->second = std::max<std::int64_t>(0, row->second - of_day[0][i + 1].count());
    }
    month_rest out, besides;
    for (const auto& [row, count] : whole) {
        const auto of_others = rest[row];
        if (of_others > 0)
            out.emplace_back(row, of_others);
        if (count > of_others)
            besides.emplace_back(row, count - of_others);
    }
    const auto is_more = [](const auto& a, const auto& b) { return a.second > b.second; };
    std::stable_sort(out.begin(), out.end(), is_more);
    std::stable_sort(besides.begin(), besides.end(), is_more);
    out.insert(out.end(), besides.begin(), besides.end());
    co_return out;
}

/// Takes a day's rows of one breakdown out of it and of its month; of pages, the views, too.
asio::awaitable<void> day_deletion::take_day_rows(std::int32_t date, breakdown by,
                                                  const delete_options& options)
{
    const auto& id = site_.id;
    const auto day = keys::day(id, date), month = keys::month(id, date),
               of_day = keys::day_breakdown(id, date, by),
               of_month = keys::month_breakdown(id, date, by), pages = keys::pages(id);
    const auto ends = (std::int64_t{date} + 2 + options.keep_days) * day_ms;
    const std::string other(other_member);
    for (int attempt = 0; attempt < most_tries;) {
        redis::pipeline reading;
        reading.add("ZRANGE", of_day, 0, rows_per_step - 1, "WITHSCORES"sv);
        const auto answers = co_await exec(reading);
        const auto rows = answers[0];
        if (rows.size() == 0)
            co_return;
        redis::pipeline asking;
        for (const auto& key : {of_month, pages, keys::baseline(id)}) {
            redis::command c{"ZMSCORE"};
            c.add(std::string_view(key));
            for (std::size_t i = 0; i + 1 < rows.size(); i += 2)
                c.add(rows[i].text());
            asking.add(c);
        }
        asking.add("HGETALL", day);
        asking.add("ZSCORE", of_month, other_member);
        const auto held = co_await exec(asking);
        // What is no row of the month is among its others; what is missing there had a place in the
        // month, but none in the day.
        auto month_others = held[4].count();
        std::int64_t missing = 0;
        for (std::size_t i = 0; i + 1 < rows.size(); i += 2)
            if (rows[i].text() == other_member)
                missing += rows[i + 1].count();
            else
                missing += std::max<std::int64_t>(0, rows[i + 1].count() - held[0][i / 2].count());
        month_rest rest;
        if (missing > month_others)
            rest = co_await rest_of_month(date, by);
        std::map<std::string, std::int64_t> in_month;
        for (const auto& [row, count] : rest)
            in_month[row] += count;
        for (std::size_t i = 0; i + 1 < rows.size(); i += 2)
            in_month[std::string(rows[i].text())] =
                rows[i].text() == other_member ? 0 : held[0][i / 2].count();
        auto next = rest.begin();

        changes list;
        const auto take = [&](const std::string& row, std::int64_t most) {
            const auto count = std::min(most, in_month[row]);
            in_month[row] -= count;
            if (count > 0)
                list.push_back(add_row(of_month, row, -count, 0));
            return count;
        };
        std::int64_t sum = 0, from_others = 0, page_other = 0;
        bool has_taken = false;
        for (std::size_t i = 0; i + 1 < rows.size() && list.size() < changes_per_step; i += 2) {
            const std::string row(rows[i].text());
            auto count = rows[i + 1].count();
            const bool is_empty = count == 0;  // a page at which no visit ends any more
            const auto own = take(row, count);
            const auto of_others = std::min(count - own, month_others);
            month_others -= of_others;
            from_others += of_others;
            auto left = count - own - of_others;
            for (; left > 0 && next != rest.end() && list.size() < changes_per_step;) {
                const auto taken = take(next->first, std::min(left, next->second));
                next->second -= taken;
                left -= taken;
                if (left > 0)
                    ++next;
            }
            count -= left;
            if (count == 0 && !is_empty)
                break;
            has_taken = true;
            sum += count;
            list.push_back(add_row(of_day, row, -count, ends));
            if (by != breakdown::path)
                continue;
            const auto counts = held[1][i / 2].count() - held[2][i / 2].count();
            const auto of_page = row == other ? 0 : std::min(count, counts);
            if (of_page > 0)
                list.push_back(add_row(pages, row, -of_page, 0));
            page_other += count - of_page;
        }
        if (from_others > 0)
            list.push_back(add_row(of_month, other, -from_others, 0));
        for (const auto& key : {day, month})
            list.push_back(add_count(key, rows_field(name_of(by)), -sum));
        if (by == breakdown::path) {
            take_views(list, date, sum, page_other, held[3], sum);
            record_.changed = fmt::format("{}{} so far", so_far_, views_text(views_ + sum));
        }
        journal(list, options);
        count_record(list);
        const auto done = co_await step(step_kind::pages, list);
        if (done == outcome::done) {
            views_ += by == breakdown::path ? sum : 0;
            attempt = has_taken ? 0 : attempt + 1;
            continue;
        }
        ++attempt;
        co_await read_log_again();
    }
    throw correction_error(fmt::format(
        "the rows of {} do not go out of its month, or of all pages (luot verify says why): undo "
        "{}",
        date_text(date), number_));
}

/// Takes so many views from a day (the reply of HGETALL tells its hours), its month and all time;
/// so many of them from the pages that are not told apart.
void day_deletion::take_views(changes& list, std::int32_t date, std::int64_t views,
                              std::int64_t of_other, const redis::reply_view& day_fields,
                              std::int64_t of_hours) const
{
    const auto& id = site_.id;
    const auto day = keys::day(id, date);
    for (const auto& key : {keys::totals(id), keys::month(id, date), day})
        list.push_back(add_count(key, "views", -views));
    if (of_other > 0)
        list.push_back(add_row(keys::pages(id), std::string(other_member), -of_other, 0));
    for (std::size_t i = 0; i + 1 < day_fields.size() && of_hours > 0; i += 2) {
        const auto field = day_fields[i].text();
        const auto count = std::min(of_hours, day_fields[i + 1].count());
        if (!field.starts_with("views@") || count == 0)
            continue;
        list.push_back(add_count(day, std::string(field), -count));
        of_hours -= count;
    }
}

/// All counts of a day but views, which its pages have. Rows that add up to them are gone.
/// What they keep of the first time is all that an undo needs: estimates, and pages' ages.
asio::awaitable<void> day_deletion::take_day_fields(std::int32_t date,
                                                    const delete_options& options)
{
    const auto& id = site_.id;
    const auto day = keys::day(id, date), month = keys::month(id, date), totals = keys::totals(id);
    redis::pipeline reading;
    reading.add("HGETALL", day);
    reading.add("HGET", day, std::string_view(rows_field(name_of(breakdown::entry))));
    const std::array taken{keys::day_visitors(id, date), keys::day_first_seen(id, date),
                           keys::path_visitors(id, date)};
    for (const auto& key : taken)
        reading.add("EXISTS", keys::kept(id, number_, key));
    const auto answers = co_await exec(reading);
    const auto late_visits = answers[1].count();
    changes list;
    for (std::size_t i = 0; i + 1 < answers[0].size(); i += 2) {
        const std::string field(answers[0][i].text());
        const auto count = answers[0][i + 1].count() - (field == "visits" ? late_visits : 0);
        const bool is_of_day = field == "new_paths" || field.starts_with("visits@");
        const bool adds_up = field == "visits" || field == "events" || field == "reloads" ||
                             field == "bounces" || field == "visit_ms" ||
                             field == "deleted_visits" || field.starts_with("bots");
        if (count == 0 || (!is_of_day && !adds_up))
            continue;
        if (field == "visits")
            visits_ += count;
        list.push_back(add_count(day, field, -count));
        if (adds_up)
            for (const auto& key : {month, totals})
                list.push_back(add_count(key, field, -count));
    }
    // What was kept already, by an earlier pass or a run that was cut off, is not joined by what
    // came since.
    for (std::size_t i = 0; i < taken.size(); ++i)
        list.push_back(options.is_for_good || answers[2 + i].count() > 0
                           ? change{'U', {taken[i]}, {}}
                           : rename(taken[i], keys::kept(id, number_, taken[i])));
    list.push_back(count_visitors(keys::day_visitors(id, date), day, month, totals));
    journal(list, options);
    count_record(list);
    co_await must(step_kind::pages, list);
}

/// Views of the day that its rows do not tell of, and hours of pages that were deleted.
asio::awaitable<void> day_deletion::take_day_rest(std::int32_t date, const delete_options& options)
{
    const auto& id = site_.id;
    const auto day = keys::day(id, date);
    redis::pipeline reading;
    reading.add("HGETALL", day);
    reading.add("HMGET", day, "views"sv, "deleted_views"sv,
                std::string_view(rows_field(name_of(breakdown::path))));
    const auto answers = co_await exec(reading);
    // What has rows again are late hits, which have come meanwhile and stay.
    const auto late = answers[1][2].count();
    const auto views = answers[1][0].count() - late, deleted = answers[1][1].count();
    changes list;
    take_views(list, date, views, views, answers[0], views + deleted);
    for (const auto& key : {keys::totals(id), keys::month(id, date), day})
        list.push_back(add_count(key, "deleted_views", -deleted));
    journal(list, options);
    views_ += views;
    record_.state = options.is_for_good ? "for good" : "made";
    record_.changed = fmt::format("{}{} and {} taken out", so_far_, views_text(views_),
                                  counted(visits_, "visit", "visits"));
    count_record(list);
    co_await must(step_kind::pages, list);
}

asio::awaitable<bool> day_deletion::has_counts(std::int32_t date)
{
    const auto day = keys::day(site_.id, date);
    redis::command asked{"HMGET"};
    asked.add(std::string_view(day));
    for (const auto* field : {"views", "visits", "events", "bots"})
        asked.add(std::string_view(field));
    for (const auto& by : breakdown_names)
        asked.add(std::string_view(rows_field(by)));
    redis::pipeline asking;
    asking.add(asked);
    const auto answers = co_await exec(asking);
    for (std::size_t i = 0; i < answers[0].size(); ++i)
        if (answers[0][i].count() > 0)
            co_return true;
    co_return false;
}

/// Views of the day's rows that are no page's own any more: of `(other)`, and of pages that were
/// pruned since.
asio::awaitable<std::int64_t> day_deletion::of_no_page(std::int32_t date)
{
    redis::pipeline reading;
    reading.add("ZRANGE", keys::day_breakdown(site_.id, date, breakdown::path), 0, -1,
                "WITHSCORES"sv);
    const auto answers = co_await exec(reading);
    const auto rows = answers[0];
    std::int64_t sum = 0;
    for (std::size_t from = 0; from + 1 < rows.size(); from += 2 * names_per_step) {
        const auto upto = std::min(rows.size(), from + 2 * names_per_step);
        redis::pipeline asking;
        for (const auto& key : {keys::pages(site_.id), keys::baseline(site_.id)}) {
            redis::command c{"ZMSCORE"};
            c.add(std::string_view(key));
            for (auto i = from; i + 1 < upto; i += 2)
                c.add(rows[i].text());
            asking.add(c);
        }
        const auto held = co_await exec(asking);
        for (auto i = from; i + 1 < upto; i += 2) {
            const auto own = held[0][(i - from) / 2].count() - held[1][(i - from) / 2].count();
            const bool is_page = rows[i].text() != other_member;
            sum += std::max<std::int64_t>(0, rows[i + 1].count() - (is_page ? own : 0));
        }
    }
    co_return sum;
}

/// Whether it is known of all its views which pages they were of, as far as the pages go.
asio::awaitable<void> day_deletion::check_day(std::int32_t date)
{
    const auto& id = site_.id;
    redis::pipeline asking;
    asking.add("HGETALL", keys::day(id, date));
    asking.add("ZSCORE", keys::pages(id), other_member);
    for (const auto& by : breakdown_names)
        asking.add("ZCARD", keys::day_breakdown(id, date, by.what));
    const auto answers = co_await exec(asking);
    std::map<std::string, std::int64_t, std::less<>> day;
    for (std::size_t i = 0; i + 1 < answers[0].size(); i += 2)
        day[std::string(answers[0][i].text())] = answers[0][i + 1].count();
    if (day["views"] + day["events"] + day["bots"] == 0)
        throw correction_error("nothing was counted on " + date_text(date));
    if (day.contains("cut"))
        throw correction_error(
            fmt::format("only the most read pages of {} are still kept apart: which pages the "
                        "other views were of is not known: delete the pages that it is about "
                        "(--path)",
                        date_text(date)));
    const auto untold = day["views"] - day[rows_field(name_of(breakdown::path))];
    const auto others = answers[1].count();
    std::size_t at = 2;
    for (const auto& by : breakdown_names)
        if (answers[at++].count() == 0 && day[rows_field(by)] > 0)
            throw correction_error(
                fmt::format("the rows of {} are not kept any more (aggregator.keep_days): which "
                            "pages its views "
                            "were of is not known",
                            date_text(date)));
    const auto of_none = untold + co_await of_no_page(date);
    if (of_none > others)
        throw correction_error(fmt::format(
            "of {} of the views of {} it is not known which pages they were of, and only {} are in "
            "(other) of all pages: delete the pages that it is about (--path)",
            of_none, date_text(date), others));
}

asio::awaitable<corrected> day_deletion::remove(std::int32_t date, delete_options options)
{
    if (date >= options.today - 1)
        throw correction_error(
            "a day can be deleted from the second day after it on: its visits go on over midnight");
    co_await read_log();
    const auto of = std::string(of_day) + date_text(date);
    if (cut_off(of, options) == log_.records.end())
        co_await check_day(date);
    co_await end_visits(date);
    (void)co_await begin_deletion(of, options);
    // Late hits may come meanwhile: what they brought into one part goes with it from all.
    bool is_first = true;
    for (int pass = 0; pass < most_tries && (is_first || co_await has_counts(date)); ++pass) {
        for (const auto& by : breakdown_names)
            if (by.what != breakdown::path)
                co_await take_day_rows(date, by.what, options);
        co_await take_day_fields(date, options);
        co_await take_day_rows(date, breakdown::path, options);
        co_await take_day_rest(date, options);
        is_first = false;
    }
    co_return corrected{number_, record_.changed};
}

}  // namespace

asio::awaitable<corrected> delete_day(redis::client& redis, const site_config& site,
                                      std::int32_t date, delete_options options)
{
    day_deletion run{redis, site};
    co_return co_await run.remove(date, options);
}

}  // namespace luot::aggregator
