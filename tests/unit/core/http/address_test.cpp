// Who the client is behind proxies: the one place where somebody else's word is weighed.

#include "core/http/address.hpp"

#include "core/config.hpp"

#include <boost/test/unit_test.hpp>

#include <arpa/inet.h>
#include <random>
#include <string>
#include <vector>

namespace address_test {

using namespace luot;
using namespace luot::http;

std::string shown(const ip_address& address)
{
    char text[INET6_ADDRSTRLEN];
    return inet_ntop(AF_INET6, address.data(), text, sizeof text);
}

ip_address at(std::string_view text)
{
    ip_address address{};
    BOOST_TEST_REQUIRE(parse_address(text, address));
    return address;
}

std::vector<network> networks(const std::vector<std::string>& texts)
{
    std::vector<network> all;
    for (const auto& text : texts) {
        const auto n = parse_network(text);
        BOOST_TEST_REQUIRE(n.has_value());
        all.push_back(*n);
    }
    return all;
}

BOOST_AUTO_TEST_SUITE(http_address)

BOOST_AUTO_TEST_CASE(addresses_are_read_as_proxies_write_them)
{
    const struct {
        std::string text, address;
    } table[] = {{"192.0.2.1", "::ffff:192.0.2.1"},
                 {"192.0.2.1:4711", "::ffff:192.0.2.1"},
                 {"::1", "::1"},
                 {"[::1]", "::1"},
                 {"[::1]:4711", "::1"},
                 {"2001:DB8::a", "2001:db8::a"},
                 {"2001:0db8:0000:0000:0000:0000:0000:000a", "2001:db8::a"},
                 {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
                 {"[::ffff:192.0.2.1]:80", "::ffff:192.0.2.1"}};
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("text " << row.text)
        BOOST_TEST(shown(at(row.text)) == row.address);
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_address_is_refused)
{
    ip_address out{};
    for (const std::string text : {"",
                                   ":",
                                   "[",
                                   "[]",
                                   "[::1",
                                   "unknown",
                                   "_hidden",
                                   "localhost",
                                   "192.0.2",
                                   "192.0.2.256",
                                   "192.0.2.1.1",
                                   "192.0.2.1/24",
                                   "0x7f.0.0.1",
                                   "2130706433",
                                   " 192.0.2.1",
                                   "192.0.2.1 ",
                                   "::1::",
                                   "1:2:3",
                                   "fe80::1%eth0",
                                   "2001:db8::g",
                                   "for=192.0.2.1",
                                   "\"192.0.2.1\"",
                                   "2001:0db8:0000:0000:0000:0000:0000:0000:0000:000a"}) {
        BOOST_TEST_CONTEXT("text \"" << text << '"')
        BOOST_TEST(!parse_address(text, out));
    }
    BOOST_TEST(!parse_address(std::string(1000, '1'), out));
    BOOST_TEST(!parse_address(std::string_view("192.0.2.1\0x", 11), out));
}

// From the right, as long as the one who speaks is trusted: what stands further left is anybody's
// word.
BOOST_AUTO_TEST_CASE(the_client_is_the_first_address_from_the_right_that_is_not_trusted)
{
    const auto trusted = networks({"127.0.0.1/32", "::1/128", "10.0.0.0/8"});
    const struct {
        std::string peer, forwarded_for, client;
    } table[] = {
        {"192.0.2.1", "", "::ffff:192.0.2.1"},
        {"192.0.2.1", "203.0.113.9", "::ffff:192.0.2.1"},  // not trusted: its word does not count
        {"127.0.0.1", "", "::ffff:127.0.0.1"},
        {"127.0.0.1", "203.0.113.9", "::ffff:203.0.113.9"},
        {"::1", "203.0.113.9", "::ffff:203.0.113.9"},
        {"::ffff:127.0.0.1", "203.0.113.9", "::ffff:203.0.113.9"},
        {"127.0.0.1", "198.51.100.7, 203.0.113.9", "::ffff:203.0.113.9"},  // the first is forged
        {"127.0.0.1", "198.51.100.7, 203.0.113.9, 10.1.2.3", "::ffff:203.0.113.9"},
        {"127.0.0.1", "203.0.113.9,10.1.2.3,10.1.2.4", "::ffff:203.0.113.9"},
        {"127.0.0.1", " \t203.0.113.9 \t, 10.1.2.3\t", "::ffff:203.0.113.9"},
        {"127.0.0.1", "203.0.113.9:1234", "::ffff:203.0.113.9"},
        {"127.0.0.1", "[2001:db8::9]:1234, 10.0.0.1", "2001:db8::9"},
        {"127.0.0.1", "10.1.2.3, 10.1.2.4", "::ffff:10.1.2.3"},  // all of them ours: the farthest
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("peer " << row.peer << " says \"" << row.forwarded_for << '"')
        BOOST_TEST(shown(client_address(at(row.peer), row.forwarded_for, trusted)) == row.client);
    }
    BOOST_TEST(shown(client_address(at("127.0.0.1"), "203.0.113.9", {})) == "::ffff:127.0.0.1");
}

BOOST_AUTO_TEST_CASE(a_malformed_entry_ends_the_walk)
{
    const auto trusted = networks({"127.0.0.1/32", "10.0.0.0/8"});
    const struct {
        std::string forwarded_for, client;
    } table[] = {{"203.0.113.9, unknown", "::ffff:127.0.0.1"},
                 {"203.0.113.9, unknown, 10.1.2.3", "::ffff:10.1.2.3"},
                 {"203.0.113.9,", "::ffff:127.0.0.1"},
                 {"203.0.113.9, , 10.1.2.3", "::ffff:10.1.2.3"},
                 {",", "::ffff:127.0.0.1"},
                 {" ", "::ffff:127.0.0.1"},
                 {"203.0.113.9 10.1.2.3", "::ffff:127.0.0.1"},
                 {"203.0.113.9; 10.1.2.3", "::ffff:127.0.0.1"}};
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("says \"" << row.forwarded_for << '"')
        BOOST_TEST(shown(client_address(at("127.0.0.1"), row.forwarded_for, trusted)) ==
                   row.client);
    }
}

// A household has a /64 and changes within it as it likes; an IPv4 address is one client.
BOOST_AUTO_TEST_CASE(a_client_is_an_ipv4_address_or_an_ipv6_network_of_64_bits)
{
    BOOST_TEST(shown(client_key(at("192.0.2.1"))) == "::ffff:192.0.2.1");
    BOOST_TEST(shown(client_key(at("2001:db8:1:2:3:4:5:6"))) == "2001:db8:1:2::");
    BOOST_TEST((client_key(at("2001:db8:1:2::1")) == client_key(at("2001:db8:1:2:ffff::"))));
    BOOST_TEST((client_key(at("2001:db8:1:2::1")) != client_key(at("2001:db8:1:3::1"))));
    BOOST_TEST((client_key(at("192.0.2.1")) != client_key(at("192.0.2.2"))));
    BOOST_TEST(shown(client_key(at("::1"))) == "::");
}

BOOST_AUTO_TEST_CASE(any_list_gives_an_address)
{
    constexpr unsigned seed = 4104;
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    const auto trusted = networks({"127.0.0.1/32", "10.0.0.0/8"});
    const std::vector<std::string> pieces{
        "127.0.0.1", "10.1.2.3",           ",",   ", ", " ", ":", "[", "]", "::1", "1", "x",
        "%",         std::string(1, '\0'), "\xFF"};
    for (int i = 0; i < 20'000; ++i) {
        std::string text;
        for (auto n = random() % 12; n > 0; --n)
            text += pieces[random() % pieces.size()];
        const std::vector<char> bytes(text.begin(), text.end());
        const auto client = client_address(at("127.0.0.1"), {bytes.data(), bytes.size()}, trusted);
        if (shown(client).empty())
            BOOST_ERROR("seed " << seed << " round " << i);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace address_test
