// Takes a correction back, by what it kept.

#include "aggregator/corrections/correcting.hpp"
#include "aggregator/corrections/note.hpp"
#include "core/clock.hpp"
#include "core/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace luot::aggregator {

namespace asio = boost::asio;
using namespace std::string_view_literals;

namespace {

class undoing : public correcting {
public:
    using correcting::correcting;

    asio::awaitable<corrected> undo(std::uint64_t number);

private:
    asio::awaitable<void> undo_names(std::uint64_t number);
    asio::awaitable<void> undo_steps(std::uint64_t number);
    asio::awaitable<void> undo_site(std::uint64_t number);
};

asio::awaitable<void> undoing::undo_names(std::uint64_t number)
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
asio::awaitable<void> undoing::undo_steps(std::uint64_t number)
{
    const auto taken = keys::taken(site_.id, number);
    for (int attempt = 0; attempt < most_tries;) {
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
asio::awaitable<void> undoing::undo_site(std::uint64_t number)
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
        const auto is = keys::parse(key);
        if (is.what == keys::kind::day_visitors)
            visitors.push_back(count_visitors(key, keys::day(id, is.date), keys::month(id, is.date),
                                              keys::totals(id)));
        if (is.what != keys::kind::path_visitors)
            continue;
        redis::pipeline asking;
        asking.add("ZRANGE", key, 0, -1);
        const auto pages = co_await exec(asking);
        for (std::size_t i = 0; i < pages[0].size(); ++i)
            visitors.push_back(put_visitors(key, std::string(pages[0][i].text()), 0, 0));
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

asio::awaitable<corrected> undoing::undo(std::uint64_t number)
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
    if (const auto reason = why_no_undo(record_.what); !reason.empty())
        throw correction_error(std::string(reason));
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
        if (record_.of == of_site)
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

asio::awaitable<corrected> undo_correction(redis::client& redis, const site_config& site,
                                           std::uint64_t number)
{
    undoing run{redis, site};
    co_return co_await run.undo(number);
}

}  // namespace luot::aggregator
