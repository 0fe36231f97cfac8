#include "aggregator/leases.hpp"

#include "core/keys.hpp"

#include <algorithm>

namespace luot::embedded {
extern const std::string_view lease_lua, present_lua;
}

namespace luot::aggregator {

namespace asio = boost::asio;

namespace {

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
    c.add(std::string_view(keys::aggregators_key)).add(owner).add(lasts.count());
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

asio::awaitable<bool> leases::renew(const std::bitset<partitions>& idle)
{
    redis::pipeline looking;
    looking.add(presence(owner_, lasts));
    for (unsigned p = 0; p < partitions; ++p)
        looking.add(act(p, idle[p] ? "keep" : "look"));
    const auto seen = co_await redis_.exec(looking);
    if (!seen || !seen->first_error().is_null())
        co_return false;
    const auto at_work = static_cast<unsigned>(std::max<std::int64_t>(1, (*seen)[0].count()));
    const unsigned share = (partitions + at_work - 1) / at_work;
    held_.reset();
    for (unsigned p = 0; p < partitions; ++p)
        held_[p] = (*seen)[p + 1].text() == "mine";

    std::vector<unsigned> changed;
    redis::pipeline changes;
    auto ours = held_.count();
    for (unsigned p = 0; p < partitions; ++p) {
        const bool is_surplus = held_[p] && ours > share;
        const bool is_wanted = (*seen)[p + 1].text() == "free" && ours < share;
        if (!is_surplus && !is_wanted)
            continue;
        changes.add(act(p, is_surplus ? "release" : "take"));
        changed.push_back(p);
        ours += is_wanted ? 1 : -1;
    }
    if (changed.empty())
        co_return true;
    const auto done = co_await redis_.exec(changes);
    if (!done || !done->first_error().is_null())
        co_return false;
    for (std::size_t i = 0; i < changed.size(); ++i)
        held_[changed[i]] = (*done)[i].text() == "mine";
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
