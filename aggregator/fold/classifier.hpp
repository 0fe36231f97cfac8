// All that tells what a hit is, beside the hit itself: lists and rules that come with luot or from
// the operator.

#pragma once

#include "aggregator/fold/agents.hpp"
#include "aggregator/fold/bots.hpp"
#include "aggregator/fold/spam_list.hpp"

#include <cstdint>

namespace luot {
struct hit;
}

namespace luot::aggregator {

/// Not thread-safe (agents has a cache): one a thread.
struct classifier {
    bot_list bots;
    agent_list agents;
    spam_list spam;
};

/// What a hit was taken for a bot by.
enum class bot_sign : std::uint8_t {
    none,         ///< it is a person's
    user_agent,   ///< the lists know it, or there is none
    hint,         ///< the client says of itself that it is automated
    data_center,  ///< it came from one (collector.data_center_networks)
    spam,         ///< its referrer is one that is made up (aggregator.referrer_spam)
};

struct bot_verdict {
    bot_kind kind = bot_kind::none;
    bot_sign by = bot_sign::none;
};

/// Whether a hit is a bot's. A server-side client is none for being a program; a browser in a data
/// centre is one, and so is who makes up a referrer.
[[nodiscard]] bot_verdict verdict_on(const hit& h, const classifier& classes);

}  // namespace luot::aggregator
