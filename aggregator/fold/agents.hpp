// With what a page was read: browser, system and class of device, by the User-Agent and client
// hints. The rules are those of uap-core (agent_parser.hpp) and agent_hints.hpp. docs/agents.md.

#pragma once

#include "aggregator/fold/device_class.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace luot::aggregator {

/// What is counted of a User-Agent. Families that uap-core takes from the text itself are whatever
/// a client likes: their number has no bound, so who counts them needs one.
struct agent {
    /// The longest family; a longer one is cut at a character.
    static constexpr std::size_t most_bytes = 100;

    /// Families as uap-core names them ("Chrome Mobile", "Mac OS X"): never empty, UTF-8 without
    /// controls, never in parentheses, which are for rows of luot such as "(other)". "Other": none
    /// that is known, or none of that sort.
    std::string browser = "Other", os = "Other";
    device_class device = device_class::other;
};

/// What any bytes stand for, without a cache.
[[nodiscard]] agent agent_of(const agent_parser& parser, std::string_view user_agent,
                             std::string_view client_hints = {});

/// Tells what User-Agents and client hints stand for, a pure function of their bytes. Not
/// thread-safe (a cache): one a thread. Takes the memory of an agent_parser, and 6 MB at most for
/// the cache.
class agent_list {
public:
    /// Takes a tenth of a second. Throws when RE2 refuses a rule.
    agent_list();
    ~agent_list();

    /// The same as agent_of(), mostly from the cache. Valid until the next call.
    [[nodiscard]] const agent& classify(std::string_view user_agent,
                                        std::string_view client_hints = {}) const;

private:
    class known;
    std::unique_ptr<known> known_;
};

}  // namespace luot::aggregator
