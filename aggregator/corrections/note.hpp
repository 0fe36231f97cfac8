// Commands beside the corrections that change what a site shows, in the log of its corrections:
// what they did can be read there, not taken back from there.

#pragma once

#include "aggregator/corrections.hpp"

#include <string>
#include <string_view>

namespace luot::aggregator {

/// What a record of luot import totals says, and one of luot reclassify.
inline constexpr std::string_view totals_note = "totals", reclassify_note = "reclassify";

/// Writes into the log what was done already. Needs correct_script() loaded. Throws
/// correction_error.
[[nodiscard]] boost::asio::awaitable<corrected> log_note(redis::client& redis,
                                                         const site_config& site,
                                                         std::string_view note, std::string of,
                                                         std::string changed);

/// Why a record of such a command cannot be undone, and what to do; empty: it is of a correction.
[[nodiscard]] std::string_view why_no_undo(std::string_view what) noexcept;

}  // namespace luot::aggregator
