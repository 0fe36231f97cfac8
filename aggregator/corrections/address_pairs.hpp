// Which addresses are to be merged into which, as an operator names them: two of them, or a table.

#pragma once

#include "core/config.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace luot::aggregator {

/// Pairs of addresses `from,to` as a table, normalised. A first row of words is a heading. Throws
/// correction_error: "FILE:LINE: ...".
using address_pairs = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] address_pairs parse_pairs(std::string_view csv, const std::string& file_name,
                                        const site_config& site);
/// One pair. Throws correction_error.
[[nodiscard]] std::pair<std::string, std::string> normalised_pair(std::string_view from,
                                                                  std::string_view to,
                                                                  const site_config& site);
/// One address. Throws correction_error.
[[nodiscard]] std::string normalised(std::string_view path, const site_config& site);

}  // namespace luot::aggregator
