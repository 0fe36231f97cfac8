#include "aggregator/leases.hpp"

#include "core/clock.hpp"
#include "core/keys.hpp"

#include <algorithm>
#include <utility>

namespace luot::embedded {
extern const std::string_view lease_lua, present_lua;
}

namespace luot::aggregator {

namespace asio = boost::asio;

namespace {

constexpr std::int64_t longest_step_ms = 3'600'000;

const redis::script& lease_script()
{
    static const redis::script s{embedded::lease_lua};
    return s;
}

const redis::script& present_script()
{
    static const redis::script s{embedded::present_lua};
    return s;
}

redis::command presence(const std::string& owner, std::chrono::milliseconds lasts)
{
    auto c = redis::evaluate(present_script(), 1);
    c.add(std::string_view(keys::aggregators_key))
        .add(owner)
        .add(lasts.count())
        .add(leases::settled.count());
    return c;
}

}  // namespace

leases::leases(redis::client& redis, std::string owner) : redis_(redis), owner_(std::move(owner)) {}

std::vector<const redis::script*> leases::scripts()
{
    return {&lease_script(), &present_script()};
}

redis::command leases::act(unsigned partition, std::string_view what) const
{
    auto c = redis::evaluate(lease_script(), 1);
    c.add(std::string_view(keys::lease(partition))).add(owner_).add(lasts.count()).add(what);
    return c;
}

bool leases::is_answered(const result<redis::replies>& answers)
{
    if (!answers)
        return false;
    const auto error = answers->first_error();
    if (!error.is_null() && error_limit_.pass())
        log::warn("redis_refuses", {{"command", "lease.lua"},
                                    {"answer", error.text()},
                                    {"held_back", error_limit_.held_back()}});
    return error.is_null();
}

void leases::step_back()
{
    back_at_ms_ = steady_ms() + step_ms_;
    log::warn("leases_lost", {{"steps_back_s", step_ms_ / 1000},
                              {"what",
                               "hits waited in a partition and none was applied for as long as a "
                               "lease lasts: another aggregator may take it. See redis_refuses "
                               "and stream_newer_format in this log"}});
    step_ms_ = std::min(2 * step_ms_, longest_step_ms);
}

asio::awaitable<bool> leases::renew(const std::bitset<partitions>& idle)
{
    const bool has_stepped_back = steady_ms() < back_at_ms_;
    redis::pipeline looking;
    looking.add(presence(owner_, has_stepped_back ? std::chrono::milliseconds(0) : lasts));
    for (unsigned p = 0; p < partitions; ++p)
        looking.add(act(p, idle[p] ? "keep" : "look"));
    const auto seen = co_await redis_.exec(looking);
    if (!is_answered(seen))
        co_return false;
    const auto others = static_cast<unsigned>((*seen)[0].count());
    const auto now = steady_ms();
    const auto before = std::exchange(held_, {});
    std::bitset<partitions> free;
    for (unsigned p = 0; p < partitions; ++p) {
        held_[p] = (*seen)[p + 1].text() == "mine";
        free[p] = (*seen)[p + 1].text() == "free";
    }
    unheld_ = free.count();

    // A Redis that was away for longer than a lease lasts has let all of them end.
    const bool was_in_touch = now - std::exchange(renewed_ms_, now) < 2 * every.count();
    if (was_in_touch && others > 0 && !has_stepped_back && (before & ~held_ & ~idle).any()) {
        step_back();
        co_await give_up();
        co_return true;
    }
    if (has_stepped_back && others > 0)
        co_return true;

    const unsigned share = (partitions + others) / (others + 1);
    std::vector<unsigned> changed;
    redis::pipeline changes;
    auto ours = held_.count();
    for (unsigned p = 0; p < partitions; ++p) {
        const bool is_surplus = held_[p] && ours > share;
        const bool is_wanted = free[p] && ours < share;
        if (!is_surplus && !is_wanted)
            continue;
        changes.add(act(p, is_surplus ? "release" : "take"));
        changed.push_back(p);
        ours += is_wanted ? 1 : -1;
    }
    if (changed.empty())
        co_return true;
    const auto done = co_await redis_.exec(changes);
    if (!is_answered(done))
        co_return false;
    for (std::size_t i = 0; i < changed.size(); ++i) {
        held_[changed[i]] = (*done)[i].text() == "mine";
        free[changed[i]] = (*done)[i].text() == "free";
    }
    unheld_ = free.count();
    co_return true;
}

asio::awaitable<void> leases::give_up()
{
    redis::pipeline commands;
    commands.add(presence(owner_, std::chrono::milliseconds(0)));
    for (unsigned p = 0; p < partitions; ++p)
        if (held_[p])
            commands.add(act(p, "release"));
    held_.reset();
    co_await redis_.exec(commands);
}

}  // namespace luot::aggregator
