#include "core/http/router.hpp"

namespace luot::http {

namespace {

bool covers(std::string_view route, std::string_view path) noexcept
{
    if (route.size() > 1 && route.back() == '/')
        return path.size() > route.size() && path.starts_with(route);
    return path == route;
}

}  // namespace

void router::add(method m, std::string path, quick_handler handler)
{
    routes_.push_back({m, std::move(path), std::move(handler), {}});
}

void router::add(method m, std::string path, waiting_handler handler)
{
    routes_.push_back({m, std::move(path), {}, std::move(handler)});
}

router::match router::find(const request& r) const
{
    match found;
    bool known = false, get = false, head = false, post = false;
    for (const auto& route : routes_) {
        if (!covers(route.path, r.path))
            continue;
        known = true;
        // A quick GET may have an effect (a hit): a HEAD must have none.
        const bool answers_head = route.allowed == method::get && !route.quick;
        if (r.method == route.allowed || (r.method == method::head && answers_head)) {
            found.quick = route.quick ? &route.quick : nullptr;
            found.waiting = route.waiting ? &route.waiting : nullptr;
            return found;
        }
        get |= route.allowed == method::get;
        head |= answers_head || route.allowed == method::head;
        post |= route.allowed == method::post;
    }
    if (!known) {
        found.refusal = error_response(404, "not_found", "there is no such address");
        found.refusal.headers += common_headers_;
        return found;
    }
    std::string allowed = "OPTIONS";
    for (const auto& [is_allowed, name] :
         {std::pair{get, ", GET"}, std::pair{head, ", HEAD"}, std::pair{post, ", POST"}})
        if (is_allowed)
            allowed += name;
    if (r.method == method::options) {
        found.refusal.status = 204;
        found.refusal.headers += "Access-Control-Allow-Methods: " + allowed +
                                 "\r\nAccess-Control-Allow-Headers: Authorization, Content-Type\r\n"
                                 "Access-Control-Max-Age: 86400\r\n";
    } else {
        found.refusal = error_response(405, "method_not_allowed", "see the Allow header");
    }
    found.refusal.headers += common_headers_ + "Allow: " + allowed + "\r\n";
    return found;
}

}  // namespace luot::http
