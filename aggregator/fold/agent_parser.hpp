// A User-Agent taken apart by the rules of uap-core (agent_rules.hpp), as its specification says.
// What luot counts of it: agents.hpp.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace luot::aggregator {

/// What the rules say of a User-Agent; empty: nothing. Texts may be taken from the User-Agent as
/// they stand there: any bytes, and some thousand of them.
struct parsed_agent {
    struct software {
        std::string family = "Other";
        std::string major, minor, patch, patch_minor;
    };
    struct hardware {
        std::string family = "Other";
        std::string brand, model;
    };
    software browser, system;
    hardware device;
};

/// The rules, compiled. Not thread-safe: one a thread. Takes about 10 MB, 15 MB with what readers
/// send, 50 MB once it has seen all sorts of User-Agents. The automata of the rules remember what
/// they have met: who makes up a User-Agent for each rule can fill 256 KiB in each of about 400.
class agent_parser {
public:
    /// What of a User-Agent is looked at, in bytes; as much of it as a collector keeps.
    static constexpr std::size_t most_bytes = 1000;

    /// Takes a tenth of a second. Throws when RE2 refuses a rule.
    agent_parser();
    ~agent_parser();

    [[nodiscard]] parsed_agent parse(std::string_view user_agent) const;

private:
    class rules;
    std::unique_ptr<rules> browsers_, systems_, devices_;
};

/// A to Z in lower case, all other bytes as they are.
[[nodiscard]] std::string lower_case(std::string_view text);

}  // namespace luot::aggregator
