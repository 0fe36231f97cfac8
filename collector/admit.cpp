#include "collector/admit.hpp"

#include "core/path.hpp"

namespace luot::collector {

refusal admit(const http::request& r, const site_config& site)
{
    // "Origin: null" (sandboxed frames) and "file://" (apps that carry their pages) count as
    // absent. A Referer that is no web address says nothing; an Origin that is none is not of the
    // site.
    const bool has_origin =
        !r.origin.empty() && r.origin != "null" && !r.origin.starts_with("file:");
    const auto host = host_of_url(has_origin ? r.origin : r.referer);
    if (host.empty() ? has_origin : !site.has_host(host))
        return refusal::host_not_allowed;
    if (r.is_prefetch)
        return refusal::prefetch;
    if ((site.honor_gpc && r.global_privacy) || (site.honor_dnt && r.do_not_track))
        return refusal::opted_out;
    return refusal::none;
}

}  // namespace luot::collector
