// A count as a picture to be put into an <img>: a badge with a label, or the digits alone as the
// hit counters of old showed them. Pure functions; the routes are in read_api.

#pragma once

#include <string>
#include <string_view>

namespace luot::aggregator {

/// Characters that a label may have; what is longer ends in an ellipsis.
inline constexpr std::size_t most_label_characters = 60;

/// What is shown where no number is known.
inline constexpr std::string_view no_number = "–";

/// A label as it is drawn, of any bytes: one line of well-formed UTF-8 in NFC, without controls and
/// characters that change the direction of the text, at most two marks on a letter, bounded.
[[nodiscard]] std::string clean_label(std::string_view label);

/// An estimate of the width of a text in pixels, in Verdana (or DejaVu Sans) at 11 pixels.
[[nodiscard]] double text_width(std::string_view text);

/// SVG, well-formed XML whatever the label holds; without a label only the number. `number` is
/// ours: digits, their separators, or no_number.
[[nodiscard]] std::string badge_svg(std::string_view label, std::string_view number);

/// The number's characters, each in a field of its own; the label is only read out.
[[nodiscard]] std::string count_svg(std::string_view label, std::string_view number);

}  // namespace luot::aggregator
