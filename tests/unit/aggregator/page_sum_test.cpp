// Sums over pages that grow while they are read: bounds that always hold, and that meet.

#include "aggregator/page_sum.hpp"

#include <boost/test/unit_test.hpp>

#include <map>
#include <random>
#include <string>

namespace page_sum_test {

using luot::aggregator::page_sum;

/// A site whose pages are `wrong` views off, and that is read while it is read from.
class busy_site {
public:
    busy_site(unsigned seed, std::int64_t wrong, int pages) : random_(seed)
    {
        for (int i = 0; i < pages; ++i)
            pages_['/' + std::to_string(i)] = 1 + i % 5;
        for (const auto& [page, views] : pages_)
            views_ += views;
        pages_.begin()->second += wrong;
    }

    /// One walk in parts of ten pages, `hits` views coming in between any two of them.
    void walk(page_sum& sum, int hits)
    {
        std::vector<std::int64_t> looked_up;
        for (const auto& page : sum.looked_up())
            looked_up.push_back(pages_.at(page));
        sum.begin(views_, looked_up);
        int read = 0;
        for (auto at = pages_.begin(); at != pages_.end(); ++at) {
            sum.add(at->first, at->second);
            if (++read % 10 == 0)
                come(hits);
        }
        sum.end(views_);
    }

    void come(int hits)
    {
        for (int i = 0; i < hits; ++i) {
            const auto hot = random_() % 4 != 0 ? random_() % 5 : random_() % pages_.size();
            ++pages_['/' + std::to_string(hot)];
            ++views_;
        }
    }

private:
    std::mt19937 random_;
    std::map<std::string, std::int64_t> pages_;
    std::int64_t views_ = 0;
};

BOOST_AUTO_TEST_SUITE(page_sums)

BOOST_AUTO_TEST_CASE(bounds_hold_whatever_comes_in)
{
    for (unsigned seed = 0; seed < 200; ++seed)
        for (const std::int64_t wrong : {0, 1, -1, 7, -300})
            for (const int hits : {0, 1, 20}) {
                busy_site site{seed, wrong, 97};
                page_sum sum;
                for (int walk = 0; walk < 6; ++walk) {
                    site.walk(sum, hits);
                    BOOST_TEST_REQUIRE(sum.low() <= wrong);
                    BOOST_TEST_REQUIRE(sum.high() >= wrong);
                    site.come(hits);
                }
                BOOST_TEST(!(wrong == 0 && sum.differs()));
                if (hits == 0)
                    BOOST_TEST((sum.is_exact() && sum.differs() == (wrong != 0)));
                if (wrong == -300)
                    BOOST_TEST(sum.differs());
            }
}

BOOST_AUTO_TEST_CASE(pages_that_grow_are_read_exactly_the_next_time)
{
    // Only one page ever grows, and it does during every walk.
    page_sum sum;
    std::int64_t hot = 10;
    for (int walk = 0; walk < 3; ++walk) {
        std::vector<std::int64_t> looked_up(sum.looked_up().size(), hot);
        sum.begin(hot + 5, looked_up);
        sum.add("/cold", 6);  // one too many
        sum.add("/hot", ++hot);
        sum.end(hot + 5);
    }
    BOOST_TEST(sum.is_exact());
    BOOST_TEST(sum.low() == 1);
}

BOOST_AUTO_TEST_CASE(a_page_told_twice_counts_once)
{
    page_sum sum;
    sum.begin(3, {});
    sum.add("/a", 3);
    sum.add("/a", 3);
    sum.end(3);
    BOOST_TEST(sum.is_exact());
    BOOST_TEST(!sum.differs());
}

BOOST_AUTO_TEST_CASE(of_pages_that_all_grow_only_so_many_bytes_are_looked_up)
{
    page_sum sum;
    const std::string long_path(2000, 'q');
    for (std::int64_t walk = 1; walk <= 3; ++walk) {
        sum.begin(1000 * walk, std::vector<std::int64_t>(sum.looked_up().size(), walk));
        for (int i = 0; i < 1000; ++i)
            sum.add(long_path + std::to_string(i), walk);
        sum.end(1000 * walk);
    }
    std::size_t bytes = 0;
    for (const auto& path : sum.looked_up())
        bytes += path.size();
    BOOST_TEST(bytes > page_sum::most_looked_up_bytes / 2);
    BOOST_TEST(bytes <= page_sum::most_looked_up_bytes);
    BOOST_TEST(sum.is_exact());  // nothing grew within a walk
    BOOST_TEST(!sum.differs());
}

BOOST_AUTO_TEST_CASE(a_page_that_grows_is_looked_up_once)
{
    page_sum sum;
    for (std::int64_t walk = 1; walk <= 4; ++walk) {
        sum.begin(walk, std::vector<std::int64_t>(sum.looked_up().size(), walk));
        sum.add("/hot", walk);
        sum.add("/hot", walk);
        sum.end(walk);
    }
    BOOST_TEST(sum.looked_up().size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace page_sum_test
