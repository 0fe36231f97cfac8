// The lists of the npm packages crawler-user-agents (MIT) and isbot (Unlicense), made into tables
// by crawlers.py at build time.

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

/// Regular expressions of JavaScript, matched anywhere in the User-Agent without regard to case.
extern const std::span<const std::string_view> isbot_patterns;

}  // namespace luot::aggregator
