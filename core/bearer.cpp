#include "core/bearer.hpp"

#include <algorithm>
#include <array>
#include <sodium.h>

namespace luot {

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

bearer check_bearer(std::string_view authorization, std::string_view token)
{
    if (!is_scheme(authorization))
        return bearer::none;
    const auto given = digest(authorization.substr(scheme.size()));
    const auto wanted = digest(token);
    const bool same = sodium_memcmp(given.data(), wanted.data(), wanted.size()) == 0;
    return same && !token.empty() ? bearer::right : bearer::wrong;
}

}  // namespace luot
