// Who may read what of a site.

#include "aggregator/access.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

namespace access_test {

using namespace luot;
using namespace luot::aggregator;

const std::vector<public_route> all_routes{public_route::counts,    public_route::summary,
                                           public_route::most_read, public_route::related,
                                           public_route::badge,     public_route::stats};

/// "open", or the status that the answer has.
std::string asked(const site_config& site, std::string_view authorization,
                  public_route route = public_route::stats)
{
    http::request r;
    r.authorization = authorization;
    switch (check_access(r, site, route)) {
        case aggregator::access::granted:
            return "open";
        case aggregator::access::unauthenticated:
            return "401";
        case aggregator::access::denied:
            return "403";
    }
    return "?";
}

site_config with_token(std::string token)
{
    site_config s;
    s.id = "skhcn";
    s.token = std::move(token);
    return s;
}

BOOST_AUTO_TEST_SUITE(access_to_reads)

BOOST_AUTO_TEST_CASE(what_is_public_is_open_to_everybody)
{
    const auto site = with_token("secret");
    for (const auto route : all_routes) {
        BOOST_TEST_CONTEXT("route " << static_cast<int>(route))
        {
            const bool is_open = route != public_route::stats;  // by default
            BOOST_TEST(asked(site, "", route) == (is_open ? "open" : "401"));
            // A wrong token takes nothing away.
            BOOST_TEST(asked(site, "Bearer wrong", route) == (is_open ? "open" : "403"));
        }
    }
}

BOOST_AUTO_TEST_CASE(only_what_is_named_is_public)
{
    for (const auto open : all_routes) {
        auto site = with_token("secret");
        site.public_routes = {open};
        for (const auto route : all_routes) {
            BOOST_TEST_CONTEXT("open " << static_cast<int>(open) << " asked "
                                       << static_cast<int>(route))
            {
                // `stats` opens the page and everything that it is drawn from.
                const bool is_open = open == route || open == public_route::stats;
                BOOST_TEST(asked(site, "", route) == (is_open ? "open" : "401"));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(the_token_opens_every_route_of_its_site)
{
    auto site = with_token("s3cret-t0ken");
    site.public_routes = {};
    for (const auto route : all_routes)
        BOOST_TEST(asked(site, "Bearer s3cret-t0ken", route) == "open");
    BOOST_TEST(asked(with_token("another"), "Bearer s3cret-t0ken") == "403");
}

// 401 asks for a token, 403 says that this one is wrong.
BOOST_AUTO_TEST_CASE(without_a_token_it_is_401_and_with_a_wrong_one_403)
{
    const auto site = with_token("secret");
    const struct {
        std::string authorization;
        std::string wanted;
    } table[] = {
        {"", "401"},
        {"Basic c2VjcmV0", "401"},
        {"Bearer", "401"},
        {"secret", "401"},
        {" Bearer secret", "401"},
        {"Bearersecret", "401"},
        {"Bearer ", "401"},
        {"Bearer secre", "403"},
        {"Bearer secrett", "403"},
        {"Bearer Secret", "403"},
        {"Bearer secret, Bearer secret", "403"},
        {std::string("Bearer secret\0", 14), "403"},
        {"Bearer secret", "open"},
        // RFC 9110, 11.1: the scheme in any case, the token as it is
        {"bearer secret", "open"},
        {"BEARER secret", "open"},
        {"bearer SECRET", "403"},
        {"bearex secret", "401"},
    };
    for (const auto& row : table)
        BOOST_TEST(asked(site, row.authorization) == row.wanted, '"' << row.authorization << '"');
}

// A site without a token file must not be open to whoever sends an empty one.
BOOST_AUTO_TEST_CASE(a_site_without_a_token_grants_nothing_to_any)
{
    const auto site = with_token("");
    for (const std::string authorization : {"", "Bearer ", "Bearer  ", "Bearer x", "Bearer"})
        BOOST_TEST(asked(site, authorization) != "open", '"' << authorization << '"');
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace access_test
