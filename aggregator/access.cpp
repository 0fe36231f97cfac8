#include "aggregator/access.hpp"

#include "core/bearer.hpp"

namespace luot::aggregator {

access check_access(const http::request& r, const site_config& site, public_route route)
{
    if (site.is_public(route))
        return access::granted;
    switch (check_bearer(r.authorization, site.token)) {
        case bearer::none:
            return access::unauthenticated;
        case bearer::right:
            return access::granted;
        case bearer::wrong:
            break;
    }
    return access::denied;
}

}  // namespace luot::aggregator
