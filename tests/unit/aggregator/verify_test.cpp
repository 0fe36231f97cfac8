// When the hourly check runs again.

#include "aggregator/verify.hpp"

#include "core/error.hpp"

#include <boost/test/unit_test.hpp>

namespace verify_test {

using luot::errc;
using luot::make_error_code;
using luot::aggregator::pause_after;

BOOST_AUTO_TEST_SUITE(hourly_verify)

BOOST_AUTO_TEST_CASE(only_a_redis_that_was_away_is_asked_again_soon)
{
    const std::chrono::seconds hour{3600};
    BOOST_TEST((pause_after({}) == hour));
    BOOST_TEST((pause_after(make_error_code(errc::redis_away)) == std::chrono::seconds{60}));
    for (const auto refused : {errc::redis_error, errc::redis_protocol})
        BOOST_TEST((pause_after(make_error_code(refused)) == hour));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace verify_test
