// Patterns of page paths, as in a site's `only`: "/tin-tuc/**". docs/paths.md has the rules.

#pragma once

#include <string_view>

namespace luot {

/// Whether a normalised path matches. `*` stands for any characters of one segment (none, too),
/// `**`, alone between slashes, for any number of segments (none, too). A pattern without "?" is
/// compared with the path before its query. Time grows with the product of both lengths at worst.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view path) noexcept;

}  // namespace luot
