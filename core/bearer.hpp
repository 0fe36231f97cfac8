// A site's token in the Authorization of a request: who has it may read what is not public, and
// speaks for readers as a server-side client does.

#pragma once

#include <cstdint>
#include <string_view>

namespace luot {

enum class bearer : std::uint8_t {
    none,   ///< no Authorization, or of another scheme: a web server's password is not for luot
    right,  ///< the site's token
    wrong,  ///< another one, or the site has none
};

/// `authorization` is the header's value, `token` the site's (empty: it has none). Compared in
/// constant time.
[[nodiscard]] bearer check_bearer(std::string_view authorization, std::string_view token);

}  // namespace luot
