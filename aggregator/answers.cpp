#include "aggregator/answers.hpp"

#include "aggregator/access.hpp"
#include "core/bytes.hpp"
#include "core/metrics.hpp"

#include <utility>

namespace luot::aggregator {

namespace {

constexpr std::string_view cors_lines =
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Expose-Headers: Luot-Token, Luot-Refused, Retry-After\r\n";
constexpr std::string_view json_type = "application/json";

}  // namespace

http::response failure(int status, std::string_view code, std::string_view message)
{
    auto r = http::error_response(status, code, message);
    r.headers += cors_lines;
    return r;
}

http::response unknown_site()
{
    return failure(404, "unknown_site", "no such site is configured");
}

std::optional<http::response> refusal(const http::request& r, const site_config& site,
                                      public_route route)
{
    switch (check_access(r, site, route)) {
        case access::granted:
            return std::nullopt;
        case access::unauthenticated: {
            auto answer =
                failure(401, "unauthorized",
                        "this is not public: send Authorization: Bearer and the site's token");
            answer.headers += "WWW-Authenticate: Bearer\r\n";
            return answer;
        }
        case access::denied:
            break;
    }
    return failure(403, "forbidden", "that is not the site's token");
}

answers::answers(metrics_registry& metrics)
    : reads_(metrics.add_counter("luot_reads_total", "Reads answered with numbers.")),
      unavailable_(
          metrics.add_counter("luot_reads_unavailable_total",
                              "Reads answered 503: Redis away, or behind what had been shown."))
{
}

http::response answers::unavailable() const
{
    unavailable_.add();
    auto r = failure(503, "unavailable", "the counts cannot be read now; try again");
    r.headers += "Retry-After: 1\r\n";
    return r;
}

http::response answers::with(const http::request& r, std::string body, const std::string& stamp,
                             bool may_cache) const
{
    reads_.add();
    http::response out;
    out.content_type = json_type;
    out.headers.append(cors_lines);
    if (may_cache) {
        const auto etag = '"' + to_hex(checksum(stamp)) + '"';
        out.headers.append("Cache-Control: max-age=1\r\nETag: ").append(etag).append("\r\n");
        if (r.method != http::method::post && http::matches_etag(r.if_none_match, etag)) {
            out.status = 304;
            return out;
        }
    } else {
        out.headers.append("Cache-Control: no-store\r\n");
    }
    out.body = std::move(body);
    return out;
}

}  // namespace luot::aggregator
