// What Redis says is checked, never trusted: every accessor over every type of reply.

#include "core/redis/reply.hpp"

#include <boost/test/unit_test.hpp>

#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace reply_test {

using namespace luot::redis;

/// The replies in a piece of the Redis protocol.
replies parsed(const std::string& bytes)
{
    reply_parser parser;
    BOOST_TEST_REQUIRE(!parser.feed(bytes));
    replies all;
    for (;;) {
        auto one = parser.next();
        BOOST_TEST_REQUIRE(one.has_value());
        if (!*one)
            return all;
        all.add(std::move(*one));
    }
}

BOOST_AUTO_TEST_SUITE(redis_reply)

BOOST_AUTO_TEST_CASE(every_type_answers_something_harmless)
{
    const struct {
        std::string bytes, text;
        bool error, null, array;
        std::size_t size;
        std::int64_t count;
    } table[] = {{"+OK\r\n", "OK", false, false, false, 0, 0},
                 {"-ERR no\r\n", "ERR no", true, false, false, 0, 0},
                 {":42\r\n", "", false, false, false, 0, 42},
                 {":-1\r\n", "", false, false, false, 0, -1},
                 {"$2\r\n17\r\n", "17", false, false, false, 0, 17},
                 {"$3\r\n-17\r\n", "-17", false, false, false, 0, -17},
                 {"$3\r\n1.5\r\n", "1.5", false, false, false, 0, 0},
                 {"$0\r\n\r\n", "", false, false, false, 0, 0},
                 {"$-1\r\n", "", false, true, false, 0, 0},
                 {"*0\r\n", "", false, false, true, 0, 0},
                 {"*2\r\n:1\r\n$-1\r\n", "", false, false, true, 2, 0}};
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("bytes " << row.bytes)
        {
            const auto all = parsed(row.bytes);
            BOOST_TEST_REQUIRE(all.size() == 1U);
            const auto r = all[0];
            BOOST_TEST(r.text() == row.text);
            BOOST_TEST(r.is_error() == row.error);
            BOOST_TEST(r.is_null() == row.null);
            BOOST_TEST(r.is_array() == row.array);
            BOOST_TEST(r.size() == row.size);
            BOOST_TEST(r.count() == row.count);
            BOOST_TEST(r[row.size].is_null());
            BOOST_TEST(r[1000][7][3].is_null());
        }
    }
}

// Redis writes scores as texts, and absence is not zero where it matters.
BOOST_AUTO_TEST_CASE(a_number_is_a_whole_one_or_none)
{
    const auto all = parsed(
        "$16\r\n9007199254740992\r\n$19\r\n9223372036854775808\r\n$2\r\n1 \r\n$2\r\n+1\r\n"
        "$3\r\n1e3\r\n$0\r\n\r\n$-1\r\n+7\r\n-7\r\n:7\r\n");
    const std::optional<std::int64_t> wanted[] = {
        9'007'199'254'740'992, {}, {}, {}, {}, {}, {}, {}, {}, 7};
    BOOST_TEST_REQUIRE(all.size() == std::size(wanted));
    for (std::size_t i = 0; i < all.size(); ++i) {
        BOOST_TEST_CONTEXT("reply " << i)
        BOOST_TEST((all[i].number() == wanted[i]));
    }
}

BOOST_AUTO_TEST_CASE(texts_are_bytes)
{
    const std::string bytes("a\0\r\nb\xFF", 6);
    const auto all = parsed("$6\r\n" + bytes + "\r\n");
    BOOST_TEST(all[0].text() == bytes);
}

BOOST_AUTO_TEST_CASE(an_error_is_told_by_its_first_word)
{
    const auto all = parsed("-NOSCRIPT No matching script\r\n+NOSCRIPT\r\n");
    BOOST_TEST(all[0].is_error("NOSCRIPT"));
    BOOST_TEST(!all[0].is_error("ERR"));
    BOOST_TEST(!all[1].is_error("NOSCRIPT"));
}

BOOST_AUTO_TEST_CASE(the_first_error_of_a_pipeline_is_found)
{
    const auto all = parsed("+OK\r\n*1\r\n-inner\r\n-first\r\n-second\r\n");
    BOOST_TEST(all.first_error().text() == "first");
    BOOST_TEST(parsed("+OK\r\n").first_error().is_null());
    BOOST_TEST(parsed("").first_error().is_null());
    BOOST_TEST(all[4].is_null());  // beyond the last
    BOOST_TEST(reply_view{}.is_null());
    BOOST_TEST(reply_view{}.text() == "");
    BOOST_TEST(reply_view{}.size() == 0U);
}

BOOST_AUTO_TEST_CASE(replies_do_not_depend_on_how_their_bytes_are_cut)
{
    const std::string bytes = "*2\r\n$3\r\na\r\n\r\n:1\r\n+OK\r\n";
    reply_parser parser;
    replies all;
    for (const char c : bytes) {
        BOOST_TEST_REQUIRE(!parser.feed({&c, 1}));
        auto one = parser.next();
        BOOST_TEST_REQUIRE(one.has_value());
        if (*one)
            all.add(std::move(*one));
    }
    BOOST_TEST_REQUIRE(all.size() == 2U);
    BOOST_TEST(all[0][0].text() == "a\r\n");
    BOOST_TEST(all[0][1].count() == 1);
    BOOST_TEST(all[1].text() == "OK");
}

// hiredis takes room for all elements when it reads how many there will be: 13 bytes could ask for
// 16 GB.
BOOST_AUTO_TEST_CASE(an_array_that_is_announced_too_large_is_refused)
{
    for (const std::string announced : {"1048577", "2000000000", "2147483648", "-2"}) {
        BOOST_TEST_CONTEXT("elements " << announced)
        {
            reply_parser parser;
            BOOST_TEST(!parser.feed("*" + announced + "\r\n"));
            const auto one = parser.next();
            BOOST_TEST_REQUIRE(one.has_error());
            BOOST_TEST(one.error() == make_error_code(luot::errc::redis_protocol));
        }
    }
    reply_parser parser;
    BOOST_TEST(!parser.feed("*1048576\r\n:1\r\n"));
    const auto one = parser.next();
    BOOST_TEST_REQUIRE(one.has_value());
    BOOST_TEST(!*one);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace reply_test
