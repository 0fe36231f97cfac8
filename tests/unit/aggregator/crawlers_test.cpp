// The list crawler-user-agents as it is compiled in.

#include "aggregator/fold/crawlers.hpp"

#include "aggregator/fold/pattern_set.hpp"
#include "tests/unit/support/user_agents.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string_view>
#include <vector>

namespace crawlers_test {

using namespace luot::aggregator;
using namespace luot::testing;

BOOST_AUTO_TEST_SUITE(crawler_list)

BOOST_AUTO_TEST_CASE(every_pattern_of_the_list_matches_its_own_instances,
                     *boost::unit_test::precondition(has_crawlers))
{
    const auto listed = listed_crawlers();
    BOOST_TEST_REQUIRE(listed.size() == crawlers.size());
    std::size_t narrowed = 0;
    std::vector<std::string_view> patterns;
    for (const auto& entry : crawlers)
        patterns.push_back(entry.pattern);
    const pattern_set set("crawler-user-agents", patterns, {.memory_bytes = 32 << 20});
    std::vector<int> found;
    for (std::size_t i = 0; i < listed.size(); ++i) {
        narrowed += patterns[i] == listed[i].pattern ? 0 : 1;
        for (const auto& instance : listed[i].instances) {
            set.find(instance, found);
            if (std::find(found.begin(), found.end(), static_cast<int>(i)) == found.end())
                BOOST_ERROR(patterns[i] << " does not match " << instance);
        }
    }
    BOOST_TEST(narrowed == 1U);  // crawlers.py says which; all others as they are
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace crawlers_test
