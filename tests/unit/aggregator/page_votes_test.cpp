// Titles and sections by the votes of readers: what most of the last 16 say.

#include "aggregator/fold/page_votes.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace page_votes_test {

using namespace luot::aggregator;

BOOST_AUTO_TEST_SUITE(votes_of_pages)

BOOST_AUTO_TEST_CASE(a_stranger_does_not_outvote_readers)
{
    page_votes v;
    for (std::uint32_t reader = 1; reader <= 9; ++reader)
        BOOST_TEST(v.add(reader, "Tin hay", "Tin tức"));
    std::vector<std::string> titles;
    for (int i = 0; i < 100; ++i)
        titles.push_back("Mua ngay " + std::to_string(i));
    for (const auto& title : titles)
        v.add(99, title, "Quảng cáo");
    BOOST_TEST(v.votes.size() == 10U);
    BOOST_TEST(v.title() == "Tin hay");
    BOOST_TEST(v.section() == "Tin tức");
}

BOOST_AUTO_TEST_CASE(a_new_title_is_believed_once_most_of_the_last_16_say_it)
{
    page_votes v;
    for (std::uint32_t reader = 1; reader <= 30; ++reader)
        v.add(reader, "before", "");
    BOOST_TEST(v.votes.size() == page_votes::most_votes);
    BOOST_TEST(v.is_settled_on("before", ""));
    BOOST_TEST(!v.is_settled_on("before", "x"));
    for (std::uint32_t reader = 31; reader <= 37; ++reader)
        v.add(reader, "after", "");
    BOOST_TEST(v.title() == "before");  // 9 of 16
    v.add(38, "after", "");
    BOOST_TEST(v.title() == "after");  // 8 of 16, and said last
}

BOOST_AUTO_TEST_CASE(who_says_nothing_votes_for_nothing)
{
    page_votes v;
    v.add(1, "", "Tin tức");
    v.add(2, "", "");
    v.add(3, "", "");
    v.add(4, "Tin hay", "");
    BOOST_TEST(v.title() == "Tin hay");
    BOOST_TEST(v.section() == "Tin tức");
    BOOST_TEST(!v.add(4, "Tin hay", ""));
    BOOST_TEST(v.add(1, "", "Tin tức"));  // its vote is the newest now
    BOOST_TEST(page_votes{}.title().empty());
}

// A page that nobody's browser says a title of has readers all the same; they cost no title.
BOOST_AUTO_TEST_CASE(who_says_nothing_is_a_reader_and_takes_no_vote_away)
{
    page_votes v;
    for (std::uint32_t reader = 1; reader <= 3; ++reader)
        BOOST_TEST(v.add(reader, "", ""));
    BOOST_TEST(!v.add(1, "", ""));
    BOOST_TEST(v.votes.size() == 3U);
    for (std::uint32_t reader = 4; reader <= 16; ++reader)
        BOOST_TEST(v.add(reader, "Tin hay", "Tin tức"));
    BOOST_TEST(!v.add(4, "", ""));   // has said more
    BOOST_TEST(!v.add(17, "", ""));  // there is no room
    // One who says something finds room at the cost of those who do not.
    for (std::uint32_t reader = 17; reader <= 19; ++reader)
        BOOST_TEST(v.add(reader, "Tin hay", "Tin tức"));
    BOOST_TEST(v.is_settled_on("Tin hay", "Tin tức"));
    BOOST_TEST(v.votes.front().voter == 4U);
}

// Who has read the page stays known, whatever is said: else a page with long titles would never
// have readers enough for a list.
BOOST_AUTO_TEST_CASE(long_titles_leave_all_readers_and_what_most_of_them_say)
{
    std::vector<std::string> titles;
    for (int i = 0; i < 16; ++i)
        titles.emplace_back(std::string(197, 'x') + std::to_string(100 + i));
    const std::string section(100, 's');
    page_votes v;
    for (std::uint32_t reader = 1; reader <= 7; ++reader)
        v.add(reader, titles[0], section);
    for (std::uint32_t reader = 8; reader <= 16; ++reader)
        v.add(reader, titles[reader - 1], section);
    const auto bytes = encode(v);
    BOOST_TEST(bytes.size() <= page_votes::most_bytes);
    const auto read = decode_votes(bytes);
    BOOST_TEST(read.votes.size() == page_votes::most_votes);
    BOOST_TEST(read.title() == titles[0]);
    BOOST_TEST(read.votes.back().title == titles[15]);
    BOOST_TEST(encode(read) == bytes);
}

BOOST_AUTO_TEST_CASE(votes_come_back_and_of_long_titles_fewer)
{
    page_votes v;
    v.first_seen = 18'834;
    for (std::uint32_t reader = 1; reader <= 16; ++reader)
        v.add(reader, reader % 2 ? "Tin hay" : "Tin khác", "Tin tức");
    const auto first = encode(v);
    auto read = decode_votes(first);
    BOOST_TEST((read.votes == v.votes));
    BOOST_TEST(read.first_seen == v.first_seen);

    std::vector<std::string> titles;
    for (std::uint32_t reader = 17; reader <= 32; ++reader)
        titles.emplace_back(300, static_cast<char>('a' + reader % 26));
    for (std::uint32_t reader = 17; reader <= 32; ++reader)
        v.add(reader, titles[reader - 17], "");
    const auto bytes = encode(v);
    BOOST_TEST(bytes.size() <= page_votes::most_bytes);
    read = decode_votes(bytes);
    BOOST_TEST_REQUIRE(read.votes.size() == page_votes::most_votes);
    for (std::size_t i = 0; i < read.votes.size(); ++i)
        BOOST_TEST(read.votes[i].says_nothing() == (i < 12U));
    BOOST_TEST(read.votes.back().voter == 32U);
    BOOST_TEST(read.votes.back().title.size() == page_votes::most_title_bytes);
    for (std::size_t length = 0; length < bytes.size(); ++length)
        BOOST_TEST(decode_votes(std::string_view(bytes).substr(0, length)).votes.size() <
                   page_votes::most_votes);
    BOOST_TEST(decode_votes("\x7F").votes.empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace page_votes_test
