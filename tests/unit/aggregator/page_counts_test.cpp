// Numbers of many pages, kept by hashes of their paths; and how many pages are read at once.

#include "aggregator/page_counts.hpp"

#include "aggregator/step_size.hpp"

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>

namespace page_counts_test {

using luot::aggregator::page_counts;
using luot::aggregator::page_hash;
using luot::aggregator::step_size;

BOOST_AUTO_TEST_SUITE(pages_by_hash)

BOOST_AUTO_TEST_CASE(each_page_has_its_count)
{
    const page_hash hash;
    page_counts counts;
    const std::string same_begin(1980, 'q');
    for (int i = 0; i < 100'000; ++i)
        counts.add(hash(same_begin + std::to_string(i)), i);
    counts.add(hash(same_begin + "7"), 9);  // named twice
    counts.sort();
    BOOST_TEST(counts.rows().size() == 100'000U);
    for (const int i : {0, 1, 7, 99'999})
        BOOST_TEST(counts.count_of(hash(same_begin + std::to_string(i))) == i);
    BOOST_TEST(counts.count_of(hash("/not-there")) == 0);
    BOOST_TEST(page_counts{}.count_of(hash("/")) == 0);
}

BOOST_AUTO_TEST_CASE(rows_take_16_bytes)
{
    BOOST_TEST(sizeof(page_counts::row) == 16U);
}

BOOST_AUTO_TEST_CASE(two_checks_hash_by_different_keys)
{
    BOOST_TEST((page_hash{}("/a") != page_hash{}("/a")));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(step_sizes)

BOOST_AUTO_TEST_CASE(few_long_rows_and_many_short_ones)
{
    step_size size;
    BOOST_TEST(size.rows() == step_size::most);
    for (int i = 0; i < 10; ++i)
        size.answered(static_cast<std::size_t>(size.rows()) * 8000);
    BOOST_TEST(size.rows() == step_size::fewest);
    for (int i = 0; i < 10; ++i)
        size.answered(static_cast<std::size_t>(size.rows()) * 20);
    BOOST_TEST(size.rows() == step_size::most);
}

BOOST_AUTO_TEST_CASE(no_answer_is_large_for_long)
{
    for (const std::size_t row : {20, 60, 300, 500, 1000, 2000}) {
        step_size size;
        for (int i = 0; i < 3; ++i)
            size.answered(static_cast<std::size_t>(size.rows()) * row);
        BOOST_TEST(static_cast<std::size_t>(size.rows()) * row <= step_size::large_bytes);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace page_counts_test
