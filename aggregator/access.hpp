// Who may read what of a site.

#pragma once

#include "core/config.hpp"
#include "core/http/message.hpp"

namespace luot::aggregator {

enum class access { granted, unauthenticated, denied };

/// Whether a request may read what `route` names: open when the site's `public` has it, else by the
/// site's bearer token, compared in constant time.
[[nodiscard]] access check_access(const http::request& r, const site_config& site,
                                  public_route route);

}  // namespace luot::aggregator
