// Network addresses of clients. An address is used to find the visitor's id and the country, and
// goes no further: no function here prints one.

#pragma once

#include <array>
#include <string_view>
#include <vector>

namespace luot {
struct network;
}

namespace luot::http {

/// An IP address as 16 bytes; IPv4 is mapped into ::ffff:0:0/96.
using ip_address = std::array<unsigned char, 16>;

/// Reads an IPv4 or IPv6 address, with or without brackets and port ("1.2.3.4:5", "[::1]:80"), as
/// proxies write them into X-Forwarded-For. False when it is none.
[[nodiscard]] bool parse_address(std::string_view text, ip_address& out) noexcept;

/// The client behind trusted proxies: X-Forwarded-For walked from the right while the address at
/// hand is trusted; the first other address is the client. A malformed entry ends the walk: what
/// stands left of it is anybody's word.
[[nodiscard]] ip_address client_address(const ip_address& peer, std::string_view forwarded_for,
                                        const std::vector<network>& trusted) noexcept;

/// Whether an address lies in one of these networks.
[[nodiscard]] bool is_in(const std::vector<network>& networks, const ip_address& address) noexcept;

/// The part that names a client: IPv4 whole, IPv6 its /64 (the rest is chosen by the client).
[[nodiscard]] ip_address client_key(const ip_address& address) noexcept;

}  // namespace luot::http
