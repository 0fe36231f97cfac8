// Addresses of pages, as far as looking at a page needs them. What is counted of an address is the
// business of core/path.

#pragma once

#include <string>
#include <string_view>

namespace luot {

/// An address taken apart: "https", "host:port", "/path?query". Without a scheme it is https, with
/// "/" at its beginning it has no host. What follows '#' is left out.
struct url_parts {
    std::string scheme, authority, target;

    [[nodiscard]] std::string origin() const
    {
        return authority.empty() ? std::string{} : scheme + "://" + authority;
    }
};
[[nodiscard]] url_parts take_apart(std::string_view url);

/// The address that `reference` means on a page at `base`, as browsers join them; without '#'.
[[nodiscard]] std::string joined(const std::string& base, std::string_view reference);

}  // namespace luot
