// A page, with all addresses that are merged into it, is taken out of all counts: day by day, then
// what is left.

#include "aggregator/corrections/correcting.hpp"
#include "aggregator/fold/fold.hpp"
#include "core/clock.hpp"
#include "core/keys.hpp"
#include "core/local_time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;
using namespace std::string_view_literals;

namespace {

constexpr std::size_t dates_per_step = 12, dates_per_read = 100;
/// The earliest month of which a site may have counts: logs of years ago are imported.
constexpr std::int32_t first_month = 10'957;  // 2000-01-01

constexpr std::array page_breakdowns{breakdown::path, breakdown::entry, breakdown::exit,
                                     breakdown::page_visits};

class page_deletion : public correcting {
public:
    using correcting::correcting;

    asio::awaitable<corrected> remove(std::string path, delete_options options);

private:
    [[nodiscard]] correction_error too_busy() const;
    asio::awaitable<std::vector<std::int32_t>> dates_of(std::string path, delete_options options);
    asio::awaitable<void> take_dates(const std::string& path,
                                     const std::vector<std::int32_t>& dates,
                                     const delete_options& options);
    asio::awaitable<void> take_rest(const std::string& path, std::int64_t before,
                                    const delete_options& options);

    std::int64_t views_ = 0, visits_ = 0, to_other_ = 0, imported_ = 0;
};

correction_error page_deletion::too_busy() const
{
    return correction_error(
        has_made_step_ ? fmt::format("the page is too busy: undo {} and try again", number_)
                       : "the page is too busy, or (other) has too little to take its views from; "
                         "nothing was changed");
}

/// The days whose rows name the page, the newest first.
asio::awaitable<std::vector<std::int32_t>> page_deletion::dates_of(std::string path,
                                                                   delete_options options)
{
    std::vector<std::int32_t> out;
    const auto oldest = options.today - static_cast<std::int32_t>(options.keep_days) - 2;
    for (auto date = options.today + 1; date >= oldest;) {
        redis::pipeline asking;
        const auto first = date;
        for (std::size_t i = 0; i < dates_per_read && date >= oldest; ++i, --date) {
            const auto asked = first - static_cast<std::int32_t>(i);
            for (const auto by : page_breakdowns)
                asking.add("ZSCORE", keys::day_breakdown(site_.id, asked, by),
                           std::string_view(path));
            asking.add("ZSCORE", keys::path_visitors(site_.id, asked), std::string_view(path));
        }
        const auto answers = co_await exec(asking);
        for (std::size_t i = 0; i < asking.size(); ++i)
            if (const auto at = first - static_cast<std::int32_t>(i / (page_breakdowns.size() + 1));
                !answers[i].is_null() && (out.empty() || out.back() != at))
                out.push_back(at);
    }
    co_return out;
}

/// Takes the page out of these days, their months and all time.
asio::awaitable<void> page_deletion::take_dates(const std::string& path,
                                                const std::vector<std::int32_t>& dates,
                                                const delete_options& options)
{
    const auto& id = site_.id;
    const auto pages = keys::pages(id), totals = keys::totals(id);
    for (int attempt = 0; attempt < most_tries; ++attempt) {
        std::set<std::int32_t> months;
        redis::pipeline asking;
        for (const auto date : dates) {
            months.insert(month_begin(date));
            for (const auto by : page_breakdowns)
                asking.add("ZSCORE", keys::day_breakdown(id, date, by), std::string_view(path));
        }
        for (const auto month : months)
            for (const auto by : page_breakdowns)
                asking.add("ZSCORE", keys::month_breakdown(id, month, by), std::string_view(path));
        for (const auto& key : {pages, keys::baseline(id)})
            asking.add("ZSCORE", key, std::string_view(path));
        for (const auto date : dates) {
            asking.add("ZSCORE", keys::path_visitors(id, date), std::string_view(path));
            asking.add("HMGET", keys::day(id, date), "views"sv, "visits"sv);
            asking.add("ZSCORE", keys::day_breakdown(id, date, breakdown::entry), other_member);
            asking.add("EXISTS",
                       keys::kept(id, number_, keys::visitors_of_path(id, date, path_hash(path))));
        }
        for (const auto month : months)
            asking.add("ZSCORE", keys::month_breakdown(id, month, breakdown::entry), other_member);
        const auto answers = co_await exec(asking);
        std::size_t at = dates.size() * page_breakdowns.size();
        std::map<std::string, std::int64_t> month_rows;
        for (const auto month : months)
            for (const auto by : page_breakdowns)
                month_rows[keys::month_breakdown(id, month, by)] = answers[at++].count();

        // Views of before it was pruned are among the others.
        auto of_page = answers[at].count() - answers[at + 1].count();
        auto at_visitors = at + 2;
        std::map<std::int32_t, std::int64_t> other_entries;  // of months
        at = at_visitors + 4 * dates.size();
        for (const auto month : months)
            other_entries[month] = answers[at++].count();

        changes list;
        std::int64_t views = 0, visits = 0;
        at = 0;
        for (const auto date : dates) {
            const auto day = keys::day(id, date), month = keys::month(id, date);
            const auto ends = (std::int64_t{date} + 2 + options.keep_days) * day_ms;
            const auto everywhere = [&](const std::string& field, std::int64_t delta) {
                for (const auto& key : {totals, month, day})
                    list.push_back(add_count(key, field, delta));
            };
            std::int64_t views_of_date = 0, visits_of_date = 0;
            for (const auto by : page_breakdowns) {
                const auto row = answers[at++].count();
                if (row == 0)
                    continue;
                const auto of_day = keys::day_breakdown(id, date, by);
                const auto of_month = keys::month_breakdown(id, date, by);
                // What is no row of its own in the month is among its others.
                auto& held = month_rows[of_month];
                const auto own = std::min(held, row);
                held -= own;
                if (by == breakdown::exit) {
                    // Visits that go on take themselves out of the row in which they were.
                    list.push_back(move_row(of_day, path, std::string(other_member), row, true));
                    list.push_back(move_row(of_month, path, std::string(other_member), own, true));
                    continue;
                }
                list.push_back(add_row(of_day, path, -row, ends));
                if (own > 0)
                    list.push_back(add_row(of_month, path, -own, 0));
                if (own < row) {
                    list.push_back(add_row(of_month, std::string(other_member), own - row, 0));
                    if (by == breakdown::entry)
                        other_entries[month_begin(date)] -= row - own;
                }
                for (const auto& key : {month, day})
                    list.push_back(add_count(key, rows_field(name_of(by)), -row));
                if (by == breakdown::path) {
                    views_of_date = row;
                    everywhere("views", -row);
                    everywhere("deleted_views", row);
                    const auto own_views = std::min(of_page, row);
                    of_page -= own_views;
                    if (own_views > 0)
                        list.push_back(add_row(pages, path, -own_views, 0));
                    if (own_views < row)
                        list.push_back(
                            add_row(pages, std::string(other_member), own_views - row, 0));
                } else if (by == breakdown::entry) {
                    visits_of_date = row;
                }
            }
            const auto visitors = answers[at_visitors].count();
            const auto held = answers[at_visitors + 1], in_other = answers[at_visitors + 2];
            // Kept already by the run that was cut off: these came since.
            const bool is_kept = answers[at_visitors + 3].count() > 0;
            at_visitors += 4;
            // Which visits began with it is among the others where it was none of the first of a
            // closed day: as many are the page's as would be left without a view.
            auto& own = month_rows[keys::month_breakdown(id, date, breakdown::entry)];
            auto& others = other_entries[month_begin(date)];
            const auto unseen = std::clamp<std::int64_t>(
                (held[1].count() - visits_of_date) - (held[0].count() - views_of_date), 0,
                std::min(in_other.count(), own + others));
            if (unseen > 0) {
                const std::string other(other_member);
                const auto of_row = std::min(own, unseen);
                own -= of_row;
                others -= unseen - of_row;
                list.push_back(
                    add_row(keys::day_breakdown(id, date, breakdown::entry), other, -unseen, ends));
                const auto of_month = keys::month_breakdown(id, date, breakdown::entry);
                if (of_row > 0)
                    list.push_back(add_row(of_month, path, -of_row, 0));
                if (of_row < unseen)
                    list.push_back(add_row(of_month, other, of_row - unseen, 0));
                for (const auto& key : {month, day})
                    list.push_back(add_count(key, rows_field(name_of(breakdown::entry)), -unseen));
                visits_of_date += unseen;
            }
            if (visits_of_date > 0) {
                everywhere("visits", -visits_of_date);
                everywhere("deleted_visits", visits_of_date);
            }
            views += views_of_date;
            visits += visits_of_date;
            list.push_back(count_visitors(keys::day_visitors(id, date), day, month, totals));
            if (visitors == 0)
                continue;
            list.push_back(add_row(keys::path_visitors(id, date), path, -visitors, ends));
            const auto registers = keys::visitors_of_path(id, date, path_hash(path));
            list.push_back(options.is_for_good || is_kept
                               ? change{'U', {registers}, {}}
                               : rename(registers, keys::kept(id, number_, registers)));
        }
        auto before = std::exchange(
            record_.changed, fmt::format("{}{} so far", so_far_, views_text(views_ + views)));
        journal(list, options);
        count_record(list);
        const auto done = co_await step(step_kind::pages, list);
        if (done == outcome::done) {
            views_ += views;
            visits_ += visits;
            co_return;
        }
        record_.changed = std::move(before);
        co_await read_log_again();
    }
    throw too_busy();
}

/// What is left of the page: views of which no day is known, imported ones, rows of months, facts.
/// `before`: its views when it was begun, less those that were taken since.
asio::awaitable<void> page_deletion::take_rest(const std::string& path, std::int64_t before,
                                               const delete_options& options)
{
    const auto& id = site_.id;
    const auto pages = keys::pages(id), totals = keys::totals(id), baseline = keys::baseline(id);
    const std::string other(other_member);
    std::vector<std::string> months;
    for (auto month = first_month; month <= options.today + 31; month = month_begin(month, 1))
        for (const auto by : page_breakdowns)
            months.push_back(keys::month_breakdown(id, month, by));
    for (int attempt = 0; attempt < most_tries; ++attempt) {
        redis::pipeline asking;
        asking.add("ZSCORE", pages, std::string_view(path));
        asking.add("ZSCORE", baseline, std::string_view(path));
        asking.add("HMGET", totals, "baseline_views"sv, "baseline_visits"sv, "imports"sv);
        asking.add("HGET", keys::facts(id), std::string_view(path));
        for (const auto& key : months)
            asking.add("ZSCORE", key, std::string_view(path));
        const auto answers = co_await exec(asking);
        const auto imported = answers[1].count();
        const auto rest =
            std::clamp<std::int64_t>(before - imported, 0, answers[0].count() - imported);
        changes list;
        if (rest > 0)
            list.push_back(move_row(pages, path, other, rest, true));
        if (imported > 0) {
            list.push_back(add_row(pages, path, -imported, 0));
            list.push_back(add_row(baseline, path, -imported, 0));
            list.push_back(add_count(totals, "baseline_views", -imported));
            const auto visits = answers[2][1].count() - (answers[2][0].count() - imported);
            if (visits > 0)
                list.push_back(add_count(totals, "baseline_visits", -visits));
            record_.imports = answers[2][2].count();
        }
        if (!answers[3].is_null())
            list.push_back(take_field(keys::facts(id), path, std::string(answers[3].text())));
        for (std::size_t i = 0; i < months.size(); ++i)
            if (const auto row = answers[4 + i].count(); row > 0)
                list.push_back(move_row(months[i], path, other, row, true));
        journal(list, options);
        count_record(list);
        const auto done = co_await step(step_kind::pages, list);
        if (done == outcome::done) {
            to_other_ += rest;
            imported_ += imported;
            co_return;
        }
        co_await read_log_again();
    }
    throw too_busy();
}

asio::awaitable<corrected> page_deletion::remove(std::string path, delete_options options)
{
    co_await read_both();
    if (const auto known = aliases_.find(path); known != aliases_.end())
        throw correction_error(fmt::format(
            "{} is merged into {} (correction {}): delete that, or undo the merge first", path,
            *end_of_chain(aliases_, path), known->second.number));
    const page_names names({}, aliases_, {});
    bool has_begun = co_await begin_deletion(std::string(of_page) + path, options);
    for (const auto& address : names.addresses_of(path)) {
        redis::pipeline asking;
        asking.add("ZSCORE", keys::pages(site_.id), std::string_view(address));
        const auto answers = co_await exec(asking);
        const auto dates = co_await dates_of(address, options);
        if (answers[0].is_null() && dates.empty())
            continue;
        has_begun = true;
        const auto taken_before = views_;
        for (std::size_t from = 0; from < dates.size(); from += dates_per_step) {
            const auto upto = std::min(dates.size(), from + dates_per_step);
            const std::vector<std::int32_t> some(dates.begin() + static_cast<std::ptrdiff_t>(from),
                                                 dates.begin() + static_cast<std::ptrdiff_t>(upto));
            co_await take_dates(address, some, options);
        }
        co_await take_rest(address, answers[0].count() - (views_ - taken_before), options);
    }
    if (!has_begun)
        throw correction_error(path + " has no counts");
    record_.changed = fmt::format("{}{} and {} taken out", so_far_, views_text(views_),
                                  counted(visits_, "visit", "visits"));
    if (imported_ > 0)
        record_.changed += fmt::format(", {} imported", imported_);
    if (to_other_ > 0)
        record_.changed += fmt::format("; {} of days that are not known: in (other)", to_other_);
    record_.state = options.is_for_good ? "for good" : "made";
    changes list;
    count_record(list);
    co_await must(step_kind::names, list);
    co_return corrected{number_, record_.changed};
}

}  // namespace

asio::awaitable<corrected> delete_page(redis::client& redis, const site_config& site,
                                       std::string path, delete_options options)
{
    page_deletion run{redis, site};
    co_return co_await run.remove(std::move(path), options);
}

}  // namespace luot::aggregator
