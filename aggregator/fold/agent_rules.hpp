// The rules of the npm package uap-core (Apache-2.0), made into tables by agent_rules.py at build
// time. What they mean: node_modules/uap-core/docs/specification.md.

#pragma once

#include <array>
#include <span>
#include <string_view>

namespace luot::aggregator {

/// What a rule says of the User-Agents that it matches.
struct agent_rule {
    /// A regular expression, matched anywhere in the User-Agent.
    std::string_view regex;
    bool ignore_case;
    /// Of a browser or system: family, major, minor, patch, patch_minor. Of a device: family,
    /// brand, model. May hold $1 to $9, what the groups have matched. Empty: the rule has none, the
    /// group in its place decides.
    std::array<std::string_view, 5> replacements;
};

extern const std::span<const agent_rule> browser_rules;
extern const std::span<const agent_rule> system_rules;
extern const std::span<const agent_rule> device_rules;

}  // namespace luot::aggregator
