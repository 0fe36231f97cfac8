#include "aggregator/access.hpp"

#include <algorithm>
#include <array>
#include <sodium.h>
#include <string_view>

namespace luot::aggregator {

namespace {

constexpr std::string_view scheme = "bearer ";

/// Hashes first: the comparison then tells neither length nor content by its time.
std::array<unsigned char, 32> digest(std::string_view text)
{
    std::array<unsigned char, 32> out;
    crypto_generichash(out.data(), out.size(), reinterpret_cast<const unsigned char*>(text.data()),
                       text.size(), nullptr, 0);
    return out;
}

/// In any case of letters (RFC 9110, 11.1).
bool is_scheme(std::string_view authorization)
{
    return authorization.size() > scheme.size() &&
           std::equal(scheme.begin(), scheme.end(), authorization.begin(),
                      [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); });
}

}  // namespace

access check_access(const http::request& r, const site_config& site, public_route route)
{
    if (site.is_public(route))
        return access::granted;
    if (!is_scheme(r.authorization))
        return access::unauthenticated;
    const auto given = digest(r.authorization.substr(scheme.size()));
    const auto wanted = digest(site.token);
    const bool same = sodium_memcmp(given.data(), wanted.data(), wanted.size()) == 0;
    return same && !site.token.empty() ? access::granted : access::denied;
}

}  // namespace luot::aggregator
