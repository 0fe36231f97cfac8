#include "aggregator/lookup.hpp"

#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/keys.hpp"

#include <algorithm>

namespace luot::aggregator {

namespace {

constexpr std::size_t most_members = 500;  // of one variadic call: a read holds Redis up, too
constexpr std::int64_t silent_after_ms = 24LL * 3600 * 1000;

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
void read_parts(const redis::reply_view& exec, std::size_t& at, const Values& values, Found found)
{
    for (std::size_t from = 0; from < values.size(); from += most_members, ++at)
        for (auto i = from; i < std::min(values.size(), from + most_members); ++i)
            found(values[i], exec[at][i - from]);
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

lookup::lookup(unsigned partition, const std::string& head, questions asked, id_sets sets,
               bool with_watermarks)
    : partition_(partition),
      head_(head),
      asked_(std::move(asked)),
      sets_(std::move(sets)),
      with_watermarks_(with_watermarks)
{
    const auto one = [this](std::string_view name, auto... arguments) {
        redis::command c{name};
        (c.add(std::string_view(arguments)), ...);
        list_.push_back(std::move(c));
    };
    one("XRANGE", keys::hits(partition_), std::string("-"), head_, std::string("COUNT"),
        std::string("1"));
    one("ZRANGE", keys::id_sets(partition_), std::string("0"), std::string("-1"),
        std::string("WITHSCORES"));
    if (with_watermarks_)
        one("HGETALL", keys::producers(partition_));
    for (const auto& [time, count] : sets_)
        add_in_parts(list_, "SMISMEMBER", keys::id_set(partition_, time), asked_.ids, member);
    for (const auto& [id, s] : asked_.sites) {
        one("ZCARD", keys::pages(id));
        add_in_parts(list_, "ZMSCORE", keys::seen(id), s.visitors, member);
        add_in_parts(list_, "ZMSCORE", keys::pages(id), s.paths, same);
        for (const auto date : s.dates)
            one("HGET", keys::day(id, date), std::string("new_paths"));
    }
    commands_ = list_.size();
}

void lookup::add_to(redis::pipeline& commands) const
{
    commands.add("MULTI");
    for (const auto& c : list_)
        commands.add(c);
    commands.add("EXEC");
}

lookup::outcome lookup::read(const redis::reply_view& exec)
{
    if (exec.is_error() || exec.size() != commands_) {
        error_ = exec.is_error() ? std::string(exec.text()) : "no answer to a transaction";
        return outcome::failed;
    }
    for (std::size_t i = 0; i < exec.size(); ++i) {
        if (exec[i].is_error()) {
            error_ = exec[i].text();
            return outcome::failed;
        }
    }
    if (exec[0].size() == 0 || exec[0][0][0].text() != head_)
        return outcome::gone;

    std::size_t at = 1;
    id_sets now;
    for (std::size_t i = 0; i + 1 < exec[at].size(); i += 2)
        now[exec[at][i].count()] = static_cast<std::uint64_t>(exec[at][i + 1].count());
    ++at;
    const bool all_asked = std::all_of(now.begin(), now.end(),
                                       [this](const auto& s) { return sets_.contains(s.first); });
    const auto asked_sets = std::exchange(sets_, std::move(now));
    if (!all_asked && !asked_.ids.empty())
        return outcome::more_sets;

    if (with_watermarks_) {
        const auto all = exec[at++];
        const auto now_ms = unix_ms();
        std::map<std::string_view, std::int64_t> watermarks;
        for (std::size_t i = 0; i + 1 < all.size(); i += 2) {
            const auto name = all[i].text();
            if (name.ends_with(":shipped"))
                watermarks.try_emplace(name.substr(0, 16), 0);
            else if (name.ends_with(":watermark"))
                watermarks[name.substr(0, 16)] = all[i + 1].count();
        }
        std::int64_t low = now_ms;
        for (const auto& [producer, time] : watermarks) {
            if (time != 0 && now_ms - time > silent_after_ms)
                ++silent_;
            else
                low = std::min(low, time);
        }
        low_ms_ = low;
    }
    for (std::size_t i = 0; i < asked_sets.size(); ++i)
        read_parts(exec, at, asked_.ids, [this](std::uint64_t id, const redis::reply_view& r) {
            if (r.count() == 1)
                known_.ids.insert(id);
        });
    for (const auto& [id, s] : asked_.sites) {
        auto& out = known_.sites[id];
        out.path_count = static_cast<std::uint64_t>(exec[at++].count());
        out.seen.reserve(s.visitors.size());
        out.paths.reserve(s.paths.size());
        read_parts(exec, at, s.visitors, [&out](std::uint64_t visitor, const redis::reply_view& r) {
            if (const auto time = r.number())
                out.seen[visitor] = *time;
        });
        read_parts(exec, at, s.paths, [&out](const std::string& path, const redis::reply_view& r) {
            if (!r.is_null())
                out.paths.insert(path);
        });
        for (const auto date : s.dates)
            out.new_paths[date] = exec[at++].count();
    }
    return outcome::known;
}

}  // namespace luot::aggregator
