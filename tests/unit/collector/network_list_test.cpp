// Lists of networks: what lies in them, and which line of a file is wrong.

#include "collector/network_list.hpp"

#include "tests/unit/support/temp_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace network_list_test {

using namespace luot;
using namespace luot::collector;
using luot::testing::temp_dir;

http::ip_address at(std::string_view text)
{
    http::ip_address address{};
    BOOST_TEST_REQUIRE(http::parse_address(text, address));
    return address;
}

std::string refusal(std::string_view text)
{
    try {
        (void)network_list::parse(text, "list.txt");
        return "";
    } catch (const std::runtime_error& e) {
        return e.what();
    }
}

BOOST_AUTO_TEST_SUITE(network_lists)

BOOST_AUTO_TEST_CASE(an_address_lies_in_a_network_from_its_first_to_its_last)
{
    const auto list = network_list::parse(
        "\xEF\xBB\xBF# data centres\r\n\r\n192.0.2.0/25   # one\n  198.51.100.7\t\n2001:db8::/33\n"
        "203.0.113.128/25",
        "list.txt");
    BOOST_TEST(list.size() == 4U);
    for (const auto* in :
         {"192.0.2.0", "192.0.2.127", "198.51.100.7", "2001:db8::", "203.0.113.255",
          "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", "::ffff:192.0.2.1"})
        BOOST_TEST(list.contains(at(in)), in);
    for (const auto* out : {"192.0.1.255", "192.0.2.128", "198.51.100.6", "198.51.100.8",
                            "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8:8000::", "::",
                            "203.0.113.127", "203.0.114.0", "255.255.255.255", "ffff::"})
        BOOST_TEST(!list.contains(at(out)), out);
}

BOOST_AUTO_TEST_CASE(an_empty_list_holds_nobody_and_a_whole_one_everybody)
{
    BOOST_TEST(!network_list{}.contains(at("192.0.2.1")));
    BOOST_TEST(!network_list::parse("# nobody\n", "list.txt").contains(at("::")));
    const auto all = network_list::parse("::/0\n192.0.2.1\n", "list.txt");
    BOOST_TEST(all.size() == 1U);
    for (const auto* in : {"::", "192.0.2.1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"})
        BOOST_TEST(all.contains(at(in)), in);
}

BOOST_AUTO_TEST_CASE(a_line_that_is_no_network_is_named)
{
    BOOST_TEST(refusal("192.0.2.0/24\n\n192.0.2.0/33\n")
                   .starts_with("list.txt:3: \"192.0.2.0/33\" is no network; write one a line"));
    BOOST_TEST(refusal("example.com").starts_with("list.txt:1: \"example.com\""));
    BOOST_TEST(refusal("192.0.2.0/24, 192.0.3.0/24").starts_with("list.txt:1: "));
    const auto odd = refusal("#\n\x1B[31m\xFF" + std::string(5000, 'y'));
    BOOST_TEST(odd.starts_with("list.txt:2: \"?[31m?yyy"), odd);
    BOOST_TEST(odd.size() < 300U);
}

BOOST_AUTO_TEST_CASE(a_file_is_read_or_named)
{
    const temp_dir dir;
    const auto name = dir.file("networks");
    std::ofstream(name) << "192.0.2.0/24\n";
    BOOST_TEST(network_list::load(name, "key").contains(at("192.0.2.9")));
    std::ofstream(name) << "";
    BOOST_TEST(network_list::load(name, "key").size() == 0U);
    for (const auto& missing : {dir.file("none"), dir.file("")}) {
        try {
            (void)network_list::load(missing, "collector.key");
            BOOST_ERROR("read " << missing);
        } catch (const std::runtime_error& e) {
            BOOST_TEST(std::string(e.what()).starts_with("collector.key: " + missing + ": "),
                       e.what());
        }
    }
}

// The search must agree with looking at each network.
BOOST_AUTO_TEST_CASE(a_hundred_thousand_networks_are_found_as_one_by_one)
{
    constexpr unsigned seed = 5;
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    const auto made = [&random](unsigned most_bits) {
        network n;
        const bool is_v4 = random() % 2 == 0;
        if (is_v4) {
            n.bytes[10] = n.bytes[11] = 0xFF;
            for (int i = 12; i < 16; ++i)
                n.bytes[i] = static_cast<unsigned char>(random() % 8 * 32);
            n.prefix_bits = 96 + 8 + random() % (most_bits - 8);
        } else {
            n.bytes[0] = 0x20;
            for (int i = 1; i < 16; ++i)
                n.bytes[i] = static_cast<unsigned char>(random() % 4 * 64);
            n.prefix_bits = 16 + random() % 113;
        }
        for (unsigned bit = n.prefix_bits; bit < 128; ++bit)
            n.bytes[bit / 8] &= static_cast<unsigned char>(~(0x80U >> bit % 8));
        return n;
    };
    std::vector<network> networks;
    for (int i = 0; i < 200; ++i)
        networks.push_back(made(25));
    const network_list list(networks);
    int inside = 0;
    for (int i = 0; i < 20'000; ++i) {
        // On the edges of networks, and beside them.
        const auto n = random() % 2 == 0 ? networks[random() % networks.size()] : made(33);
        http::ip_address address{};
        std::copy(std::begin(n.bytes), std::end(n.bytes), address.begin());
        if (random() % 2 == 0)
            address[15] = static_cast<unsigned char>(address[15] - random() % 2);
        const bool wanted = http::is_in(networks, address);
        inside += wanted ? 1 : 0;
        if (list.contains(address) != wanted)
            BOOST_ERROR("seed " << seed << " round " << i);
    }
    BOOST_TEST(inside > 5000);
    BOOST_TEST(inside < 19'000);
    std::vector<network> many;
    for (int i = 0; i < 100'000; ++i)
        many.push_back(made(33));
    const network_list large(many);
    for (int i = 0; i < 100'000; ++i) {
        http::ip_address address{};
        std::copy(std::begin(many[static_cast<std::size_t>(i)].bytes),
                  std::end(many[static_cast<std::size_t>(i)].bytes), address.begin());
        if (!large.contains(address))
            BOOST_ERROR("network " << i);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace network_list_test
