#include "aggregator/fold/fold.hpp"

#include "aggregator/memory.hpp"
#include "core/bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace luot::aggregator {

namespace {

/// The time that counts: a collector's clock may be ahead, never far behind unseen.
std::int64_t time_of(const hit& h, const entry& e)
{
    return h.time_ms > e.time_ms + clock_tolerance_ms ? e.time_ms : h.time_ms;
}

/// The date that the collector used, so that visitor ids and days belong together; worked out again
/// when the time was corrected or the record makes no sense.
std::int32_t date_of(const hit& h, std::int64_t time_ms, const site_table::site& site)
{
    const auto utc = time_ms / 86'400'000;
    if (time_ms != h.time_ms || h.local_date < utc - 1 || h.local_date > utc + 1)
        return site.zone.date(time_ms);
    return h.local_date;
}

template <class Values>
void make_unique(Values& values)
{
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
}

/// What the fold of one batch has seen of one site so far, on top of what Redis knew.
class site_fold {
public:
    site_fold(const site_table::site& site, const knowledge::site& known,
              const partition_memory* memory, additions::site& out, std::uint32_t max_paths)
        : site_(site), known_(known), memory_(memory), out_(out), max_paths_(max_paths)
    {
    }

    void bot(bot_kind kind, std::int32_t date)
    {
        for (auto* counts : periods(date)) {
            ++(*counts)["bots"];
            ++(*counts)[fmt::format("bots:{}", name_of(kind))];
        }
    }

    void event(const hit& h, std::int64_t time_ms, std::int32_t date)
    {
        for (auto* counts : periods(date))
            ++(*counts)["events"];
        count(out_.broken_down[date], breakdown::event, h.event);
        // An event goes on with a visit; it begins none.
        if (const auto last = last_seen(h); last && time_ms - *last < visit_gap_ms)
            see(h, time_ms);
    }

    void view(const hit& h, std::int64_t time_ms, std::int32_t date)
    {
        const auto last = last_seen(h);
        const bool begins_visit = !last || time_ms - *last >= visit_gap_ms;
        see(h, time_ms);
        auto& c = counters(date, site_.zone.hour_start(time_ms));
        for (auto* views : c.views)
            ++*views;
        if (begins_visit) {
            for (auto* counts : periods(date))
                ++(*counts)["visits"];
            ++out_.days[date][fmt::format("visits@{}", c.hour)];
        }
        c.visitors->push_back(h.visitor);
        ++out_.views;
        const auto page = count_page(h, time_ms / hour_ms, date);
        break_down(h, page, *c.broken_down);
    }

private:
    /// Where the views of one hour are counted: nodes of out_'s maps, which stay where they are.
    struct hour_counters {
        std::int32_t date;
        std::int64_t hour;
        /// Of the totals, the day, the month and the hour; and those broken down, but for the hour.
        std::array<std::int64_t*, 7> views;
        std::vector<std::uint64_t>* visitors;
        tallies* broken_down;
    };

    /// Nearly all hits of a batch are of one hour: its counters are looked up once.
    hour_counters& counters(std::int32_t date, std::int64_t hour)
    {
        if (!counters_ || counters_->date != date || counters_->hour != hour) {
            auto &totals = out_.totals, &day = out_.days[date],
                 &month = out_.months[month_begin(date)];
            counters_ = {date,
                         hour,
                         {&totals["views"], &day["views"], &month["views"],
                          &day[fmt::format("views@{}", hour)], &totals["views_broken_down"],
                          &day["views_broken_down"], &month["views_broken_down"]},
                         &out_.visitors[date],
                         &out_.broken_down[date]};
        }
        return *counters_;
    }

    std::array<fields*, 3> periods(std::int32_t date)
    {
        return {&out_.totals, &out_.days[date], &out_.months[month_begin(date)]};
    }

    /// When the visitor was last seen, under today's id or, just after midnight, yesterday's.
    std::optional<std::int64_t> last_seen(const hit& h) const
    {
        const auto today = seen(h.visitor);
        const auto before = h.visitor_before ? seen(h.visitor_before) : std::nullopt;
        return std::max(today, before);  // none is less than any
    }

    std::optional<std::int64_t> seen(std::uint64_t visitor) const
    {
        if (const auto here = out_.seen.find(visitor); here != out_.seen.end())
            return here->second;
        if (const auto before = known_.seen.find(visitor); before != known_.seen.end())
            return before->second;
        return memory_ ? memory_->seen(visitor) : std::nullopt;
    }

    void see(const hit& h, std::int64_t time_ms)
    {
        out_.seen[h.visitor] = std::max(seen(h.visitor).value_or(time_ms), time_ms);
    }

    static void count(tallies& t, breakdown by, std::string_view member)
    {
        auto& of = t[static_cast<std::size_t>(by)];
        if (const auto known = of.find(member); known != of.end())
            ++known->second;
        else
            of.emplace(member, 1);
    }

    /// One row of each breakdown of views; what a hit does not say is "(none)".
    static void break_down(const hit& h, std::string_view page, tallies& t)
    {
        const auto add = [&t](breakdown by, std::string_view member) {
            count(t, by, member.empty() ? no_member : member);
        };
        add(breakdown::path, page);
        add(breakdown::section, h.section);
        add(breakdown::country, h.country);
    }

    /// Counts the view for its path, or for "(other)" when the site lets the path have no count.
    /// Answers which.
    std::string_view count_page(const hit& h, std::int64_t hour, std::int32_t date)
    {
        if (const auto here = pages_.find(h.path); here != pages_.end()) {
            ++*here->second;
            return h.path;
        }
        const std::string name(h.path);
        const bool may_be_counted = site_.settings->counts_apart(name);
        const bool is_new =
            !known_.paths.contains(name) && !(memory_ && memory_->knows(site_.settings->id, name));
        const auto limit = !may_be_counted ? std::optional(path_limit::only)
                           : is_new        ? limit_of_new(h.client, hour, date)
                                           : std::nullopt;
        if (limit) {
            ++out_.other_views[static_cast<std::size_t>(*limit)];
            ++out_.pages[std::string(other_path)];
            return other_path;
        }
        if (is_new)
            add_new(h, hour, date);
        const auto at = out_.pages.try_emplace(name).first;
        ++at->second;
        pages_.emplace(at->first, &at->second);
        return h.path;
    }

    /// The limit that a new path would break.
    std::optional<path_limit> limit_of_new(std::uint32_t client, std::int64_t hour,
                                           std::int32_t date)
    {
        if (known_.path_count + out_.new_paths >= max_paths_)
            return path_limit::max_paths;
        const auto before = known_.new_paths.find(date);
        const auto new_today = (before == known_.new_paths.end() ? 0 : before->second) +
                               count_of(out_.days[date], "new_paths");
        if (new_today >= site_.settings->max_new_paths_per_day)
            return path_limit::day;
        const auto by_client = brought_by(known_.new_by_client, client, hour) +
                               brought_by(out_.new_by_client, client, hour);
        if (client != 0 && by_client >= most_new_paths_per_client)
            return path_limit::client;
        return std::nullopt;
    }

    void add_new(const hit& h, std::int64_t hour, std::int32_t date)
    {
        ++out_.new_paths;
        ++out_.days[date]["new_paths"];
        out_.first_seen[date].push_back(path_hash(h.path));
        if (h.client != 0)
            ++out_.new_by_client[hour][h.client];
    }

    static std::int64_t count_of(const fields& counts, std::string_view name)
    {
        const auto found = counts.find(name);
        return found == counts.end() ? 0 : found->second;
    }

    static std::int64_t brought_by(const client_counts& counts, std::uint32_t client,
                                   std::int64_t hour)
    {
        const auto of_hour = counts.find(hour);
        if (of_hour == counts.end())
            return 0;
        const auto found = of_hour->second.find(client);
        return found == of_hour->second.end() ? 0 : found->second;
    }

    const site_table::site& site_;
    const knowledge::site& known_;
    const partition_memory* memory_;
    additions::site& out_;
    std::optional<hour_counters> counters_;
    std::unordered_map<std::string_view, std::int64_t*> pages_;  ///< into out_.pages
    std::uint32_t max_paths_;
};

}  // namespace

std::size_t text_hash::operator()(std::string_view text) const noexcept
{
    return checksum(text);
}

std::uint64_t path_hash(std::string_view path) noexcept
{
    return checksum(path);
}

void decode_hits(std::string_view encoded, entry& out)
{
    out.bytes = encoded.size();
    out.hits.reserve(encoded.size() / 128);
    byte_reader in{encoded};
    while (in.ok() && !in.rest().empty()) {
        const auto record = in.bytes(in.varint());
        hit h;
        if (!in.ok() || decode(record, h))
            ++out.damaged;
        else
            out.hits.push_back(h);
    }
}

site_table::site_table(std::shared_ptr<const config> c) : config_(std::move(c))
{
    for (const auto& s : config_->sites)
        sites_.emplace(s.id, site{&s, local_zone(s.timezone)});
}

const site_table::site* site_table::find(std::string_view id) const
{
    const auto found = sites_.find(id);
    return found == sites_.end() ? nullptr : &found->second;
}

std::size_t additions::weight() const noexcept
{
    std::size_t sum = 0;
    for (const auto& [time, members] : ids)
        sum += members.size();
    for (const auto& [id, s] : sites) {
        sum += s.totals.size() + s.pages.size() + s.seen.size() + s.first_seen.size();
        for (const auto& [hour, clients] : s.new_by_client)
            sum += clients.size();
        for (const auto& [date, day] : s.days)
            sum += day.size();
        for (const auto& [date, month] : s.months)
            sum += month.size();
        for (const auto& [date, t] : s.broken_down)
            for (const auto& members : t)
                sum += 2 * members.size();  // of the day and of its month
        for (const auto& [date, visitors] : s.visitors)
            sum += visitors.size();
    }
    return sum;
}

questions ask_for(const std::vector<entry>& batch, std::size_t count, const site_table& sites,
                  const partition_memory* memory)
{
    struct asked_site {
        const site_table::site* site;  ///< null: not configured
        questions::site* ask;
        std::vector<std::string_view> paths;
    };
    questions asked;
    std::map<std::string_view, asked_site> by_site;
    auto at = by_site.end();
    for (std::size_t i = 0; i < count; ++i) {
        for (const auto& h : batch[i].hits) {
            if (at == by_site.end() || at->first != h.site)
                at = by_site.try_emplace(h.site, asked_site{sites.find(h.site), nullptr, {}}).first;
            auto& s = at->second;
            if (!s.site)
                continue;
            if (!s.ask)
                s.ask = &asked.sites[std::string(h.site)];
            if (h.id != 0)
                asked.ids.push_back(h.id);
            for (const auto visitor : {h.visitor, h.visitor_before})
                if (visitor != 0 && !(memory && memory->seen(visitor)))
                    s.ask->visitors.push_back(visitor);
            const auto time_ms = time_of(h, batch[i]);
            if (!h.is_event() && !(memory && memory->knows(h.site, h.path))) {
                s.paths.push_back(h.path);
                if (h.client != 0)
                    s.ask->clients[time_ms / hour_ms].push_back(h.client);
            }
            const auto date = date_of(h, time_ms, *s.site);
            auto& dates = s.ask->dates;
            if (dates.empty() || dates.back() != date)
                dates.push_back(date);
        }
    }
    make_unique(asked.ids);
    for (auto& [id, s] : by_site) {
        if (!s.ask)
            continue;
        make_unique(s.ask->visitors);
        make_unique(s.ask->dates);
        make_unique(s.paths);
        for (auto& [hour, clients] : s.ask->clients)
            make_unique(clients);
        s.ask->paths.assign(s.paths.begin(), s.paths.end());
    }
    return asked;
}

additions fold(const std::vector<entry>& batch, std::size_t count, const knowledge& known,
               const site_table& sites, const bot_list& bots)
{
    static const knowledge::site nothing;
    additions out;
    struct folded_site {
        const site_table::site* site;  ///< null: not configured
        std::optional<site_fold> fold;
    };
    boost::unordered_flat_set<std::uint64_t> new_ids;
    std::map<std::string_view, folded_site> folds;
    auto at = folds.end();
    std::size_t hits = 0;
    for (std::size_t i = 0; i < count; ++i)
        hits += batch[i].hits.size();
    new_ids.reserve(hits);
    for (std::size_t i = 0; i < count; ++i) {
        const auto& e = batch[i];
        auto& position = out.positions[e.producer];
        position.applied = std::max(position.applied, e.last);
        out.damaged += e.damaged;
        const auto offsets = e.last - std::min(e.prev, e.last), held = e.hits.size() + e.damaged;
        out.bare += offsets - std::min<std::uint64_t>(offsets, held);
        for (const auto& h : e.hits) {
            ++out.hits;
            const auto time_ms = time_of(h, e);
            position.watermark_ms = time_ms;
            if (at == folds.end() || at->first != h.site)
                at = folds.try_emplace(h.site, folded_site{sites.find(h.site), {}}).first;
            auto& of_site = at->second;
            const auto* site = of_site.site;
            if (!site) {
                ++out.unconfigured;
                continue;
            }
            if (h.id != 0) {
                if (known.ids.contains(h.id) || (known.memory && known.memory->was_counted(h.id)) ||
                    !new_ids.insert(h.id).second) {
                    ++out.repeats;
                    continue;
                }
                out.ids[time_ms / id_set_ms].push_back(h.id);
            }
            if (!of_site.fold) {
                const auto told = known.sites.find(h.site);
                of_site.fold.emplace(*site, told == known.sites.end() ? nothing : told->second,
                                     known.memory, out.sites[std::string(h.site)],
                                     sites.settings().aggregator.max_paths);
            }
            const auto date = date_of(h, time_ms, *site);
            if (const auto kind = bots.classify(h.user_agent, h.bot_hint); kind != bot_kind::none) {
                of_site.fold->bot(kind, date);
                ++out.bots[kind];
            } else if (h.is_event()) {
                of_site.fold->event(h, time_ms, date);
            } else {
                of_site.fold->view(h, time_ms, date);
            }
        }
    }
    return out;
}

}  // namespace luot::aggregator
