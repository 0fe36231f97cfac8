#include "aggregator/corrections/correcting.hpp"

#include "aggregator/corrections/note.hpp"
#include "aggregator/reports.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/fail_point.hpp"
#include "core/keys.hpp"
#include "core/utf8.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;
using namespace std::string_view_literals;

namespace {

constexpr int scan_count = 1000;
constexpr std::int64_t longest_wait_ms = 30'000, ask_every_ms = 5;

}  // namespace

std::string counted(std::int64_t n, std::string_view one, std::string_view many)
{
    return fmt::format("{} {}", n, n == 1 ? one : many);
}

std::string views_text(std::int64_t n)
{
    return counted(n, "view", "views");
}

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

asio::awaitable<void> correcting::read_both()
{
    for (int attempt = 0; attempt < most_tries; ++attempt) {
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
                   !why_no_undo(r.second.what).empty();
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

correction_log::records_type::const_iterator correcting::cut_off(
    const std::string& of, const delete_options& options) const
{
    return std::find_if(log_.records.begin(), log_.records.end(), [&](const auto& r) {
        return r.second.what == "delete" && r.second.of == of &&
               (options.is_for_good ? r.second.state == begun_for_good : can_go_on(log_, r.first));
    });
}

asio::awaitable<bool> correcting::begin_deletion(std::string of, delete_options options)
{
    if (const auto former = cut_off(of, options); former != log_.records.end()) {
        number_ = former->first;
        record_ = former->second;
        has_made_step_ = true;
        if (!record_.changed.empty())
            so_far_ = record_.changed + "; then ";
        co_return true;
    }
    co_await begin("delete", std::move(of));
    if (options.is_for_good)
        record_.state = begun_for_good;
    co_return false;
}

asio::awaitable<corrected> correcting::note(std::string what, std::string of, std::string changed)
{
    for (int attempt = 0; attempt < most_tries; ++attempt) {
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

asio::awaitable<corrected> log_pruning(redis::client& redis, const site_config& site,
                                       std::string of, std::string changed)
{
    correcting run{redis, site};
    co_return co_await run.note("prune", std::move(of), std::move(changed));
}

}  // namespace luot::aggregator
