// All that tells what a hit is, beside the hit itself: lists and rules that come with luot or from
// the operator.

#pragma once

#include "aggregator/fold/agents.hpp"
#include "aggregator/fold/bots.hpp"
#include "aggregator/fold/spam_list.hpp"

namespace luot::aggregator {

/// Not thread-safe (agents has a cache): one a thread.
struct classifier {
    bot_list bots;
    agent_list agents;
    spam_list spam;
};

}  // namespace luot::aggregator
