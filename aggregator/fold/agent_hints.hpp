// What a browser's client hints say beside its User-Agent, as a collector folds them into the
// record
// ("1Android;Brave/126", collector/client_hints.hpp). Who wins where both speak: docs/agents.md.

#pragma once

#include "aggregator/fold/agents.hpp"

#include <string_view>

namespace luot::aggregator {

/// The hints without the version, of which nothing is counted: those of one browser are one text.
[[nodiscard]] std::string_view without_version(std::string_view client_hints) noexcept;

/// What the User-Agent stands for, made more exact by the hints; any bytes, for none of which it
/// fails. A browser may be named by the hints' own bytes: as a family of agent_parser, it is
/// checked by who counts it.
[[nodiscard]] agent with_hints(agent by_user_agent, std::string_view client_hints);

}  // namespace luot::aggregator
