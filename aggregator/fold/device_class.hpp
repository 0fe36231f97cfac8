// What a reader holds or sits at, as coarse as a report needs it. The table: docs/agents.md.

#pragma once

#include "aggregator/fold/agent_parser.hpp"

#include <cstdint>
#include <string_view>

namespace luot::aggregator {

enum class device_class : std::uint8_t { desktop, mobile, tablet, tv, other };

/// The name of a class in keys and answers.
[[nodiscard]] std::string_view name_of(device_class device) noexcept;

/// The class by what the rules have found and by words of the User-Agent.
[[nodiscard]] device_class class_of(const parsed_agent& parsed, std::string_view user_agent);

}  // namespace luot::aggregator
