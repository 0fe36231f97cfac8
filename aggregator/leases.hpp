// Which partitions this aggregator works on: its share of them, so that several do not fold the
// same hits. Nothing of it is needed to be right (docs/exactly-once.md); it saves work.

#pragma once

#include "core/hit.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <bitset>
#include <chrono>
#include <string>
#include <vector>

namespace luot::aggregator {

/// A lease lasts six seconds unless it is prolonged: by apply.lua, with the progress it makes, or
/// here while nothing waits in the partition. Belongs to one thread.
class leases {
public:
    static constexpr std::chrono::milliseconds lasts{6000};

    leases(redis::client& redis, std::string owner);

    /// The scripts that the client must load.
    [[nodiscard]] static std::vector<const redis::script*> scripts();

    /// Prolongs the leases of the partitions that are `idle`, gives up what is beyond this
    /// aggregator's share, takes what is free up to it. Every two seconds: then the share of one
    /// that died is taken over within ten. False when Redis did not answer or refused.
    [[nodiscard]] boost::asio::awaitable<bool> renew(const std::bitset<partitions>& idle);

    /// Leaves the partitions to the others at once.
    [[nodiscard]] boost::asio::awaitable<void> give_up();

    /// As of the last renew().
    [[nodiscard]] const std::bitset<partitions>& held() const noexcept { return held_; }
    [[nodiscard]] const std::string& owner() const noexcept { return owner_; }

private:
    [[nodiscard]] redis::command act(unsigned partition, std::string_view what) const;

    redis::client& redis_;
    const std::string owner_;
    std::bitset<partitions> held_;
};

}  // namespace luot::aggregator
