#include "aggregator/recount.hpp"

#include <limits>
#include <utility>

namespace luot::aggregator {

namespace {

/// Of visitors: longer than a visit waits for its next hit.
constexpr std::int64_t seen_kept_ms = 2 * visit_gap_ms, forget_every_ms = 10 * 60 * 1000;

}  // namespace

recount::recount(const site_table& sites, const classifier& classes, std::string site,
                 std::int32_t date, std::int64_t dedupe_window_ms)
    : sites_(sites),
      classes_(classes),
      site_(std::move(site)),
      date_(date),
      window_ms_(dedupe_window_ms)
{
    known_.sites[site_];
}

void recount::add(std::string_view payload)
{
    hit h;
    if (decode_hit(payload, h) || h.site != site_)
        return;
    if (h.id != 0) {
        const auto known_until = (h.time_ms / id_set_ms + 1) * id_set_ms + window_ms_;
        const auto [at, is_new] = ids_.try_emplace(h.id, known_until);
        if (!is_new && h.time_ms <= at->second)
            return;
        at->second = known_until;
    }
    // The views of a hit point into its record.
    payloads_.emplace_back(payload);
    (void)decode_hit(payloads_.back(), h);
    h.id = 0;  // looked at above
    hits_.push_back(h);
}

std::vector<std::string> recount::unknown_paths() const
{
    std::unordered_set<std::string> unknown;
    for (const auto& h : hits_)
        if (!h.is_event())
            if (std::string path(h.path); !told_.contains(path))
                unknown.insert(std::move(path));
    return {unknown.begin(), unknown.end()};
}

void recount::tell(const std::string& path, bool existed)
{
    told_.insert(path);
    if (existed)
        known_site().paths.insert(path);
}

void recount::forget(std::int64_t now_ms)
{
    if (now_ms - forgotten_ms_ < forget_every_ms)
        return;
    forgotten_ms_ = now_ms;
    boost::unordered::erase_if(ids_, [&](const auto& id) { return id.second < now_ms; });
    auto& site = known_site();
    boost::unordered::erase_if(site.seen, [&](const auto& visitor) {
        const bool is_over = visitor.second < now_ms - seen_kept_ms;
        if (is_over)
            site.visits.erase(visitor.first);
        return is_over;
    });
}

void recount::fold()
{
    if (hits_.empty())
        return;
    const auto now_ms = hits_.back().time_ms;
    entry e;
    e.id = "0-0";
    e.time_ms = std::numeric_limits<std::int64_t>::max() / 2;  // no clock was ahead
    e.producer = "archive";
    e.last = hits_.size();
    e.hits = std::exchange(hits_, {});
    std::vector<entry> batch;
    batch.push_back(std::move(e));
    auto folded = aggregator::fold(batch, 1, known_, sites_, classes_);
    // What was folded points into them.
    const auto payloads = std::exchange(payloads_, {});
    const auto found = folded.sites.find(site_);
    if (found == folded.sites.end())
        return;
    auto& more = found->second;
    auto& site = known_site();
    for (const auto& [date, counts] : more.days)
        for (const auto& [field, count] : counts) {
            days_[date][field] += count;
            if (field == "new_paths")
                site.new_paths[date] += count;
        }
    if (const auto rows = more.broken_down.find(date_); rows != more.broken_down.end())
        for (std::size_t by = 0; by < rows_.size(); ++by)
            add_to(rows_[by], rows->second[by]);
    if (const auto visitors = more.visitors.find(date_); visitors != more.visitors.end())
        visitors_.insert(visitors->second.begin(), visitors->second.end());
    if (const auto list = more.first_seen.find(date_); list != more.first_seen.end())
        first_seen_.insert(first_seen_.end(), list->second.begin(), list->second.end());
    for (const auto& [path, views] : more.pages)
        if (path != other_path)
            site.paths.insert(path);
    site.path_count += more.new_paths;
    for (const auto& [hour, clients] : more.new_by_client)
        for (const auto& [client, count] : clients)
            site.new_by_client[hour][client] += count;
    for (const auto& [visitor, time_ms] : more.seen) {
        auto& last = site.seen[visitor];
        last = std::max(last, time_ms);
    }
    for (auto& [visitor, state] : more.visits)
        site.visits[visitor] = std::move(state);
    for (auto& [path, votes] : more.votes)
        site.votes[std::string(path)] = std::move(votes);
    forget(now_ms);
}

const std::string* recount::votes_of(const std::string& path) const
{
    const auto& votes = known_.sites.at(site_).votes;
    const auto found = votes.find(path);
    return found == votes.end() ? nullptr : &found->second;
}

}  // namespace luot::aggregator
