#include "aggregator/apply.hpp"

#include "aggregator/lookup.hpp"
#include "core/bytes.hpp"
#include "core/keys.hpp"
#include "core/local_time.hpp"

#include <fmt/compile.h>

#include <iterator>
#include <unordered_map>

namespace luot::embedded {
extern const std::string_view apply_lua, reject_lua, tidy_lua;
}

namespace luot::aggregator {

namespace {

constexpr std::int64_t day_ms = 86'400'000;

/// The keys and arguments of apply.lua while they are put together.
class steps {
public:
    explicit steps(unsigned partition)
        : keys_{keys::hits(partition), keys::producers(partition), keys::id_sets(partition),
                keys::lease(partition)}
    {
        for (std::size_t i = 0; i < keys_.size(); ++i)
            index_[keys_[i]] = i + 1;
    }

    template <class... Arguments>
    void add(const Arguments&... arguments)
    {
        (arguments_.add(arguments), ...);
    }

    /// The number of a key among KEYS.
    std::size_t key(std::string name)
    {
        const auto [at, is_new] = index_.try_emplace(name, keys_.size() + 1);
        if (is_new)
            keys_.push_back(std::move(name));
        return at->second;
    }

    void counts(char step, std::string name, const fields& values)
    {
        if (values.empty())
            return;
        add(std::string_view(&step, 1), key(std::move(name)), values.size());
        for (const auto& [field, delta] : values)
            add(std::string_view(field), delta);
    }

    void capped(std::string name, const tally& values, std::int64_t ends_ms)
    {
        add(std::string_view("C"), key(std::move(name)), most_members, ends_ms, values.size());
        for (const auto& [member, delta] : values)
            add(std::string_view(member), delta);
    }

    [[nodiscard]] redis::command command(const redis::script& s) const
    {
        auto c = redis::evaluate(s, keys_.size());
        for (const auto& k : keys_)
            c.add(std::string_view(k));
        c.append(arguments_);
        return c;
    }

private:
    std::vector<std::string> keys_;
    std::unordered_map<std::string, std::size_t> index_;
    redis::command arguments_;
};

/// The breakdowns of days, each of which is forgotten after keep_days, and of their months.
void add_breakdowns(steps& out, const std::string& site,
                    const std::map<std::int32_t, tallies>& by_date, std::uint32_t keep_days)
{
    std::map<std::int32_t, tallies> by_month;
    for (const auto& [date, day] : by_date) {
        // By UTC: a local day has ended two days after its date began there.
        const auto ends_ms = (std::int64_t{date} + 2 + keep_days) * day_ms;
        auto& month = by_month[month_begin(date)];
        for (std::size_t by = 0; by < breakdown_count; ++by) {
            if (day[by].empty())
                continue;
            out.capped(keys::day_breakdown(site, date, breakdown_names[by].what), day[by], ends_ms);
            for (const auto& [member, delta] : day[by])
                month[by][member] += delta;
        }
    }
    for (const auto& [date, month] : by_month)
        for (std::size_t by = 0; by < breakdown_count; ++by)
            if (!month[by].empty())
                out.capped(keys::month_breakdown(site, date, breakdown_names[by].what), month[by],
                           0);
}

/// As member() writes each.
std::string packed(const std::vector<std::uint64_t>& ids)
{
    std::string bytes;
    bytes.reserve(ids.size() * sizeof(std::uint64_t));
    for (const auto id : ids)
        put_u64(bytes, id);
    return bytes;
}

constexpr std::int64_t silent_after_ms = 24LL * 3600 * 1000;
/// Longer than an emptied log is asked for (shipper_options::name_is_kept).
constexpr std::int64_t retire_after_ms = 8LL * 24 * 3600 * 1000;
/// Longer than the hour that they are of, so that a short backlog is held to them, too.
constexpr std::int64_t clients_kept_ms = 2 * hour_ms;
/// A line of an access log has the time at which its request came, and is written when it is
/// answered: lines before it may be so much later, and have moved the watermark on.
constexpr std::int64_t late_line_ms = 10LL * 60 * 1000;
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
    auto c = redis::evaluate(
        tidy_script(), 3 + options.early_sets.size() + options.sets.size() + options.sites.size());
    c.add(std::string_view(keys::producers(partition)));
    c.add(std::string_view(keys::id_sets(partition)));
    c.add(std::string_view(keys::retired(partition)));
    for (const auto* sets : {&options.early_sets, &options.sets})
        for (const auto time : *sets)
            c.add(std::string_view(keys::id_set(partition, time)));
    for (const auto& site : options.sites)
        c.add(std::string_view(keys::seen(site)));
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
    steps out{partition};
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
        add_breakdowns(out, id, s.broken_down, options.keep_days);
        for (const auto& [date, hashes] : s.first_seen)
            out.add(std::string_view("A"), out.key(keys::day_first_seen(id, date)),
                    std::string_view(packed(hashes)));
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
                    out.key(keys::totals(id)), std::string_view(packed(visitors)));
        if (!s.seen.empty()) {
            std::string times, ids;
            for (const auto& [visitor, time] : s.seen) {
                fmt::format_to(std::back_inserter(times), FMT_COMPILE("{:016}"), time);
                put_u64(ids, visitor);
            }
            out.add(std::string_view("G"), out.key(keys::seen(id)), std::string_view(times),
                    std::string_view(ids));
        }
    }
    for (const auto& [time, members] : a.ids)
        out.add(std::string_view("S"), out.key(keys::id_set(partition, time)), time,
                std::string_view(packed(members)));
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
