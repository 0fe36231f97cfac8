// Which partitions this aggregator works on: its share of them, so that several do not fold the
// same hits. Nothing of it is needed to be right (docs/exactly-once.md); it saves work.

#pragma once

#include "core/hit.hpp"
#include "core/log.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <bitset>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace luot::aggregator {

/// A lease lasts six seconds unless it is prolonged: by apply.lua, with the progress it makes, or
/// here while nothing waits in the partition. Belongs to one thread.
///
/// An aggregator that lost a lease because it made no progress steps back: for a minute, the next
/// time for two, at most for an hour, it takes none and is not counted, so that the others take
/// what is free. When there is nobody else it goes on trying.
class leases {
public:
    static constexpr std::chrono::milliseconds lasts{6000};
    /// Who has been at work for so long has a share.
    static constexpr std::chrono::milliseconds settled{10'000};
    /// Between two calls of renew(): then the share of one that died is taken over within ten
    /// seconds.
    static constexpr std::chrono::milliseconds every{2000};

    leases(redis::client& redis, std::string owner);

    /// The scripts that the client must load.
    [[nodiscard]] static std::vector<const redis::script*> scripts();

    /// Prolongs the leases of the partitions that are `idle`, gives up what is beyond this
    /// aggregator's share, takes what is free up to it. False when Redis did not answer or refused.
    [[nodiscard]] boost::asio::awaitable<bool> renew(const std::bitset<partitions>& idle);

    /// Leaves the partitions to the others at once.
    [[nodiscard]] boost::asio::awaitable<void> give_up();

    /// As of the last renew().
    [[nodiscard]] const std::bitset<partitions>& held() const noexcept { return held_; }
    /// Partitions that were nobody's when renew() had done.
    [[nodiscard]] std::size_t unheld() const noexcept { return unheld_; }
    [[nodiscard]] const std::string& owner() const noexcept { return owner_; }

private:
    [[nodiscard]] redis::command act(unsigned partition, std::string_view what) const;
    [[nodiscard]] bool is_answered(const result<redis::replies>& answers);
    void step_back();

    redis::client& redis_;
    const std::string owner_;
    std::bitset<partitions> held_;
    std::size_t unheld_ = 0;
    std::int64_t renewed_ms_ = 0;  ///< of the last renew() that was answered
    std::int64_t back_at_ms_ = 0;  ///< until when it has stepped back
    std::int64_t step_ms_ = 60'000;
    log::limiter error_limit_{10};
};

}  // namespace luot::aggregator
