// Whether a hit is a bot's, and what says so.

#pragma once

#include "aggregator/fold/bots.hpp"

#include <cstdint>
#include <memory>
#include <string_view>

namespace luot {
struct hit;
}

namespace luot::aggregator {

struct classifier;

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

/// A server-side client is no bot for being a program; a browser in a data centre is one, and so is
/// who makes up a referrer.
[[nodiscard]] bot_verdict verdict_on(const hit& h, const classifier& classes);

/// The entry of a list that names a User-Agent; the pattern is empty when none does.
struct bot_pattern {
    bot_kind kind = bot_kind::none;
    std::string_view list, pattern;
};

/// The lists that bot_list goes by, without a cache. Not thread-safe (buffers): one a thread.
class bot_patterns {
public:
    bot_patterns();
    ~bot_patterns();

    [[nodiscard]] bot_pattern find(std::string_view user_agent) const;

private:
    class lists;
    std::unique_ptr<lists> lists_;
};

}  // namespace luot::aggregator
