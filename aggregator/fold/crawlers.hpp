// The list of the npm package crawler-user-agents (MIT), made into a table by crawlers.py at build
// time.

#pragma once

#include "aggregator/fold/bots.hpp"

#include <span>
#include <string_view>

namespace luot::aggregator {

struct crawler {
    std::string_view pattern;  ///< a regular expression, matched anywhere in the User-Agent
    bot_kind kind;
};

extern const std::span<const crawler> crawlers;

}  // namespace luot::aggregator
