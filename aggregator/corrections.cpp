#include "aggregator/corrections.hpp"

#include "aggregator/correct.hpp"
#include "aggregator/fold/fold.hpp"
#include "aggregator/fold/visit.hpp"
#include "aggregator/page_names.hpp"
#include "aggregator/reports.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/csv.hpp"
#include "core/fail_point.hpp"
#include "core/keys.hpp"
#include "core/local_time.hpp"
#include "core/path.hpp"
#include "core/utf8.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <pwd.h>
#include <set>
#include <unistd.h>
#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;
namespace json = boost::json;
using namespace std::string_view_literals;

namespace {

constexpr std::size_t names_per_step = 500, rows_per_step = 150, dates_per_step = 12,
                      dates_per_read = 100, keys_per_step = 250;
constexpr int most_attempts = 20, scan_count = 1000;
constexpr std::int64_t longest_wait_ms = 30'000, ask_every_ms = 5, day_ms = 86'400'000;
/// The earliest month of which a site may have counts: logs of years ago are imported.
constexpr std::int32_t first_month = 10'957;  // 2000-01-01

constexpr std::array page_breakdowns{breakdown::path, breakdown::entry, breakdown::exit,
                                     breakdown::page_visits};

std::int64_t number_of(const json::object& o, std::string_view name)
{
    const auto* v = o.if_contains({name.data(), name.size()});
    return v && v->is_int64() ? v->get_int64() : 0;
}

std::string text_of(const json::object& o, std::string_view name)
{
    const auto* v = o.if_contains({name.data(), name.size()});
    return v && v->is_string() ? std::string(v->get_string()) : std::string{};
}

std::string counted(std::int64_t n, std::string_view one, std::string_view many)
{
    return fmt::format("{} {}", n, n == 1 ? one : many);
}

std::string views_text(std::int64_t n)
{
    return counted(n, "view", "views");
}

/// The state of a deletion that keeps nothing and has not come to its end.
constexpr std::string_view begun_for_good = "begun for good";

/// One command on one site.
class correcting {
public:
    correcting(redis::client& redis, const site_config& site) : redis_(redis), site_(site) {}

    asio::awaitable<corrected> merge(address_pairs pairs, std::string of);
    asio::awaitable<corrected> hide(std::string path);
    asio::awaitable<corrected> remove_page(std::string path, delete_options options);
    asio::awaitable<corrected> remove_day(std::int32_t date, delete_options options);
    asio::awaitable<corrected> remove_site(delete_options options);
    asio::awaitable<corrected> undo(std::uint64_t number);
    asio::awaitable<corrected> note(std::string what, std::string of, std::string changed);

private:
    enum class outcome { done, moved, much };

    asio::awaitable<redis::replies> exec(const redis::pipeline& commands);
    asio::awaitable<void> read_log();
    asio::awaitable<void> read_log_again();
    [[nodiscard]] correction_error too_busy() const;
    asio::awaitable<void> read_both();
    asio::awaitable<outcome> step(step_kind kind, const changes& list);
    asio::awaitable<void> must(step_kind kind, const changes& list);
    asio::awaitable<void> begin(std::string what, std::string of);
    [[nodiscard]] correction_log::records_type::const_iterator cut_off(
        const std::string& of, const delete_options& options) const;
    asio::awaitable<bool> begin_deletion(std::string of, delete_options options);
    asio::awaitable<void> make_room();
    asio::awaitable<void> drop_kept(std::uint64_t number);
    asio::awaitable<std::vector<std::string>> keys_like(std::string pattern);
    void count_record(changes& list) const;
    /// Adds to a step what takes it back, unless nothing is to be.
    void journal(changes& list, const delete_options& options) const;
    [[nodiscard]] std::string site_prefix() const;

    asio::awaitable<std::vector<std::int32_t>> dates_of(std::string path, delete_options options);
    asio::awaitable<void> take_dates(const std::string& path,
                                     const std::vector<std::int32_t>& dates,
                                     const delete_options& options);
    asio::awaitable<void> take_rest(const std::string& path, std::int64_t before,
                                    const delete_options& options);
    asio::awaitable<void> end_visits(std::int32_t date);
    asio::awaitable<void> take_day_rows(std::int32_t date, breakdown by,
                                        const delete_options& options);
    void take_views(changes& list, std::int32_t date, std::int64_t views, std::int64_t of_other,
                    const redis::reply_view& day_fields, std::int64_t of_hours) const;
    asio::awaitable<void> take_day_fields(std::int32_t date, const delete_options& options,
                                          bool is_first);
    asio::awaitable<bool> has_counts(std::int32_t date);
    asio::awaitable<void> take_day_rest(std::int32_t date, const delete_options& options);
    asio::awaitable<void> check_day(std::int32_t date);
    asio::awaitable<void> undo_names(std::uint64_t number);
    asio::awaitable<void> undo_steps(std::uint64_t number);
    asio::awaitable<void> undo_site(std::uint64_t number);

    redis::client& redis_;
    const site_config& site_;
    correction_log log_;
    page_aliases aliases_;
    std::vector<std::string> hidden_;
    std::uint64_t number_ = 0;
    bool has_made_step_ = false;  ///< of what has this number: the log has it
    correction record_;
    std::int64_t views_ = 0, visits_ = 0, to_other_ = 0, imported_ = 0;
};

asio::awaitable<redis::replies> correcting::exec(const redis::pipeline& commands)
{
    auto answers = co_await redis_.exec(commands);
    if (!answers)
        throw correction_error(
            "Redis: " + (redis_.trouble().empty() ? answers.error().message() : redis_.trouble()) +
            "; what was begun stands in `luot corrections`");
    if (const auto error = answers->first_error(); !error.is_null())
        throw correction_error("Redis: " + std::string(error.text()));
    co_return std::move(*answers);
}

asio::awaitable<void> correcting::read_log()
{
    log_ = co_await read_corrections(redis_, site_.id);
}

/// Before a step is tried again: somebody else may have corrected something meanwhile, so that its
/// number is another one's; or may have taken back what was made of this one.
asio::awaitable<void> correcting::read_log_again()
{
    co_await read_log();
    if (!has_made_step_) {
        number_ = log_.last + 1;
        co_return;
    }
    const auto mine = log_.records.find(number_);
    if (mine == log_.records.end() || mine->second.at_ms != record_.at_ms ||
        mine->second.by != record_.by || mine->second.state != record_.state)
        throw correction_error(
            fmt::format("correction {} was taken back while it was made: it ends here", number_));
}

/// The log and the names, of one moment.
asio::awaitable<void> correcting::read_both()
{
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        co_await read_log();
        auto names = co_await read_page_names(redis_, site_.id);
        if (!names)
            throw correction_error("Redis: " + names.error().message());
        if (names->mark != log_.mark)
            continue;
        aliases_ = std::move(names->aliases);
        hidden_ = std::move(names->hidden);
        co_return;
    }
    throw correction_error("others are correcting this site: try again");
}

/// Makes a step once no rows wait, if it is one of pages.
asio::awaitable<correcting::outcome> correcting::step(step_kind kind, const changes& list)
{
    asio::steady_timer timer(co_await asio::this_coro::executor);
    const auto until = steady_ms() + longest_wait_ms;
    for (;;) {
        const auto next = to_hex(random_u64());
        redis::pipeline commands;
        commands.add(correct_command(site_.id, log_.mark, next, kind, list));
        fail_point("correct.before");
        const auto answers = co_await exec(commands);
        fail_point("correct.answered");
        const auto answer = answers[0].text();
        if (answer == "ok") {
            log_.mark = next;
            has_made_step_ =
                has_made_step_ ||
                std::any_of(list.begin(), list.end(), [](const auto& c) { return c.what == 'L'; });
            co_return outcome::done;
        }
        if (answer == "much")
            co_return outcome::much;
        if (answer != "waits")
            co_return outcome::moved;
        if (steady_ms() > until)
            throw correction_error(
                "rows of reports wait to be written, and nobody writes them all: is an aggregator "
                "running, and does it keep up?");
        co_await await_rows(redis_, partition_of(site_.id));
        timer.expires_after(std::chrono::milliseconds(ask_every_ms));
        co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

correction_error correcting::too_busy() const
{
    return correction_error(
        has_made_step_ ? fmt::format("the page is too busy: undo {} and try again", number_)
                       : "the page is too busy, or (other) has too little to take its views from; "
                         "nothing was changed");
}

asio::awaitable<void> correcting::must(step_kind kind, const changes& list)
{
    const auto done = co_await step(kind, list);
    if (done != outcome::done)
        throw correction_error("somebody else is correcting this site: see `luot corrections`");
}

void correcting::count_record(changes& list) const
{
    list.push_back({'L', {}, {std::to_string(number_), encode(record_)}});
}

void correcting::journal(changes& list, const delete_options& options) const
{
    if (options.is_for_good)
        return;
    changes taken;
    for (const auto& c : list)
        if ("IZMFVR"sv.find(c.what) != std::string_view::npos)
            taken.push_back(c);
    list.push_back({'J', {keys::taken(site_.id, number_)}, {encode(taken)}});
}

std::string correcting::site_prefix() const
{
    const auto name = keys::totals(site_.id);
    return name.substr(0, name.size() - "totals"sv.size());
}

asio::awaitable<std::vector<std::string>> correcting::keys_like(std::string pattern)
{
    std::set<std::string> names;  // SCAN may name one twice
    std::string cursor = "0";
    do {
        redis::pipeline commands;
        commands.add("SCAN", std::string_view(cursor), "MATCH"sv, std::string_view(pattern),
                     "COUNT"sv, scan_count);
        const auto answers = co_await exec(commands);
        cursor = answers[0][0].text();
        for (std::size_t i = 0; i < answers[0][1].size(); ++i)
            names.emplace(answers[0][1][i].text());
    } while (cursor != "0");
    co_return std::vector<std::string>(names.begin(), names.end());
}

/// Unlinks what a correction has kept.
asio::awaitable<void> correcting::drop_kept(std::uint64_t number)
{
    const auto names = co_await keys_like(keys::taken(site_.id, number) + ":*");
    for (std::size_t from = 0; from < names.size(); from += keys_per_step) {
        redis::command unlink{"UNLINK"};
        for (auto i = from; i < std::min(names.size(), from + keys_per_step); ++i)
            unlink.add(std::string_view(names[i]));
        redis::pipeline commands;
        commands.add(unlink);
        co_await exec(commands);
    }
}

/// A full log drops a record: of those that cannot be taken back any more the oldest, or else the
/// oldest of all, which stands for good then.
asio::awaitable<void> correcting::make_room()
{
    while (log_.records.size() >= most_corrections) {
        auto first = std::find_if(log_.records.begin(), log_.records.end(), [](const auto& r) {
            return r.second.state == "undone" || r.second.state == "for good" ||
                   r.second.what == "prune";
        });
        if (first == log_.records.end())
            first = log_.records.begin();
        co_await drop_kept(first->first);
        const changes dropped{{'D', {}, {std::to_string(first->first)}},
                              {'U', {keys::taken(site_.id, first->first)}, {}}};
        co_await must(step_kind::names, dropped);
        log_.records.erase(first);
    }
}

/// Gives the correction its number. What is done with the first step counts from there.
asio::awaitable<void> correcting::begin(std::string what, std::string of)
{
    co_await make_room();
    number_ = log_.last + 1;
    has_made_step_ = false;
    record_ = {};
    record_.at_ms = unix_ms();
    // Names of users and files may be any bytes; the log is JSON, and read on terminals.
    record_.by = utf8::one_line(caller_name());
    record_.what = std::move(what);
    record_.of = utf8::one_line(of);
    record_.state = "begun";
}

/// The record of the same deletion, for good as this one, which was cut off; end(): there is none.
correction_log::records_type::const_iterator correcting::cut_off(
    const std::string& of, const delete_options& options) const
{
    return std::find_if(log_.records.begin(), log_.records.end(), [&](const auto& r) {
        return options.is_for_good && r.second.what == "delete" && r.second.of == of &&
               r.second.state == begun_for_good;
    });
}

/// True when it goes on with one that was cut off.
asio::awaitable<bool> correcting::begin_deletion(std::string of, delete_options options)
{
    if (const auto former = cut_off(of, options); former != log_.records.end()) {
        number_ = former->first;
        record_ = former->second;
        has_made_step_ = true;
        co_return true;
    }
    co_await begin("delete", std::move(of));
    if (options.is_for_good)
        record_.state = begun_for_good;
    co_return false;
}

asio::awaitable<corrected> correcting::note(std::string what, std::string of, std::string changed)
{
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        co_await read_log();
        co_await begin(what, of);
        record_.changed = changed;
        record_.state = "made";
        changes list;
        count_record(list);
        const auto done = co_await step(step_kind::names, list);
        if (done == outcome::done)
            co_return corrected{number_, changed};
    }
    throw correction_error("others are correcting this site: try again");
}

/// What speaks against a merge of these pairs, beside what is merged already; those that stand are
/// taken out of `pairs`, the others added to `aliases`.
std::string why_not(page_aliases& aliases, address_pairs& pairs, std::uint64_t number)
{
    address_pairs fresh;
    for (auto& [from, to] : pairs) {
        if (const auto known = aliases.find(from); known != aliases.end()) {
            if (known->second.to != to)
                return fmt::format(
                    "{} is merged into {} already, by correction {}: undo that first", from,
                    known->second.to, known->second.number);
            continue;
        }
        const auto end = end_of_chain(aliases, to);
        if (from == to || !end || *end == from)
            return fmt::format("{} cannot be merged into {}: it would be merged into itself", from,
                               to);
        aliases[from] = {number, to};
        fresh.emplace_back(std::move(from), std::move(to));
    }
    pairs = std::move(fresh);
    if (aliases.size() > most_aliases)
        return fmt::format(
            "the site would have {} addresses that are merged into others; {} is the "
            "most",
            aliases.size(), most_aliases);
    std::map<std::string_view, std::size_t> into;
    for (const auto& [from, alias] : aliases)
        if (const auto end = end_of_chain(aliases, from);
            end && ++into[*end] > most_aliases_of_page)
            return fmt::format("more than {} addresses would be merged into {}",
                               most_aliases_of_page, *end);
    return {};
}

asio::awaitable<corrected> correcting::merge(address_pairs pairs, std::string of)
{
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        co_await read_both();
        co_await begin("merge", of);
        auto wanted = pairs;
        if (const auto trouble = why_not(aliases_, wanted, number_); !trouble.empty())
            throw correction_error(trouble);
        if (wanted.empty())
            co_return corrected{};
        std::int64_t views = 0;
        for (std::size_t from = 0; from < wanted.size(); from += names_per_step) {
            redis::command c{"ZMSCORE"};
            c.add(std::string_view(keys::pages(site_.id)));
            for (auto i = from; i < std::min(wanted.size(), from + names_per_step); ++i)
                c.add(std::string_view(wanted[i].first));
            redis::pipeline commands;
            commands.add(c);
            const auto answers = co_await exec(commands);
            for (std::size_t i = 0; i < answers[0].size(); ++i)
                views += answers[0][i].number().value_or(0);
        }
        record_.changed =
            fmt::format("{} with {} so far",
                        counted(static_cast<std::int64_t>(wanted.size()), "address", "addresses"),
                        views_text(views));
        bool is_done = false;
        for (std::size_t from = 0; from < wanted.size(); from += names_per_step) {
            changes list;
            const auto upto = std::min(wanted.size(), from + names_per_step);
            for (auto i = from; i < upto; ++i)
                list.push_back({'A',
                                {keys::aliases(site_.id)},
                                {wanted[i].first, encode(page_alias{number_, wanted[i].second}),
                                 std::to_string(most_aliases)}});
            record_.state = upto == wanted.size() ? "made" : "begun";
            count_record(list);
            const auto done = co_await step(step_kind::names, list);
            if (done != outcome::done && from > 0)
                throw correction_error(fmt::format(
                    "somebody else has corrected this site meanwhile: undo {}, or run this again "
                    "for the rest",
                    number_));
            is_done = done == outcome::done;
            if (!is_done)
                break;
        }
        if (is_done)
            co_return corrected{number_, record_.changed};
    }
    throw correction_error("others are correcting this site: try again");
}

asio::awaitable<corrected> correcting::hide(std::string path)
{
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        co_await read_both();
        const auto page = std::string(end_of_chain(aliases_, path).value_or(path));
        if (std::find(hidden_.begin(), hidden_.end(), page) != hidden_.end())
            co_return corrected{};
        if (hidden_.size() >= most_hidden)
            throw correction_error(
                fmt::format("the site has {} hidden pages, which is the most", most_hidden));
        co_await begin("hide", page);
        record_.state = "made";
        record_.changed = "it stands in no list";
        changes list{{'N', {keys::hidden(site_.id)}, {page, std::to_string(most_hidden)}}};
        count_record(list);
        const auto done = co_await step(step_kind::names, list);
        if (done == outcome::done)
            co_return corrected{number_, record_.changed};
    }
    throw correction_error("others are correcting this site: try again");
}

/// The days whose rows name the page, the newest first.
asio::awaitable<std::vector<std::int32_t>> correcting::dates_of(std::string path,
                                                                delete_options options)
{
    std::vector<std::int32_t> out;
    const auto oldest = options.today - static_cast<std::int32_t>(options.keep_days) - 2;
    for (auto date = options.today + 1; date >= oldest;) {
        redis::pipeline asking;
        const auto first = date;
        for (std::size_t i = 0; i < dates_per_read && date >= oldest; ++i, --date)
            for (const auto by : page_breakdowns)
                asking.add("ZSCORE", keys::day_breakdown(site_.id, first - static_cast<int>(i), by),
                           std::string_view(path));
        const auto answers = co_await exec(asking);
        for (std::size_t i = 0; i < asking.size(); ++i)
            if (const auto at = first - static_cast<std::int32_t>(i / page_breakdowns.size());
                !answers[i].is_null() && (out.empty() || out.back() != at))
                out.push_back(at);
    }
    co_return out;
}

/// Takes the page out of these days, their months and all time.
asio::awaitable<void> correcting::take_dates(const std::string& path,
                                             const std::vector<std::int32_t>& dates,
                                             const delete_options& options)
{
    const auto& id = site_.id;
    const auto pages = keys::pages(id), totals = keys::totals(id);
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
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
        for (const auto date : dates)
            asking.add("ZSCORE", keys::path_visitors(id, date), std::string_view(path));
        const auto answers = co_await exec(asking);
        std::size_t at = dates.size() * page_breakdowns.size();
        std::map<std::string, std::int64_t> month_rows;
        for (const auto month : months)
            for (const auto by : page_breakdowns)
                month_rows[keys::month_breakdown(id, month, by)] = answers[at++].count();

        // Views of before it was pruned are among the others.
        auto of_page = answers[at].count() - answers[at + 1].count();
        auto at_visitors = at + 2;

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
                if (own < row)
                    list.push_back(add_row(of_month, std::string(other_member), own - row, 0));
                for (const auto& key : {month, day})
                    list.push_back(add_count(key, rows_field(name_of(by)), -row));
                if (by == breakdown::path) {
                    views += row;
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
                    visits += row;
                    everywhere("visits", -row);
                    everywhere("deleted_visits", row);
                }
            }
            list.push_back(count_visitors(keys::day_visitors(id, date), day, month, totals));
            const auto visitors = answers[at_visitors++].count();
            if (visitors == 0)
                continue;
            list.push_back(add_row(keys::path_visitors(id, date), path, -visitors, ends));
            const auto registers = keys::visitors_of_path(id, date, path_hash(path));
            list.push_back(options.is_for_good
                               ? change{'U', {registers}, {}}
                               : rename(registers, keys::kept(id, number_, registers)));
        }
        auto before =
            std::exchange(record_.changed, fmt::format("{} so far", views_text(views_ + views)));
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
asio::awaitable<void> correcting::take_rest(const std::string& path, std::int64_t before,
                                            const delete_options& options)
{
    const auto& id = site_.id;
    const auto pages = keys::pages(id), totals = keys::totals(id), baseline = keys::baseline(id);
    const std::string other(other_member);
    std::vector<std::string> months;
    for (auto month = first_month; month <= options.today + 31; month = month_begin(month, 1))
        for (const auto by : page_breakdowns)
            months.push_back(keys::month_breakdown(id, month, by));
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
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

asio::awaitable<corrected> correcting::remove_page(std::string path, delete_options options)
{
    co_await read_both();
    if (const auto known = aliases_.find(path); known != aliases_.end())
        throw correction_error(fmt::format(
            "{} is merged into {} (correction {}): delete that, or undo the merge first", path,
            *end_of_chain(aliases_, path), known->second.number));
    const page_names names({}, aliases_, {});
    bool has_begun = co_await begin_deletion("page " + path, options);
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
    record_.changed =
        fmt::format("{} and {} taken out", views_text(views_), counted(visits_, "visit", "visits"));
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

/// Visits of that day which go on (somebody who never leaves): where they end is not counted there
/// any more.
asio::awaitable<void> correcting::end_visits(std::int32_t date)
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

/// Takes a day's rows of one breakdown out of it and of its month; of pages, the views, too.
asio::awaitable<void> correcting::take_day_rows(std::int32_t date, breakdown by,
                                                const delete_options& options)
{
    const auto& id = site_.id;
    const auto day = keys::day(id, date), month = keys::month(id, date),
               of_day = keys::day_breakdown(id, date, by),
               of_month = keys::month_breakdown(id, date, by), pages = keys::pages(id);
    const auto ends = (std::int64_t{date} + 2 + options.keep_days) * day_ms;
    const std::string other(other_member);
    for (int attempt = 0; attempt < most_attempts;) {
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
        const auto held = co_await exec(asking);
        changes list;
        std::int64_t sum = 0, month_other = 0, page_other = 0;
        for (std::size_t i = 0; i + 1 < rows.size(); i += 2) {
            const std::string row(rows[i].text());
            const auto count = rows[i + 1].count(), in_month = held[0][i / 2].count();
            sum += count;
            list.push_back(add_row(of_day, row, -count, ends));
            const auto own = row == other ? 0 : std::min(count, in_month);
            if (own > 0)
                list.push_back(add_row(of_month, row, -own, 0));
            month_other += count - own;
            if (by != breakdown::path)
                continue;
            const auto counts = held[1][i / 2].count() - held[2][i / 2].count();
            const auto of_page = row == other ? 0 : std::min(count, counts);
            if (of_page > 0)
                list.push_back(add_row(pages, row, -of_page, 0));
            page_other += count - of_page;
        }
        if (month_other > 0)
            list.push_back(add_row(of_month, other, -month_other, 0));
        for (const auto& key : {day, month})
            list.push_back(add_count(key, rows_field(name_of(by)), -sum));
        if (by == breakdown::path)
            take_views(list, date, sum, page_other, held[3], sum);
        journal(list, options);
        count_record(list);
        const auto done = co_await step(step_kind::pages, list);
        if (done == outcome::done) {
            views_ += by == breakdown::path ? sum : 0;
            attempt = 0;
            continue;
        }
        ++attempt;
        co_await read_log_again();
    }
    throw correction_error(fmt::format(
        "what the day has among (other) is not there in its month any more: undo {}", number_));
}

/// Takes so many views from a day (the reply of HGETALL tells its hours), its month and all time;
/// so many of them from the pages that are not told apart.
void correcting::take_views(changes& list, std::int32_t date, std::int64_t views,
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
asio::awaitable<void> correcting::take_day_fields(std::int32_t date, const delete_options& options,
                                                  bool is_first)
{
    const auto& id = site_.id;
    const auto day = keys::day(id, date), month = keys::month(id, date), totals = keys::totals(id);
    redis::pipeline reading;
    reading.add("HGETALL", day);
    reading.add("HGET", day, std::string_view(rows_field(name_of(breakdown::entry))));
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
    for (const auto& key : {keys::day_visitors(id, date), keys::day_first_seen(id, date),
                            keys::path_visitors(id, date)})
        list.push_back(options.is_for_good || !is_first
                           ? change{'U', {key}, {}}
                           : rename(key, keys::kept(id, number_, key)));
    list.push_back(count_visitors(keys::day_visitors(id, date), day, month, totals));
    journal(list, options);
    count_record(list);
    co_await must(step_kind::pages, list);
}

/// Views of the day that its rows do not tell of, and hours of pages that were deleted.
asio::awaitable<void> correcting::take_day_rest(std::int32_t date, const delete_options& options)
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
    record_.changed =
        fmt::format("{} and {} taken out", views_text(views_), counted(visits_, "visit", "visits"));
    count_record(list);
    co_await must(step_kind::pages, list);
}

asio::awaitable<bool> correcting::has_counts(std::int32_t date)
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

/// Whether it is known of all its views which pages they were of, as far as the pages go.
asio::awaitable<void> correcting::check_day(std::int32_t date)
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
                        "other views were of is not known",
                        date_text(date)));
    const auto untold = day["views"] - day[rows_field(name_of(breakdown::path))];
    std::size_t at = 2;
    for (const auto& by : breakdown_names)
        if (answers[at++].count() == 0 && day[rows_field(by)] > 0)
            throw correction_error(
                fmt::format("the rows of {} are not kept any more (aggregator.keep_days): which "
                            "pages its views "
                            "were of is not known",
                            date_text(date)));
    if (untold > answers[1].count())
        throw correction_error(
            fmt::format("of {} of the views of {} it is not known which pages "
                        "they were of",
                        untold, date_text(date)));
}

asio::awaitable<corrected> correcting::remove_day(std::int32_t date, delete_options options)
{
    if (date >= options.today - 1)
        throw correction_error(
            "a day can be deleted from the second day after it on: its visits go on over midnight");
    co_await read_log();
    const auto of = "day " + date_text(date);
    if (cut_off(of, options) == log_.records.end())
        co_await check_day(date);
    co_await end_visits(date);
    (void)co_await begin_deletion(of, options);
    // Late hits may come meanwhile: what they brought into one part goes with it from all.
    bool is_first = true;
    for (int pass = 0; pass < most_attempts && (is_first || co_await has_counts(date)); ++pass) {
        for (const auto& by : breakdown_names)
            if (by.what != breakdown::path)
                co_await take_day_rows(date, by.what, options);
        co_await take_day_fields(date, options, is_first);
        co_await take_day_rows(date, breakdown::path, options);
        co_await take_day_rest(date, options);
        is_first = false;
    }
    co_return corrected{number_, record_.changed};
}

asio::awaitable<corrected> correcting::remove_site(delete_options options)
{
    co_await read_log();
    const auto& id = site_.id;
    const auto prefix = site_prefix();
    (void)co_await begin_deletion("the whole site", options);
    const auto is_recent_day = [&](std::int32_t date) { return date >= options.today - 2; };
    const auto is_recent_month = [&](std::int32_t date) {
        return date >= month_begin(options.today, -1);
    };
    std::set<std::string> first, last;
    const auto names = co_await keys_like(prefix + "*");
    for (const auto& name : names) {
        const auto key = keys::parse(name);
        if (key.site != id)
            continue;
        switch (key.what) {
            case keys::kind::unknown:
            case keys::kind::corrections:
            case keys::kind::aliases:
            case keys::kind::hidden:
            case keys::kind::taken:
            case keys::kind::kept:
                break;
            case keys::kind::day_breakdown:
            case keys::kind::day_first_seen:
                (is_recent_day(key.date) ? last : first).insert(name);
                break;
            case keys::kind::month_breakdown:
                (is_recent_month(key.date) ? last : first).insert(name);
                break;
            default:
                last.insert(name);
        }
    }
    // What hits may make meanwhile.
    for (const auto* name : {"totals", "pages", "baseline", "facts", "seen", "visits"})
        last.insert(prefix + name);
    for (auto date = options.today - 2; date <= options.today + 1; ++date) {
        last.insert({keys::day(id, date), keys::day_visitors(id, date),
                     keys::day_first_seen(id, date), keys::path_visitors(id, date),
                     keys::month(id, date)});
        for (const auto& by : breakdown_names)
            last.insert(
                {keys::day_breakdown(id, date, by.what), keys::month_breakdown(id, date, by.what)});
    }
    for (auto hour = unix_ms() / hour_ms - 2; hour <= unix_ms() / hour_ms + 1; ++hour)
        last.insert(keys::new_paths(id, hour));

    redis::pipeline asking;
    asking.add("HMGET", keys::totals(id), "views"sv, "visits"sv, "baseline_views"sv);
    const auto held = co_await exec(asking);
    record_.changed =
        fmt::format("{} and {} of all time, {} imported", views_text(held[0][0].count()),
                    counted(held[0][1].count(), "visit", "visits"), held[0][2].count());
    // What tells of readers is forgotten in any case, as soon as it would have been.
    const auto is_of_readers = [](const std::string& key) {
        const auto what = keys::parse(key).what;
        return what == keys::kind::seen || what == keys::kind::visits ||
               what == keys::kind::new_paths;
    };
    const auto taken = [&](const std::string& key) {
        return options.is_for_good || is_of_readers(key)
                   ? change{'U', {key}, {}}
                   : rename(key, keys::kept(id, number_, key));
    };
    // Rows of former days first, as if they had ended: then all that must agree at once.
    const std::vector<std::string> rows(first.begin(), first.end());
    for (std::size_t from = 0; from < rows.size(); from += keys_per_step) {
        changes list;
        for (auto i = from; i < std::min(rows.size(), from + keys_per_step); ++i)
            list.push_back(taken(rows[i]));
        count_record(list);
        co_await must(step_kind::names, list);
    }
    changes list;
    for (const auto& key : last)
        list.push_back(taken(key));
    if (options.is_for_good) {
        const auto kept = co_await keys_like(keys::corrections(id) + ":*");
        for (const auto& key : kept)
            list.push_back({'U', {key}, {}});
        for (const auto& key : {keys::corrections(id), keys::aliases(id), keys::hidden(id)})
            list.push_back({'U', {key}, {}});
    } else {
        record_.state = "made";
        count_record(list);
    }
    co_await must(options.is_for_good ? step_kind::whole_site : step_kind::pages, list);
    co_return corrected{options.is_for_good ? 0 : number_, record_.changed};
}

asio::awaitable<void> correcting::undo_names(std::uint64_t number)
{
    changes all;
    for (const auto& [from, alias] : aliases_)
        if (alias.number == number)
            all.push_back({'a', {keys::aliases(site_.id)}, {from, encode(alias)}});
    for (std::size_t from = 0; from < all.size(); from += names_per_step) {
        const auto upto = std::min(all.size(), from + names_per_step);
        const changes list(all.begin() + static_cast<std::ptrdiff_t>(from),
                           all.begin() + static_cast<std::ptrdiff_t>(upto));
        co_await must(step_kind::names, list);
    }
}

/// Takes the steps back, the last one first; cut off it goes on where it was.
asio::awaitable<void> correcting::undo_steps(std::uint64_t number)
{
    const auto taken = keys::taken(site_.id, number);
    for (int attempt = 0; attempt < most_attempts;) {
        redis::pipeline asking;
        asking.add("LINDEX", taken, -1);
        const auto answers = co_await exec(asking);
        if (answers[0].is_null())
            co_return;
        const std::string bytes(answers[0].text());
        const auto made = decode_changes(bytes);
        if (!made)
            throw correction_error(taken + " is damaged: restore it from a backup");
        auto list = inverse(*made);
        list.push_back({'j', {taken}, {bytes}});
        record_.state = "begun";
        number_ = number;
        count_record(list);
        const auto done = co_await step(step_kind::pages, list);
        if (done == outcome::much)
            throw correction_error("too much has been counted there since: nothing was changed");
        if (done == outcome::done) {
            attempt = 0;
            continue;
        }
        ++attempt;
        co_await read_log();
    }
    throw correction_error(
        "what was put into (other) is not there any more, or somebody else is correcting this "
        "site: "
        "the rest was left as it is");
}

/// Puts the keys back; rows of former days last.
asio::awaitable<void> correcting::undo_site(std::uint64_t number)
{
    const auto& id = site_.id;
    const auto prefix = keys::taken(id, number) + ':';
    std::vector<std::string> first, last;
    const auto names = co_await keys_like(prefix + "*");
    for (const auto& name : names) {
        const auto key = keys::parse(name);
        if (key.what != keys::kind::kept)
            continue;
        const bool is_rows = key.was == keys::kind::day_breakdown ||
                             key.was == keys::kind::month_breakdown ||
                             key.was == keys::kind::day_first_seen;
        redis::pipeline asking;
        asking.add("EXISTS", site_prefix() + name.substr(prefix.size()));
        const auto answers = co_await exec(asking);
        const bool is_there = answers[0].count() > 0;
        if (key.was == keys::kind::baseline && is_there)
            throw correction_error(
                "starting totals have been imported since: take them back first (luot import "
                "totals --remove)");
        (is_rows && !is_there ? last : first).push_back(name);
    }
    changes list, visitors;
    for (const auto& name : first) {
        const auto key = site_prefix() + name.substr(prefix.size());
        list.push_back(put_back(name, key));
        if (const auto is = keys::parse(key); is.what == keys::kind::day_visitors)
            visitors.push_back(count_visitors(key, keys::day(id, is.date), keys::month(id, is.date),
                                              keys::totals(id)));
    }
    list.insert(list.end(), visitors.begin(), visitors.end());
    number_ = number;
    record_.state = last.empty() ? "undone" : "begun";
    if (!list.empty()) {
        count_record(list);
        const auto done = co_await step(step_kind::pages, list);
        if (done == outcome::much)
            throw correction_error(
                "too much has been counted since (more than 5,000 rows): restore a backup beside "
                "this instead (docs/corrections.md)");
        if (done != outcome::done)
            throw correction_error("somebody else is correcting this site: try again");
    }
    for (std::size_t from = 0; from < last.size(); from += keys_per_step) {
        changes rows;
        for (auto i = from; i < std::min(last.size(), from + keys_per_step); ++i)
            rows.push_back(put_back(last[i], site_prefix() + last[i].substr(prefix.size())));
        co_await must(step_kind::names, rows);
    }
}

asio::awaitable<corrected> correcting::undo(std::uint64_t number)
{
    co_await read_both();
    const auto found = log_.records.find(number);
    if (found == log_.records.end())
        throw correction_error(fmt::format("{} has no correction {} in its log", site_.id, number));
    record_ = found->second;
    number_ = number;
    if (record_.state == "undone")
        throw correction_error(fmt::format("correction {} is undone already", number));
    if (record_.state == "for good")
        throw correction_error(
            fmt::format("correction {} was made for good: what it took was not kept", number));
    if (record_.state == begun_for_good)
        throw correction_error(
            fmt::format("correction {} takes counts out for good, what it took was not kept: run "
                        "it again for the rest",
                        number));
    if (record_.what == "prune")
        throw correction_error(
            "a pruning cannot be undone: it made room by forgetting which paths there were");
    if (record_.what == "delete") {
        for (auto later = std::next(found); later != log_.records.end(); ++later)
            if (later->second.what == "delete" && later->second.state != "undone")
                throw correction_error(
                    later->second.state == "for good" || later->second.state == begun_for_good
                        ? fmt::format("correction {} was made after it, for good", later->first)
                        : fmt::format("correction {} was made after it: undo that first",
                                      later->first));
        redis::pipeline asking;
        asking.add("HGET", keys::totals(site_.id), "imports"sv);
        const auto answers = co_await exec(asking);
        if (record_.imports >= 0 && record_.imports != answers[0].count())
            throw correction_error(
                "it took imported views, and starting totals have been imported since: what would "
                "stand without it cannot be known");
        if (record_.of == "the whole site")
            co_await undo_site(number);
        else
            co_await undo_steps(number);
    } else if (record_.what == "merge") {
        co_await undo_names(number);
    }
    changes list;
    if (record_.what == "hide")
        list.push_back({'n', {keys::hidden(site_.id)}, {record_.of}});
    record_.state = "undone";
    record_.undone_at_ms = unix_ms();
    record_.undone_by = caller_name();
    count_record(list);
    list.push_back({'U', {keys::taken(site_.id, number)}, {}});
    co_await must(step_kind::names, list);
    co_return corrected{number, record_.changed};
}

}  // namespace

std::string encode(const correction& c)
{
    json::object o{{"at", c.at_ms}, {"by", c.by},           {"what", c.what},
                   {"of", c.of},    {"changed", c.changed}, {"state", c.state}};
    if (c.imports >= 0)
        o["imports"] = c.imports;
    if (c.undone_at_ms > 0) {
        o["undone_at"] = c.undone_at_ms;
        o["undone_by"] = c.undone_by;
    }
    return json::serialize(o);
}

bool decode(std::string_view text, correction& out)
{
    json::error_code error;
    const auto value = json::parse(json::string_view(text.data(), text.size()), error);
    if (error || !value.is_object())
        return false;
    const auto& o = value.get_object();
    out = {};
    out.at_ms = number_of(o, "at");
    out.by = text_of(o, "by");
    out.what = text_of(o, "what");
    out.of = text_of(o, "of");
    out.changed = text_of(o, "changed");
    out.state = text_of(o, "state");
    out.imports = o.if_contains("imports") ? number_of(o, "imports") : -1;
    out.undone_at_ms = number_of(o, "undone_at");
    out.undone_by = text_of(o, "undone_by");
    return out.at_ms > 0 && !out.what.empty() && !out.state.empty();
}

asio::awaitable<correction_log> read_corrections(redis::client& redis, std::string site)
{
    redis::pipeline asking;
    asking.add("HGETALL", keys::corrections(site));
    const auto answers = co_await redis.exec(asking);
    if (!answers)
        throw correction_error(
            "Redis: " + (redis.trouble().empty() ? answers.error().message() : redis.trouble()));
    if (const auto error = answers->first_error(); !error.is_null())
        throw correction_error("Redis: " + std::string(error.text()));
    correction_log out;
    const auto fields = (*answers)[0];
    for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
        const auto name = fields[i].text(), value = fields[i + 1].text();
        std::uint64_t number = 0;
        correction c;
        if (name == "mark")
            out.mark = value;
        else if (name == "last")
            (void)parse_number(value, out.last);
        else if (parse_number(name, number) && decode(value, c))
            out.records.emplace(number, std::move(c));
    }
    co_return out;
}

std::string caller_name()
{
    const auto uid = ::getuid();
    if (const auto* caller = uid == 0 ? std::getenv("SUDO_USER") : nullptr; caller && *caller)
        return caller;
    passwd entry{};
    passwd* found = nullptr;
    std::array<char, 4096> buffer{};
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found)
        return found->pw_name;
    return std::to_string(uid);
}

std::string normalised(std::string_view path, const site_config& site)
{
    std::string out;
    if (const auto error = normalise_page(path, site, {}, out, nullptr))
        throw correction_error(
            fmt::format("{} is no page of this site: {}", path, error.message()));
    return out;
}

std::pair<std::string, std::string> normalised_pair(std::string_view from, std::string_view to,
                                                    const site_config& site)
{
    std::pair pair{normalised(from, site), normalised(to, site)};
    if (pair.first == pair.second)
        throw correction_error(fmt::format("{} and {} are one page, {}: nothing is to be merged",
                                           from, to, pair.first));
    if (!site.counts_apart(pair.second))
        throw correction_error(
            fmt::format("{} matches none of the site's `only`: it has no count", pair.second));
    return pair;
}

address_pairs parse_pairs(std::string_view csv, const std::string& file_name,
                          const site_config& site)
{
    address_pairs out;
    csv_reader reader;
    reader.feed(csv);
    reader.finish();
    csv_record record;
    for (bool is_first = true;; is_first = false) {
        const auto outcome = reader.next(record);
        const auto fail = [&](std::string_view what) {
            return correction_error(fmt::format("{}:{}: {}", file_name, record.line, what));
        };
        if (outcome == csv_reader::outcome::end)
            break;
        if (outcome != csv_reader::outcome::record)
            throw fail("a quote is not closed, or the line is too long");
        auto& cells = record.cells;
        while (cells.size() > 2 && cells.back().empty())  // as spreadsheets pad their rows
            cells.pop_back();
        if (cells.size() != 2 || cells[0].empty() || cells[1].empty())
            throw fail("a row is `from,to`, two addresses");
        if (is_first && cells[0].find('/') == std::string::npos &&
            cells[1].find('/') == std::string::npos)
            continue;
        if (out.size() == most_aliases)
            throw fail(fmt::format("a site has at most {} merged addresses", most_aliases));
        try {
            out.push_back(normalised_pair(cells[0], cells[1], site));
        } catch (const correction_error& e) {
            throw fail(e.what());
        }
    }
    if (out.empty())
        throw correction_error(file_name + ": there is no row in it");
    return out;
}

asio::awaitable<corrected> merge_pages(redis::client& redis, const site_config& site,
                                       address_pairs pairs, std::string of)
{
    correcting run{redis, site};
    co_return co_await run.merge(std::move(pairs), std::move(of));
}

asio::awaitable<corrected> hide_page(redis::client& redis, const site_config& site,
                                     std::string path)
{
    correcting run{redis, site};
    co_return co_await run.hide(std::move(path));
}

asio::awaitable<corrected> delete_page(redis::client& redis, const site_config& site,
                                       std::string path, delete_options options)
{
    correcting run{redis, site};
    co_return co_await run.remove_page(std::move(path), options);
}

asio::awaitable<corrected> delete_day(redis::client& redis, const site_config& site,
                                      std::int32_t date, delete_options options)
{
    correcting run{redis, site};
    co_return co_await run.remove_day(date, options);
}

asio::awaitable<corrected> delete_site(redis::client& redis, const site_config& site,
                                       delete_options options)
{
    correcting run{redis, site};
    co_return co_await run.remove_site(options);
}

asio::awaitable<corrected> undo_correction(redis::client& redis, const site_config& site,
                                           std::uint64_t number)
{
    correcting run{redis, site};
    co_return co_await run.undo(number);
}

asio::awaitable<corrected> log_pruning(redis::client& redis, const site_config& site,
                                       std::string of, std::string changed)
{
    correcting run{redis, site};
    co_return co_await run.note("prune", std::move(of), std::move(changed));
}

}  // namespace luot::aggregator
