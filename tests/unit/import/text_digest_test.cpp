// What names a log and what says that it is still the same: both depend on its lines alone.

#include "import/text_digest.hpp"

#include <boost/test/unit_test.hpp>

#include <set>
#include <string>
#include <vector>

namespace text_digest_test {

using namespace luot::importer;

BOOST_AUTO_TEST_SUITE(text_of_a_log)

// A run that goes on cuts its entries elsewhere.
BOOST_AUTO_TEST_CASE(the_checksum_is_the_same_wherever_it_was_asked_for)
{
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < 200; ++i)
        lines.push_back(std::string(i * i % 700, static_cast<char>('a' + i % 26)));
    text_digest often, once;
    std::set<std::uint64_t> values;
    for (const auto& line : lines) {
        often.add(line);
        once.add(line);
        values.insert(often.value());
    }
    BOOST_TEST(values.size() == lines.size(), "each line changes it");
    BOOST_TEST(often.value() == once.value());
    once.reset();
    BOOST_TEST(once.value() != often.value());
    for (const auto& line : lines)
        once.add(line);
    BOOST_TEST(once.value() == often.value());
}

BOOST_AUTO_TEST_CASE(where_lines_end_is_part_of_the_text_and_how_they_end_is_not)
{
    text_digest one, two, dos;
    one.add("ab");
    one.add("c");
    two.add("a");
    two.add("bc");
    dos.add("ab\r");
    dos.add("c\r");
    BOOST_TEST(one.value() != two.value());
    BOOST_TEST(one.value() == dos.value());
}

// Part of what Redis keeps for ever: another name would count a log again.
BOOST_AUTO_TEST_CASE(a_log_is_named_by_its_site_and_first_line)
{
    BOOST_TEST(producer_of("a", "x") == producer_of("a", "x\r"));
    BOOST_TEST(producer_of("a", "x") != producer_of("b", "x"));
    BOOST_TEST(producer_of("a", "x") != producer_of("a", "y"));
    BOOST_TEST(producer_of("ax", "") != producer_of("a", "x"));
    BOOST_TEST(producer_of("skhcn", "127.0.0.1 - -") == 1069008397017417174ULL);
    BOOST_TEST(producer_of("skhcn", "127.0.0.1 - -", 1) == 1069008397017417174ULL);
    text_digest digest;
    digest.add("127.0.0.1 - -");
    BOOST_TEST(digest.value() == 9353520490020249583ULL);
}

// To count a log once more is to take it for another one, and each round is one of its own.
BOOST_AUTO_TEST_CASE(a_log_has_another_name_in_each_round)
{
    std::set<std::uint64_t> names;
    for (std::uint32_t round = 1; round <= 1000; ++round)
        names.insert(producer_of("a", "x", round));
    BOOST_TEST(names.size() == 1000U);
    BOOST_TEST(producer_of("a", "x", 2) == producer_of("a", "x\r", 2));
    BOOST_TEST(producer_of("a", "x", 2) != producer_of("b", "x", 2));
    BOOST_TEST(producer_of("a", "x", 2) != producer_of("a", "y", 2));
    BOOST_TEST(producer_of("a", "x", 12) != producer_of("a1", "x", 2));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace text_digest_test
