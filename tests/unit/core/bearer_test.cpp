// A site's token in a request.

#include "core/bearer.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace luot {

std::ostream& boost_test_print_type(std::ostream& out, bearer b)
{
    return out << (b == bearer::none ? "none" : b == bearer::right ? "right" : "wrong");
}

}  // namespace luot

namespace bearer_test {

using luot::bearer;
using luot::check_bearer;

BOOST_AUTO_TEST_SUITE(bearers)

BOOST_AUTO_TEST_CASE(only_the_site_s_token_is_right)
{
    for (const auto* right : {"Bearer secret", "bearer secret", "BEARER secret"})
        BOOST_TEST(check_bearer(right, "secret") == bearer::right);
    for (const auto* wrong : {"Bearer secre", "Bearer secrets", "Bearer Secret", "Bearer  secret",
                              "Bearer secret ", "Bearer x"})
        BOOST_TEST(check_bearer(wrong, "secret") == bearer::wrong);
    BOOST_TEST(check_bearer("Bearer " + std::string(1000, 'x'), std::string(1000, 'x')) ==
               bearer::right);
}

// A web server's own password is not meant for luot; an empty token is nobody's.
BOOST_AUTO_TEST_CASE(another_scheme_is_no_token_and_a_site_without_one_has_none_that_is_right)
{
    for (const auto* none : {"", "Bearer", "Bearer ", "Basic c2VjcmV0", "secret", "Bearersecret"})
        BOOST_TEST(check_bearer(none, "secret") == bearer::none);
    BOOST_TEST(check_bearer("Bearer secret", "") == bearer::wrong);
    BOOST_TEST(check_bearer("Bearer ", "") == bearer::none);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace bearer_test
