// What normalise_page() (path.hpp) did to an address, step by step, for a person who asks why a
// page is counted under the path that it is (`luot explain`).

#pragma once

#include "core/error.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace luot {

struct campaign;
struct site_config;

/// One step: what was looked at, what became of it, and by which rule of docs/paths.md. The texts
/// are a client's: they may hold anything.
struct path_step {
    std::string what;  ///< host, fragment, path, query, rule, section
    std::string text;  ///< the part of the address, or the expression of a rule
    std::string became;
    std::string why;  ///< luot's own words
};
using path_trace = std::vector<path_step>;

/// The same as normalise_page(), by the same code; the steps are added to `trace`, those before an
/// error too.
[[nodiscard]] error_code trace_page(std::string_view address, const site_config& site,
                                    std::string_view fallback_host, std::string& path,
                                    campaign* found, std::string* section, path_trace& trace);

}  // namespace luot
