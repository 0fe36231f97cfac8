// A request as the handlers see it, and the answer they give.

#pragma once

#include "core/http/address.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace luot::http {

class stream;

/// Methods that luot answers; everything else is 405.
enum class method : unsigned char { get, head, post, options, other };

/// A parsed request. All views point into the bytes it was parsed from.
struct request {
    http::method method = http::method::other;
    bool keep_alive = true;
    bool http_1_0 = false;
    std::string_view target;
    std::string_view path;   ///< of the target, as sent, without the query
    std::string_view query;  ///< without '?'
    std::string_view body;

    std::string_view host, origin, referer, user_agent, forwarded_for, authorization;
    std::string_view accept_encoding, if_none_match, content_type;
    std::string_view hint_brands, hint_mobile, hint_platform;  ///< Sec-CH-UA, -Mobile, -Platform
    bool is_prefetch = false;     ///< Sec-Purpose, Purpose or X-Moz say so
    bool global_privacy = false;  ///< Sec-GPC: 1
    bool do_not_track = false;    ///< DNT: 1

    ip_address peer{};  ///< the other end of the connection
};

/// A request that owns its bytes, for handlers that wait.
class owned_request {
public:
    explicit owned_request(const request& r);
    owned_request(const owned_request&) = delete;
    owned_request& operator=(const owned_request&) = delete;
    [[nodiscard]] const request& get() const noexcept { return request_; }
    /// What it takes in memory.
    [[nodiscard]] std::size_t bytes() const noexcept { return sizeof *this + bytes_.capacity(); }

private:
    std::string bytes_;
    request request_;
};

/// Values of a query string, percent-decoded, in order. Malformed escapes are kept as they stand.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> query_values(std::string_view query);

struct response {
    int status = 200;
    std::string_view content_type = "text/plain; charset=utf-8";
    std::string body;
    std::string headers;  ///< further lines, each "Name: value\r\n"; never a client's text
    bool close = false;
    /// Set: the answer goes on behind its head until the stream ends, and the connection with it.
    /// For waiting handlers. `body` is not sent then.
    std::shared_ptr<stream> goes_on;
};

/// A complete answer as bytes. `date` is the value of the Date field.
void write_response(std::string& out, const response& r, std::string_view date, bool keep_alive,
                    bool with_body);

/// An error as every route of luot tells it: {"error":{"code":...,"message":...}}. Both are ours,
/// plain ASCII without quotes.
[[nodiscard]] response error_response(int status, std::string_view code, std::string_view message);

/// Whether If-None-Match names this entity tag.
[[nodiscard]] bool matches_etag(std::string_view if_none_match, std::string_view etag) noexcept;

/// Whether Accept-Encoding takes gzip.
[[nodiscard]] bool accepts_gzip(std::string_view accept_encoding) noexcept;

/// The reason phrase of a status that luot sends.
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

}  // namespace luot::http
