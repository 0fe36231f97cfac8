// What readers are answered over HTTP besides the numbers: refusals, caching, CORS.

#pragma once

#include "core/config.hpp"
#include "core/http/message.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace luot {
class counter;
class metrics_registry;
}  // namespace luot

namespace luot::aggregator {

/// An error as `{"error":{"code","message"}}`.
[[nodiscard]] http::response failure(int status, std::string_view code, std::string_view message);

[[nodiscard]] http::response unknown_site();

/// The answer to who may not read what `route` names; nullopt: it may be read.
[[nodiscard]] std::optional<http::response> refusal(const http::request& r, const site_config& site,
                                                    public_route route);

/// Answers that are counted. Any thread.
class answers {
public:
    explicit answers(metrics_registry& metrics);

    /// Numbers, as JSON unless content_type is set afterwards. `stamp` is the body without what
    /// changes although no figure did: the ETag is made of it. What `may_cache` may be kept for a
    /// second.
    [[nodiscard]] http::response with(const http::request& r, std::string body,
                                      const std::string& stamp, bool may_cache) const;

    /// 503 with Retry-After: the numbers cannot be read now, and none is shown.
    [[nodiscard]] http::response unavailable() const;

private:
    counter &reads_, &unavailable_;
};

}  // namespace luot::aggregator
