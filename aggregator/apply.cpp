#include "aggregator/apply.hpp"

#include "aggregator/lookup.hpp"
#include "aggregator/steps.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/keys.hpp"

#include <fmt/compile.h>

#include <algorithm>
#include <iterator>

namespace luot::embedded {
extern const std::string_view apply_lua, reject_lua, tidy_lua;
}

namespace luot::aggregator {

namespace {

/// Of the day, and after a late hit; after that a page's number of a day stands.
constexpr std::uint32_t registers_kept_days = 2;

constexpr std::int64_t silent_after_ms = 24LL * 3600 * 1000;
/// Longer than an emptied log is asked for (shipper_options::name_is_kept).
constexpr std::int64_t retire_after_ms = 8LL * 24 * 3600 * 1000;
/// Longer than the hour that they are of, so that a short backlog is held to them, too.
constexpr std::int64_t clients_kept_ms = 2 * hour_ms;
constexpr int most_forgotten = 2000;  // visitors at once: a script must not hold Redis up

}  // namespace

const redis::script& apply_script()
{
    static const redis::script s{embedded::apply_lua};
    return s;
}

const redis::script& reject_script()
{
    static const redis::script s{embedded::reject_lua};
    return s;
}

const redis::script& tidy_script()
{
    static const redis::script s{embedded::tidy_lua};
    return s;
}

redis::command tidy_command(unsigned partition, const tidy_options& options)
{
    auto c = redis::evaluate(tidy_script(), 3 + options.early_sets.size() + options.sets.size() +
                                                2 * options.sites.size());
    c.add(std::string_view(keys::producers(partition)));
    c.add(std::string_view(keys::id_sets(partition)));
    c.add(std::string_view(keys::retired(partition)));
    for (const auto* sets : {&options.early_sets, &options.sets})
        for (const auto time : *sets)
            c.add(std::string_view(keys::id_set(partition, time)));
    for (const auto& site : options.sites) {
        c.add(std::string_view(keys::seen(site)));
        c.add(std::string_view(keys::visits(site)));
    }
    c.add(options.dedupe_window_ms)
        .add(visit_gap_ms + late_line_ms)
        .add(silent_after_ms)
        .add(retire_after_ms)
        .add(most_forgotten)
        .add(options.early_sets.size());
    for (const auto* sets : {&options.early_sets, &options.sets})
        for (const auto time : *sets)
            c.add(time);
    return c;
}

std::string next_id(std::string_view id)
{
    const auto dash = id.find('-');
    std::uint64_t bits = 0;
    (void)parse_number(id.substr(dash + 1), bits);
    return std::string(id.substr(0, dash + 1)) + std::to_string(bits + 1);
}

redis::command apply_command(unsigned partition, const std::vector<entry>& batch, std::size_t count,
                             const additions& a, const apply_options& options)
{
    steps out{{keys::hits(partition), keys::producers(partition), keys::id_sets(partition),
               keys::lease(partition)}};
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count; ++i)
        bytes += batch[i].bytes;
    const auto& upto = batch[count - 1].id;
    out.add(std::string_view(batch.front().id), std::string_view(upto),
            std::string_view(next_id(upto)), bytes, std::string_view(options.tip));

    for (const auto& [id, s] : a.sites) {
        out.counts('H', keys::totals(id), s.totals);
        for (const auto& [date, day] : s.days)
            out.counts('H', keys::day(id, date), day);
        for (const auto& [date, month] : s.months)
            out.counts('H', keys::month(id, date), month);
        out.counts('Z', keys::pages(id), s.pages);
        if (options.settles_rows)
            out.rows(id, s.broken_down, options.keep_days);
        else if (!s.broken_down.empty())
            out.add(std::string_view("R"), out.key(keys::tallies(partition)),
                    std::string_view(encode(id, s.broken_down)));
        for (const auto& [date, hashes] : s.first_seen)
            out.add(std::string_view("A"), out.key(keys::day_first_seen(id, date)),
                    std::string_view(packed_u64(hashes)));
        for (const auto& [hour, clients] : s.new_by_client) {
            fields brought;
            for (const auto& [client, count] : clients)
                brought[client_field(client)] = count;
            out.counts('H', keys::new_paths(id, hour), brought);
            out.add(std::string_view("E"), out.key(keys::new_paths(id, hour)), clients_kept_ms);
        }
        // Behind the day's views, which bound its visitors.
        for (const auto& [date, visitors] : s.visitors)
            out.add(std::string_view("P"), out.key(keys::day_visitors(id, date)),
                    out.key(keys::day(id, date)), out.key(keys::month(id, date)),
                    out.key(keys::totals(id)), std::string_view(packed_u64(visitors)));
        for (const auto& [date, pages] : s.path_visitors)
            for (const auto& [path, visitors] : pages)
                out.add(std::string_view("Q"), out.key(keys::path_visitors(id, date)),
                        out.key(keys::visitors_of_path(id, date, path_hash(path))), path,
                        most_visited_paths,
                        std::max(kept_until_ms(date, registers_kept_days),
                                 unix_ms() + registers_kept_days * day_ms),
                        kept_until_ms(date, options.keep_days),
                        std::string_view(packed_u64(visitors)));
        if (!s.seen.empty()) {
            std::string times, ids;
            for (const auto& [visitor, time] : s.seen) {
                fmt::format_to(std::back_inserter(times), FMT_COMPILE("{:016}"), time);
                put_u64(ids, visitor);
            }
            out.add(std::string_view("G"), out.key(keys::seen(id)), std::string_view(times),
                    std::string_view(ids));
        }
        if (!s.votes.empty()) {
            out.add(std::string_view("V"), out.key(keys::facts(id)), s.votes.size());
            for (const auto& [path, votes] : s.votes)
                out.add(path, std::string_view(votes));
        }
        if (!s.visits.empty()) {
            out.add(std::string_view("V"), out.key(keys::visits(id)), s.visits.size());
            for (const auto& [visitor, state] : s.visits)
                out.add(std::string_view(member(visitor)), std::string_view(state));
        }
    }
    for (const auto& [time, members] : a.ids)
        out.add(std::string_view("S"), out.key(keys::id_set(partition, time)),
                out.key(keys::id_sets(partition)), time, std::string_view(packed_u64(members)));
    out.add(std::string_view("O"), a.positions.size());
    for (const auto& [producer, position] : a.positions)
        out.add(std::string_view(producer), position.applied, position.watermark_ms);
    if (a.unconfigured > 0 || a.damaged > 0 || a.bare > 0) {
        fields counts;
        if (a.bare > 0)
            counts["bare"] = static_cast<std::int64_t>(a.bare);
        if (a.unconfigured > 0)
            counts["unconfigured"] = static_cast<std::int64_t>(a.unconfigured);
        if (a.damaged > 0)
            counts["damaged"] = static_cast<std::int64_t>(a.damaged);
        out.counts('H', keys::producers(partition), counts);
    }
    if (!options.lease_owner.empty())
        out.add(std::string_view("L"), std::string_view(options.lease_owner), options.lease_ms);
    return out.command(apply_script());
}

redis::command reject_command(unsigned partition, const entry& e, std::string_view reason)
{
    auto c = redis::evaluate(reject_script(), 3);
    c.add(std::string_view(keys::hits(partition)))
        .add(std::string_view(keys::producers(partition)))
        .add(std::string_view(keys::rejected(partition)))
        .add(std::string_view(e.id))
        .add(std::string_view(next_id(e.id)))
        .add(e.hits.size() + e.damaged)
        .add(reason);
    return c;
}

}  // namespace luot::aggregator
