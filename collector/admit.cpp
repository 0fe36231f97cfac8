#include "collector/admit.hpp"

#include "core/path.hpp"

namespace luot::collector {

refusal admit(const http::request& r, const site_config& site)
{
    // "Origin: null" (sandboxed frames, file:) counts as absent, and so does what is no web
    // address.
    auto host = host_of_url(r.origin);
    if (host.empty())
        host = host_of_url(r.referer);
    if (!host.empty() && !site.has_host(host))
        return refusal::host_not_allowed;
    if (r.is_prefetch)
        return refusal::prefetch;
    if ((site.honor_gpc && r.global_privacy) || (site.honor_dnt && r.do_not_track))
        return refusal::opted_out;
    return refusal::none;
}

}  // namespace luot::collector
