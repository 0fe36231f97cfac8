// What the npm package isbot says of a User-Agent: a list of patterns (crawlers.hpp) that is
// shorter and bolder than crawler-user-agents, so it names what nobody has listed by name yet.

#pragma once

#include "aggregator/fold/pattern_set.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace luot::aggregator {

/// A pattern that looks around, which RE2 cannot do: a word, found without regard to case, and what
/// must not stand right before or right after it.
struct guarded_word {
    std::string_view pattern;  ///< as the list has it
    std::string_view word;     ///< lower case, as all here
    std::vector<std::string_view> not_before_it;
    std::vector<std::string_view> not_after_it;
    bool ends = false;  ///< it, or its plural, is followed by "_" or is the end of a word
};

/// The patterns of isbot that are written by hand.
[[nodiscard]] std::span<const guarded_word> guarded_words();

/// Not thread-safe (buffers): one a thread.
class isbot_list {
public:
    isbot_list();

    /// Whether isbot would call it a bot. False for an empty one.
    [[nodiscard]] bool names(std::string_view user_agent)
    {
        return !pattern_of(user_agent).empty();
    }

    /// The pattern by which it would, as the list has it: one of them. Empty: it would not.
    [[nodiscard]] std::string_view pattern_of(std::string_view user_agent);

private:
    std::vector<std::string_view> of_re2_;
    pattern_set patterns_;
    std::vector<int> found_;
    std::string lower_;
};

}  // namespace luot::aggregator
