#include "aggregator/lookup.hpp"

#include "core/bytes.hpp"
#include "core/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace luot::embedded {
extern const std::string_view known_lua;
}

namespace luot::aggregator {

namespace {

constexpr std::size_t most_members = 500;  // of one variadic call: a read holds Redis up, too

/// One command per `most_members` values.
template <class Values, class Text>
void add_in_parts(std::vector<redis::command>& list, std::string_view name, const std::string& key,
                  const Values& values, Text text)
{
    for (std::size_t from = 0; from < values.size(); from += most_members) {
        redis::command c{name};
        c.add(std::string_view(key));
        for (auto i = from; i < std::min(values.size(), from + most_members); ++i)
            c.add(std::string_view(text(values[i])));
        list.push_back(std::move(c));
    }
}

/// Reads the replies of add_in_parts: calls `found(value, reply)` for each.
template <class Values, class Found>
void read_parts(const redis::replies& answers, std::size_t& at, const Values& values, Found found)
{
    for (std::size_t from = 0; from < values.size(); from += most_members, ++at)
        for (auto i = from; i < std::min(values.size(), from + most_members); ++i)
            found(values[i], answers[at][i - from]);
}

const std::string& same(const std::string& text)
{
    return text;
}

}  // namespace

std::string member(std::uint64_t id)
{
    std::string bytes;
    put_u64(bytes, id);
    return bytes;
}

std::string client_field(std::uint32_t client)
{
    return fmt::format("{:08x}", client);
}

lookup::lookup(unsigned partition, questions asked, id_sets sets, partition_memory& memory)
    : asked_(std::move(asked)), sets_(std::move(sets)), memory_(memory)
{
    known_.memory = &memory;
    const auto one = [this](std::string_view name, const std::string& key, auto... arguments) {
        redis::command c{name};
        c.add(std::string_view(key));
        (c.add(arguments), ...);
        list_.push_back(std::move(c));
    };
    asks_for_tip_ = memory_.tip().empty();
    if (asks_for_tip_)
        one("HGET", keys::producers(partition), std::string_view("tip"));
    one("EXISTS", keys::tallies(partition));
    one("EXISTS", keys::rows_wanted(partition));
    one("ZRANGE", keys::id_sets(partition), 0, -1, std::string_view("WITHSCORES"));
    std::vector<std::int64_t> unknown_sets;
    for (const auto& [time, count] : sets_)
        if (!memory_.has_all_of(time))
            unknown_sets.push_back(time);
    asks_for_ids_ = !unknown_sets.empty() && !asked_.ids.empty();
    if (asks_for_ids_) {
        auto c = redis::evaluate(known_script(), unknown_sets.size());
        for (const auto time : unknown_sets)
            c.add(std::string_view(keys::id_set(partition, time)));
        list_.push_back(std::move(c.add(std::string_view(packed_u64(asked_.ids)))));
    }
    for (const auto& [id, s] : asked_.sites) {
        one("ZCARD", keys::pages(id));
        one("ZSCORE", keys::pages(id), other_path);
        add_in_parts(list_, "ZMSCORE", keys::seen(id), s.visitors, member);
        add_in_parts(list_, "HMGET", keys::visits(id), s.visitors, member);
        add_in_parts(list_, "ZMSCORE", keys::pages(id), s.paths, same);
        add_in_parts(list_, "HMGET", keys::facts(id), s.voted_paths, same);
        for (const auto date : s.dates)
            one("HGET", keys::day(id, date), std::string_view("new_paths"));
        for (const auto& [hour, clients] : s.clients)
            add_in_parts(list_, "HMGET", keys::new_paths(id, hour), clients, client_field);
    }
}

const redis::script& known_script()
{
    static const redis::script s{embedded::known_lua};
    return s;
}

void lookup::add_to(redis::pipeline& commands) const
{
    for (const auto& c : list_)
        commands.add(c);
}

lookup::outcome lookup::read(const redis::replies& answers, std::size_t first)
{
    for (auto i = first; i < first + list_.size(); ++i) {
        if (answers[i].is_error()) {
            error_ = answers[i].text();
            return outcome::failed;
        }
    }
    auto at = first;
    if (asks_for_tip_)
        memory_.rest_on(std::string(answers[at++].text()));
    rows_wait_ = answers[at++].count() > 0;
    rows_wanted_ = answers[at++].count() > 0;
    const auto listed = answers[at++];
    id_sets now;
    for (std::size_t i = 0; i + 1 < listed.size(); i += 2)
        now[listed[i].count()] = static_cast<std::uint64_t>(listed[i + 1].count());
    const bool all_asked = std::all_of(now.begin(), now.end(),
                                       [this](const auto& s) { return sets_.contains(s.first); });
    sets_ = std::move(now);
    if (!all_asked && !asked_.ids.empty())
        return outcome::more_sets;
    memory_.keep_sets(sets_);

    if (asks_for_ids_) {
        const auto flags = answers[at++].text();
        if (flags.size() != asked_.ids.size()) {
            error_ = "known.lua did not answer for every id";
            return outcome::failed;
        }
        for (std::size_t i = 0; i < flags.size(); ++i)
            if (flags[i] == '1')
                known_.ids.insert(asked_.ids[i]);
    }
    for (const auto& [id, s] : asked_.sites) {
        auto& out = known_.sites[id];
        out.path_count = static_cast<std::uint64_t>(answers[at++].count());
        if (!answers[at++].is_null() && out.path_count > 0)
            --out.path_count;  // "(other)" is no path
        read_parts(answers, at, s.visitors,
                   [&out](std::uint64_t visitor, const redis::reply_view& r) {
                       if (const auto time = r.number())
                           out.seen[visitor] = *time;
                   });
        read_parts(answers, at, s.visitors,
                   [&out](std::uint64_t visitor, const redis::reply_view& r) {
                       if (!r.is_null())
                           out.visits[visitor] = r.text();
                   });
        read_parts(answers, at, s.paths,
                   [&, &site = id](const std::string& path, const redis::reply_view& r) {
                       if (r.is_null())
                           return;
                       out.paths.insert(path);
                       memory_.learn(site, path);
                   });
        read_parts(answers, at, s.voted_paths,
                   [&, &site = id](const std::string& path, const redis::reply_view& r) {
                       if (r.is_null())
                           return;
                       const auto& votes = out.votes[path] = r.text();
                       memory_.learn(site, path, votes);
                   });
        for (const auto date : s.dates)
            out.new_paths[date] = answers[at++].count();
        for (const auto& [hour, clients] : s.clients)
            read_parts(answers, at, clients,
                       [&counts = out.new_by_client[hour]](std::uint32_t client,
                                                           const redis::reply_view& r) {
                           if (const auto brought = r.number())
                               counts[client] = *brought;
                       });
    }
    return outcome::known;
}

}  // namespace luot::aggregator
