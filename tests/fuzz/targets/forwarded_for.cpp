// The client's address from X-Forwarded-For. Input: a line of trusted networks, a line with the
// address of the peer, and the value of the field.

#include "core/config.hpp"
#include "core/http/address.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <vector>

namespace luot::fuzz {

namespace {

using http::ip_address;

std::vector<network> networks_of(std::string_view line)
{
    std::vector<network> networks;
    while (!line.empty() && networks.size() < 8) {
        const auto size = std::min(line.find(' '), line.size());
        if (const auto n = parse_network(line.substr(0, size))) {
            unsigned char begin[16];
            std::copy(std::begin(n->bytes), std::end(n->bytes), begin);
            check(contains(*n, begin), "a network contains the address that it begins with");
            networks.push_back(*n);
        }
        line.remove_prefix(std::min(size + 1, line.size()));
    }
    return networks;
}

void try_address(std::string_view text)
{
    ip_address address;
    if (!http::parse_address(text, address))
        return;
    char name[INET6_ADDRSTRLEN];
    check(inet_ntop(AF_INET6, address.data(), name, sizeof name) != nullptr, "it is an address");
    ip_address again;
    check(http::parse_address(name, again) && again == address, "an address has one meaning");
    check(http::parse_address('[' + std::string(name) + "]:443", again) && again == address,
          "a port changes nothing");

    const auto key = http::client_key(address);
    check(http::client_key(key) == key, "a key names itself");
    constexpr unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    const bool is_ipv4 = std::equal(std::begin(mapped), std::end(mapped), address.begin());
    check(std::equal(key.begin(), key.begin() + (is_ipv4 ? 16 : 8), address.begin()),
          "a key is the address, or its first half");
    check(is_ipv4 || std::all_of(key.begin() + 8, key.end(), [](auto byte) { return byte == 0; }),
          "of IPv6 the network counts");
}

}  // namespace

void try_input(std::string_view input)
{
    const auto trusted = networks_of(take_line(input));
    ip_address peer{};
    if (!http::parse_address(take_line(input), peer))
        peer[15] = 1;  // ::1
    try_address(input);

    const auto client = http::client_address(peer, input, trusted);
    check(http::client_address(peer, input, {}) == peer, "who trusts nobody takes nobody's word");
    if (!http::is_in(trusted, peer))
        check(client == peer, "an untrusted peer is the client, whatever it says");
    if (client == peer)
        return;
    // The client is one of the addresses in the field, and only proxies stand right of it.
    bool is_named = false;
    auto rest = input;
    while (!is_named) {
        const auto comma = rest.rfind(',');
        auto last = comma == std::string_view::npos ? rest : rest.substr(comma + 1);
        while (!last.empty() && (last.front() == ' ' || last.front() == '\t'))
            last.remove_prefix(1);
        while (!last.empty() && (last.back() == ' ' || last.back() == '\t'))
            last.remove_suffix(1);
        ip_address named;
        check(http::parse_address(last, named), "the walk ends before what is no address");
        try_address(last);
        is_named = named == client;
        check(is_named || http::is_in(trusted, named), "only proxies stand right of the client");
        check(is_named || comma != std::string_view::npos, "the client is named in the field");
        if (comma != std::string_view::npos)
            rest = rest.substr(0, comma);
    }
    if (!http::is_in(trusted, client))
        for (const char* forged : {"203.0.113.9, ", "2001:db8::9,", "junk,", ","})
            check(http::client_address(peer, forged + std::string(input), trusted) == client,
                  "what stands left of the client changes nothing");
}

}  // namespace luot::fuzz
