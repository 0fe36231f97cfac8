#include "aggregator/fold/fold.hpp"

#include "aggregator/fold/client.hpp"
#include "aggregator/fold/sources.hpp"
#include "aggregator/fold/verdict.hpp"
#include "aggregator/fold/visit.hpp"
#include "aggregator/memory.hpp"
#include "core/bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <optional>
#include <utility>

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
    const auto utc = time_ms / day_ms;
    if (time_ms != h.time_ms || h.local_date < utc - 1 || h.local_date > utc + 1)
        return site.zone.date(time_ms);
    return h.local_date;
}

/// Whether a vote as the hit's changes nothing of what is remembered of its page.
bool changes_nothing(const hit& h, const partition_memory& memory)
{
    return h.title.empty() && h.section.empty() ? memory.agrees(h.site, h.path)
                                                : memory.agrees(h.site, h.path, h.title, h.section);
}

/// The visitor's id of the day that the hit counts in. The hit of a collector whose clock was ahead
/// over midnight counts in the day before the one that the collector took it for.
std::uint64_t visitor_on(const hit& h, std::int32_t date)
{
    return date < h.local_date && h.visitor_before != 0 ? h.visitor_before : h.visitor;
}

/// All that classifier::agents looks at.
struct browser_words {
    std::string_view user_agent, client_hints;

    bool operator==(const browser_words&) const = default;

    struct hash {
        using is_avalanching = void;

        std::size_t operator()(const browser_words& said) const noexcept
        {
            const auto of_user_agent = checksum(said.user_agent);
            return said.client_hints.empty() ? of_user_agent
                                             : checksum(said.client_hints, of_user_agent);
        }
    };
};

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
              const partition_memory* memory, additions::site& out, std::uint32_t max_paths,
              const classifier& classes)
        : site_(site),
          known_(known),
          memory_(memory),
          out_(out),
          max_paths_(max_paths),
          classes_(classes)
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
        auto& t = out_.broken_down[date];
        count(t, breakdown::event, h.event);
        std::string member;
        for (auto rest = h.properties; !rest.empty();) {
            member.assign(h.event) += property_separator;
            member += take_property(rest);
            count(t, breakdown::event_property, member);
        }
        (void)go_on(h, time_ms, date);  // an event begins no visit
    }

    void view(const hit& h, std::int64_t time_ms, std::int32_t date)
    {
        auto* v = go_on(h, time_ms, date);
        const auto id = page_id(h.path);
        if (v && is_reload(*v, id, time_ms)) {
            for (auto* counts : periods(date))
                ++(*counts)["reloads"];
            return;
        }
        auto& c = counters(date, site_.zone.hour_start(time_ms));
        for (auto* views : c.views)
            ++*views;
        const auto visitor = visitor_on(h, date);
        c.visitors->push_back(visitor);
        ++out_.views;
        const auto page = count_page(h, time_ms / hour_ms, date);
        if (page != other_path)
            vote(h, date);
        if (page != other_path && site_.settings->path_visitors)
            out_.path_visitors[date][h.path].push_back(visitor);
        if (v)
            another_view(*v, page, time_ms);
        else
            v = &begin_visit(h, page, time_ms, date, c.hour);
        if (v->reads(id, time_ms))
            count(*c.broken_down, breakdown::page_visits, page);
        break_down(h, page, *v, *c.broken_down);
    }

    /// Once, behind the last hit.
    void end()
    {
        add_up_rows();
        const auto is_nothing = [](const auto& count) { return count.second == 0; };
        std::erase_if(out_.totals, is_nothing);
        for (auto* periods : {&out_.days, &out_.months})
            for (auto& [date, counts] : *periods)
                std::erase_if(counts, is_nothing);
        for (auto& [date, t] : out_.broken_down)
            boost::unordered::erase_if(t[static_cast<std::size_t>(breakdown::exit)], is_nothing);
        for (auto& v : visits_) {
            out_.visits[v.visitor] = encode(v.state);
            if (const auto other = std::exchange(v.state.other_id, v.visitor); other != 0)
                out_.visits[other] = encode(v.state);
        }
    }

private:
    /// Where the views of one hour are counted: nodes of out_'s maps, which stay where they are.
    struct hour_counters {
        std::int32_t date;
        std::int64_t hour;
        std::array<std::int64_t*, 4> views;  ///< of the totals, the day, the month and the hour
        std::vector<std::uint64_t>* visitors;
        tallies* broken_down;
    };

    /// Nearly all hits of a batch are of one hour: its counters are looked up once.
    hour_counters& counters(std::int32_t date, std::int64_t hour)
    {
        if (!counters_ || counters_->date != date || counters_->hour != hour) {
            add_up_rows();
            auto &totals = out_.totals, &day = out_.days[date],
                 &month = out_.months[month_begin(date)];
            counters_ = {date,
                         hour,
                         {&totals["views"], &day["views"], &month["views"],
                          &day[fmt::format("views@{}", hour)]},
                         &out_.visitors[date],
                         &out_.broken_down[date]};
        }
        return *counters_;
    }

    std::array<fields*, 3> periods(std::int32_t date)
    {
        return {&out_.totals, &out_.days[date], &out_.months[month_begin(date)]};
    }

    /// Goes on with the visit that this hit belongs to, whose last hit it becomes; null: there is
    /// none.
    visit* go_on(const hit& h, std::int64_t time_ms, std::int32_t date)
    {
        // Just after midnight it may go on under the other day's id: none is less than any time.
        const auto visitor = visitor_on(h, date);
        const auto other = visitor == h.visitor ? h.visitor_before : h.visitor;
        const auto here = seen(visitor);
        const auto there = other ? seen(other) : std::nullopt;
        const auto last = std::max(here, there);
        if (!last || time_ms - *last >= visit_gap_ms)
            return nullptr;
        auto& v = state_of(last == here ? visitor : other, date);
        if (last != here) {
            v.other_id = other;
            const auto at = known_visits_.at(other);
            known_visits_[visitor] = at;
            visits_[at].visitor = visitor;
        }
        // One that went over midnight may have a late hit under the day's id before: its last view
        // is known under both.
        const auto ended = std::max(*last, v.last_view_ms);
        see(visitor, time_ms);
        if (time_ms > ended)
            for (auto* counts : periods(v.date))
                (*counts)["visit_ms"] += time_ms - ended;
        return &v;
    }

    std::optional<std::int64_t> seen(std::uint64_t visitor) const
    {
        if (const auto here = out_.seen.find(visitor); here != out_.seen.end())
            return here->second;
        if (const auto before = known_.seen.find(visitor); before != known_.seen.end())
            return before->second;
        return memory_ ? memory_->seen(visitor) : std::nullopt;
    }

    void see(std::uint64_t visitor, std::int64_t time_ms)
    {
        out_.seen[visitor] = std::max(seen(visitor).value_or(time_ms), time_ms);
    }

    /// The visit that a visitor is in.
    visit& state_of(std::uint64_t visitor, std::int32_t date)
    {
        if (const auto here = known_visits_.find(visitor); here != known_visits_.end())
            return visits_[here->second].state;
        auto v = decode_visit(remembered(visitor));
        if (v.date == 0)
            v.date = date;
        return keep(visitor, std::move(v));
    }

    /// The encoded visit of a visitor, as it was before the batch; empty: there is none.
    std::string_view remembered(std::uint64_t visitor) const
    {
        if (const auto known = known_.visits.find(visitor); known != known_.visits.end())
            return known->second;
        const auto* bytes = memory_ ? memory_->visit_of(visitor) : nullptr;
        return bytes ? std::string_view(*bytes) : std::string_view{};
    }

    /// Before a new visit begins under this id: the one before, if it has another id, goes on under
    /// that alone, for hits that come late.
    void leave_to_other_id(std::uint64_t visitor)
    {
        if (const auto here = known_visits_.find(visitor); here != known_visits_.end()) {
            const auto at = here->second;
            auto& before = visits_[at];
            const auto other = before.visitor == visitor ? before.state.other_id : before.visitor;
            if (other != 0) {
                before.visitor = other;
                before.state.other_id = 0;
                known_visits_[other] = at;
            }
        } else if (const auto bytes = remembered(visitor); !bytes.empty()) {
            auto before = decode_visit(bytes);
            const auto other = std::exchange(before.other_id, 0);
            if (other != 0 && !known_visits_.contains(other))
                keep(other, std::move(before));
        }
    }

    visit& keep(std::uint64_t visitor, visit v)
    {
        // One visit under two ids is one.
        const auto other = v.other_id ? known_visits_.find(v.other_id) : known_visits_.end();
        const bool is_kept =
            other != known_visits_.end() && visits_[other->second].state.other_id == visitor;
        const auto at = is_kept ? other->second : visits_.size();
        if (!is_kept)
            visits_.push_back({visitor, std::move(v)});
        known_visits_[visitor] = at;
        return visits_[at].state;
    }

    bool is_reload(const visit& v, std::uint32_t id, std::int64_t time_ms) const
    {
        const auto window = std::chrono::milliseconds(site_.settings->reload_window).count();
        const auto* page = window > 0 ? v.find(id) : nullptr;
        return page && std::abs(time_ms - page->at_ms) < window;
    }

    visit& begin_visit(const hit& h, std::string_view page, std::int64_t time_ms, std::int32_t date,
                       std::int64_t hour)
    {
        const auto visitor = visitor_on(h, date);
        leave_to_other_id(visitor);
        see(visitor, time_ms);
        const auto from = origin_of(h);
        visit v;
        v.date = date;
        v.last_view_ms = time_ms;
        v.views = 1;
        v.exit = page;
        v.source = from.source;
        v.medium = from.medium;
        v.campaign = h.campaign;
        v.term = h.term;
        v.content = h.content;
        for (auto* counts : periods(date)) {
            ++(*counts)["visits"];
            ++(*counts)["bounces"];
        }
        ++out_.days[date][fmt::format("visits@{}", hour)];
        auto& t = out_.broken_down[date];
        count(t, breakdown::entry, page);
        count(t, breakdown::exit, page);
        return keep(visitor, std::move(v));
    }

    /// The second view makes that a visit is no bounce, the latest where it ends.
    void another_view(visit& v, std::string_view page, std::int64_t time_ms)
    {
        if (++v.views == 2)
            for (auto* counts : periods(v.date))
                --(*counts)["bounces"];
        if (time_ms < v.last_view_ms)
            return;
        v.last_view_ms = time_ms;
        if (v.exit.empty() || v.exit == page)
            return;
        auto& t = out_.broken_down[v.date];
        count(t, breakdown::exit, v.exit, -1);
        count(t, breakdown::exit, page);
        v.exit = page;
    }

    static void count(tallies& t, breakdown by, std::string_view member, std::int64_t n = 1)
    {
        add_to(t[static_cast<std::size_t>(by)], member, n);
    }

    /// One row of each breakdown of views; what is not known of a view is "(none)".
    void break_down(const hit& h, std::string_view page, const visit& v, tallies& t)
    {
        const auto add = [&](breakdown by, std::string_view member) {
            if (member.empty())
                ++without_[static_cast<std::size_t>(by)];
            else
                count(t, by, member);
        };
        add(breakdown::path, page);
        add(breakdown::section, h.section);
        add(breakdown::referrer, h.referrer.empty() ? std::string_view{} : origin_of(h).group);
        add(breakdown::source, v.source);
        add(breakdown::medium, v.medium);
        add(breakdown::campaign, v.campaign);
        add(breakdown::term, v.term);
        add(breakdown::content, v.content);
        add(breakdown::country, h.country);
        add(breakdown::language, language_of(h.language));
        add(breakdown::screen, screen_class(h.width));
        ++by_agent_[{h.user_agent, h.client_hints}];
    }

    /// Adds what break_down() has counted in a way that is quicker.
    void add_up_rows()
    {
        if (!counters_)
            return;
        auto& t = *counters_->broken_down;
        for (std::size_t by = 0; by < without_.size(); ++by)
            if (const auto views = std::exchange(without_[by], 0))
                add_to(t[by], no_member, views);
        for (const auto& [said, views] : by_agent_) {
            const auto& agent = classes_.agents.classify(said.user_agent, said.client_hints);
            count(t, breakdown::browser, agent.browser, views);
            count(t, breakdown::os, agent.os, views);
            count(t, breakdown::device, name_of(agent.device), views);
        }
        by_agent_.clear();
    }

    /// Counts the view for its path, or for "(other)" when the site lets the path have no count.
    /// Answers which.
    std::string_view count_page(const hit& h, std::int64_t hour, std::int32_t date)
    {
        is_new_page_ = false;
        if (const auto here = pages_.find(h.path); here != pages_.end()) {
            ++*here->second;
            return h.path;
        }
        const std::string name(h.path);
        const bool may_be_counted = site_.settings->counts_apart(name);
        const bool is_new =
            !known_.paths.contains(name) && !(memory_ && memory_->knows(site_.settings->id, name));
        const auto limit = !may_be_counted ? std::optional(path_limit::only)
                           : is_new        ? limit_of_new(h, hour, date)
                                           : std::nullopt;
        if (limit) {
            ++out_.other_views[static_cast<std::size_t>(*limit)];
            ++out_.pages[std::string(other_path)];
            return other_path;
        }
        if (is_new)
            add_new(h, hour, date);
        is_new_page_ = is_new;
        const auto at = out_.pages.try_emplace(name).first;
        ++at->second;
        pages_.emplace(at->first, &at->second);
        return h.path;
    }

    /// What the hit says of its page. Readers behind one address have one vote: an address is
    /// harder to come by than a User-Agent. Who says nothing is remembered as a reader, as long as
    /// the page has too few to stand in lists.
    void vote(const hit& h, std::int32_t date)
    {
        const bool says_nothing = h.title.empty() && h.section.empty();
        if (!is_new_page_ && memory_ && changes_nothing(h, *memory_))
            return;
        const auto of_batch = out_.votes.find(h.path);
        const auto before =
            of_batch != out_.votes.end() ? std::string_view(of_batch->second) : known_votes(h.path);
        auto votes = before.empty() ? page_votes{} : decode_votes(before);
        if (votes.is_settled_on(h.title, h.section) ||
            (says_nothing && !is_new_page_ && votes.votes.size() >= site_.settings->list_readers))
            return;
        if (is_new_page_)
            votes = {date, {}};
        const auto voter = static_cast<std::uint32_t>(h.client ? h.client : h.visitor);
        if (votes.add(voter, h.title, h.section) || is_new_page_)
            out_.votes.insert_or_assign(h.path, encode(votes));
    }

    std::string_view known_votes(std::string_view path) const
    {
        if (const auto* held = memory_ ? memory_->votes_of(site_.settings->id, path) : nullptr)
            return *held;
        const auto known = known_.votes.find(std::string(path));
        return known == known_.votes.end() ? std::string_view{} : known->second;
    }

    /// The limit that a new path would break.
    std::optional<path_limit> limit_of_new(const hit& h, std::int64_t hour, std::int32_t date)
    {
        if (known_.path_count + out_.new_paths >= max_paths_)
            return path_limit::max_paths;
        // An operator brings a log of pages that were served: a day of it is no flood.
        if (h.is_imported)
            return std::nullopt;
        const auto before = known_.new_paths.find(date);
        const auto new_today = (before == known_.new_paths.end() ? 0 : before->second) +
                               count_of(out_.days[date], "new_paths");
        if (new_today >= site_.settings->max_new_paths_per_day)
            return path_limit::day;
        const auto by_client = brought_by(known_.new_by_client, h.client, hour) +
                               brought_by(out_.new_by_client, h.client, hour);
        if (h.client != 0 && by_client >= most_new_paths_per_client)
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
    const classifier& classes_;
    bool is_new_page_ = false;  ///< the one that was counted last

    /// Of the hour of counters_: views without a member, and views by what the browser says of
    /// itself.
    std::array<std::int64_t, breakdown_count> without_{};
    boost::unordered_flat_map<browser_words, std::int64_t, browser_words::hash> by_agent_;

    struct kept_visit {
        std::uint64_t visitor;
        visit state;
    };
    std::deque<kept_visit> visits_;  ///< those that a hit of the batch belongs to
    boost::unordered_flat_map<std::uint64_t, std::size_t> known_visits_;  ///< by all their ids
};

}  // namespace

std::uint64_t path_hash(std::string_view path) noexcept
{
    return checksum(path);
}

error_code decode_hit(std::string_view record, hit& out) noexcept
{
    const auto error = decode(record, out);
    for (auto* said :
         {&out.section, &out.source, &out.medium, &out.campaign, &out.term, &out.content})
        if (said->starts_with('('))
            *said = {};
    if (out.event.starts_with('('))
        out.event = no_member;
    return error;
}

void decode_hits(std::string_view encoded, entry& out)
{
    out.bytes = encoded.size();
    out.hits.reserve(encoded.size() / 128);
    byte_reader in{encoded};
    while (in.ok() && !in.rest().empty()) {
        const auto record = in.bytes(in.varint());
        hit h;
        if (!in.ok() || decode_hit(record, h))
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
        sum += s.totals.size() + s.pages.size() + s.seen.size() + s.visits.size() + s.votes.size() +
               s.first_seen.size();
        for (const auto& [hour, clients] : s.new_by_client)
            sum += clients.size();
        for (const auto& [date, day] : s.days)
            sum += day.size();
        for (const auto& [date, month] : s.months)
            sum += month.size();
        for (const auto& [date, visitors] : s.visitors)
            sum += visitors.size();
        for (const auto& [date, pages] : s.path_visitors)
            sum += 2 * pages.size();
    }
    return sum;
}

questions ask_for(const std::vector<entry>& batch, std::size_t count, const site_table& sites,
                  const partition_memory* memory)
{
    struct asked_site {
        const site_table::site* site;  ///< null: not configured
        questions::site* ask;
        std::vector<std::string_view> paths, voted_paths;
    };
    questions asked;
    std::map<std::string_view, asked_site> by_site;
    auto at = by_site.end();
    for (std::size_t i = 0; i < count; ++i) {
        for (const auto& h : batch[i].hits) {
            if (at == by_site.end() || at->first != h.site)
                at = by_site.try_emplace(h.site, asked_site{sites.find(h.site), nullptr, {}, {}})
                         .first;
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
            if (!h.is_event() &&
                !(memory && (changes_nothing(h, *memory) || memory->votes_of(h.site, h.path))))
                s.voted_paths.push_back(h.path);
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
        make_unique(s.voted_paths);
        s.ask->voted_paths.assign(s.voted_paths.begin(), s.voted_paths.end());
    }
    return asked;
}

additions fold(const std::vector<entry>& batch, std::size_t count, const knowledge& known,
               const site_table& sites, const classifier& classes)
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
                out.unconfigured_site = h.site;
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
                                     sites.settings().aggregator.max_paths, classes);
            }
            const auto date = date_of(h, time_ms, *site);
            if (const auto kind = verdict_on(h, classes).kind; kind != bot_kind::none) {
                of_site.fold->bot(kind, date);
                ++out.bots[kind];
            } else if (h.is_event()) {
                of_site.fold->event(h, time_ms, date);
            } else {
                of_site.fold->view(h, time_ms, date);
            }
        }
    }
    for (auto& [id, s] : folds)
        if (s.fold)
            s.fold->end();
    return out;
}

}  // namespace luot::aggregator
