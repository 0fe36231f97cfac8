#include "aggregator/waiting.hpp"

#include <algorithm>
#include <tuple>

namespace luot::aggregator {

namespace {

hit_log log_of(const hit_token& token)
{
    return {token.partition, token.producer};
}

}  // namespace

waiting::reader::reader(const std::vector<hit_token>& tokens) : tokens_(tokens)
{
    // Of several hits in one log the last is enough.
    std::sort(tokens_.begin(), tokens_.end(), [](const hit_token& a, const hit_token& b) {
        return std::tuple(log_of(a), b.offset) < std::tuple(log_of(b), a.offset);
    });
    const auto end =
        std::unique(tokens_.begin(), tokens_.end(),
                    [](const hit_token& a, const hit_token& b) { return log_of(a) == log_of(b); });
    tokens_.erase(end, tokens_.end());
}

void waiting::set_due(asked& a, time_point when)
{
    const auto log = a.turn->second;
    turns_.erase(a.turn);
    a.turn = turns_.emplace(when, log);
}

void waiting::enter(reader& r, time_point now)
{
    const auto& token = r.tokens_.back();
    const auto [at, is_new] = logs_.try_emplace(log_of(token));
    auto& a = at->second;
    r.place_ = a.readers.emplace(token.offset, &r);
    // Whoever comes has it asked for at once, and puts off nobody who has been waiting.
    if (is_new) {
        a.turn = turns_.emplace(now, at->first);
    } else if (a.turn->first > now) {
        a.pause = first_pause;
        set_due(a, now);
    }
}

void waiting::forget_if_unwanted(logs::iterator at)
{
    if (!at->second.readers.empty())
        return;
    turns_.erase(at->second.turn);
    logs_.erase(at);
}

void waiting::add(reader& r, time_point now)
{
    if (r.has_reached())
        return;
    enter(r, now);
    ++size_;
}

void waiting::remove(reader& r)
{
    if (r.has_reached())
        return;
    const auto at = logs_.find(log_of(r.tokens_.back()));
    at->second.readers.erase(r.place_);
    --size_;
    forget_if_unwanted(at);
}

std::vector<hit_log> waiting::due(time_point now) const
{
    std::vector<hit_log> out;
    for (const auto& [when, log] : turns_) {
        if (when > now || out.size() == most_asked)
            break;
        out.push_back(log);
    }
    return out;
}

std::vector<waiting::reader*> waiting::answer(const hit_log& log,
                                              std::optional<std::uint64_t> applied, time_point now)
{
    std::vector<reader*> reached;
    const auto at = logs_.find(log);
    if (at == logs_.end())  // nobody waits any more
        return reached;
    auto& a = at->second;
    if (applied) {
        a.pause = first_pause;
        set_due(a, now);
        const auto end = a.readers.upper_bound(*applied);
        std::vector<reader*> moving;
        for (auto next = a.readers.begin(); next != end; ++next)
            moving.push_back(next->second);
        a.readers.erase(a.readers.begin(), end);
        for (auto* r : moving) {
            r->tokens_.pop_back();
            if (r->has_reached())
                reached.push_back(r);
            else
                enter(*r, now);
        }
        size_ -= reached.size();
    } else {
        set_due(a, now + a.pause);
        a.pause = std::min(2 * a.pause, longest_pause);
    }
    forget_if_unwanted(at);
    return reached;
}

}  // namespace luot::aggregator
