#include "core/http/address.hpp"

#include "core/config.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>

namespace luot::http {

namespace {

constexpr unsigned char mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

bool is_mapped(const ip_address& address) noexcept
{
    return std::memcmp(address.data(), mapped_prefix, sizeof mapped_prefix) == 0;
}

std::string_view trimmed(std::string_view text) noexcept
{
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

}  // namespace

bool is_in(const std::vector<network>& networks, const ip_address& address) noexcept
{
    unsigned char bytes[16];
    std::memcpy(bytes, address.data(), sizeof bytes);
    return std::any_of(networks.begin(), networks.end(),
                       [&](const network& n) { return contains(n, bytes); });
}

bool parse_address(std::string_view text, ip_address& out) noexcept
{
    if (!text.empty() && text.front() == '[') {
        const auto end = text.find(']');
        if (end == std::string_view::npos)
            return false;
        text = text.substr(1, end - 1);
    } else if (const auto colon = text.find(':');
               colon != std::string_view::npos &&
               text.find(':', colon + 1) == std::string_view::npos) {
        text = text.substr(0, colon);
    }
    char terminated[INET6_ADDRSTRLEN];
    if (text.empty() || text.size() >= sizeof terminated ||
        text.find('\0') != std::string_view::npos)
        return false;
    std::memcpy(terminated, text.data(), text.size());
    terminated[text.size()] = 0;
    if (text.find(':') != std::string_view::npos)
        return inet_pton(AF_INET6, terminated, out.data()) == 1;
    std::memcpy(out.data(), mapped_prefix, sizeof mapped_prefix);
    return inet_pton(AF_INET, terminated, out.data() + sizeof mapped_prefix) == 1;
}

ip_address client_address(const ip_address& peer, std::string_view forwarded_for,
                          const std::vector<network>& trusted) noexcept
{
    ip_address address = peer;
    while (!forwarded_for.empty() && is_in(trusted, address)) {
        const auto comma = forwarded_for.rfind(',');
        const auto last =
            comma == std::string_view::npos ? forwarded_for : forwarded_for.substr(comma + 1);
        ip_address next;
        if (!parse_address(trimmed(last), next))
            break;
        address = next;
        forwarded_for =
            comma == std::string_view::npos ? std::string_view{} : forwarded_for.substr(0, comma);
    }
    return address;
}

ip_address client_key(const ip_address& address) noexcept
{
    ip_address key = address;
    if (!is_mapped(key))
        std::fill(key.begin() + 8, key.end(), 0);
    return key;
}

}  // namespace luot::http
