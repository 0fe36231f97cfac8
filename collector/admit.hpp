// Whether a hit is taken, and if not, why. Each hit ends in exactly one outcome.

#pragma once

#include "core/config.hpp"
#include "core/http/message.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace luot::collector {

enum class refusal : std::uint8_t {
    none,
    bad_request,
    unknown_site,
    host_not_allowed,
    too_large,
    rate_limited,
    spool_full,
    prefetch,
    opted_out,
    bad_token,
};

struct refusal_text {
    std::string_view reason;  ///< as in Luot-Refused, JSON and metrics
    int status;
};

inline constexpr std::array<refusal_text, 10> refusal_texts{{
    {"", 200},
    {"bad_request", 400},
    {"unknown_site", 403},
    {"host_not_allowed", 403},
    {"too_large", 413},
    {"rate_limited", 429},
    {"spool_full", 503},
    {"prefetch", 202},
    {"opted_out", 202},
    {"bad_token", 403},
}};

[[nodiscard]] constexpr const refusal_text& text_of(refusal r) noexcept
{
    return refusal_texts[static_cast<std::size_t>(r)];
}

/// What the request's headers say against taking a hit for this site: a foreign host, a prefetch, a
/// reader who does not want to be counted.
[[nodiscard]] refusal admit(const http::request& r, const site_config& site);

}  // namespace luot::collector
