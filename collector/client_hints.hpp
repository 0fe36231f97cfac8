// What a browser says of itself in User-Agent client hints (Sec-CH-UA, -Mobile, -Platform), folded
// into one short text for the record. Format: RFC 8941 and wicg.github.io/ua-client-hints.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace luot::collector {

inline constexpr std::size_t max_client_hints_bytes = 64;

/// Overwrites `out` with "<mobile><platform>;<brand>/<version>", as in "1Android;Brave/126" or
/// "0Windows;Google Chrome/126"; empty when none of the three headers says anything.
///
/// mobile: '1', '0', or '-' when it is not said. platform: as sent, empty when it is not said.
/// brand: the most telling of Sec-CH-UA: made-up ones ("Not/A)Brand") never, "Chromium" and "Google
/// Chrome" only where there is no other; with its version, which is a whole number; without ";"
/// where there is none. What is malformed, too long or not plain ASCII is as if not said. At most
/// max_client_hints_bytes of printable ASCII.
void fold_client_hints(std::string_view brands, std::string_view mobile, std::string_view platform,
                       std::string& out);

}  // namespace luot::collector
