// Commands as bytes: an argument is an argument, whatever is in it.

#include "core/redis/pipeline.hpp"

#include <boost/test/unit_test.hpp>

#include <limits>
#include <string>

namespace pipeline_test {

using namespace luot::redis;
using namespace std::string_literals;

BOOST_AUTO_TEST_SUITE(redis_pipeline)

BOOST_AUTO_TEST_CASE(commands_are_written_in_the_redis_protocol)
{
    pipeline p;
    BOOST_TEST(p.size() == 0U);
    BOOST_TEST(p.bytes() == "");
    p.add("PING").add("HSET", std::string_view("key"), std::string("field"), 42);
    BOOST_TEST(p.size() == 2U);
    BOOST_TEST(p.bytes() ==
               "*1\r\n$4\r\nPING\r\n*4\r\n$4\r\nHSET\r\n$3\r\nkey\r\n$5\r\nfield\r\n$2\r\n42\r\n");
}

BOOST_AUTO_TEST_CASE(numbers_are_decimal)
{
    pipeline p;
    p.add("X", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::uint64_t>::max(),
          0);
    BOOST_TEST(p.bytes() ==
               "*4\r\n$1\r\nX\r\n$20\r\n-9223372036854775808\r\n$20\r\n18446744073709551615\r\n"
               "$1\r\n0\r\n");
}

// A path may hold anything that a client could send.
BOOST_AUTO_TEST_CASE(no_argument_can_become_a_command)
{
    for (const std::string& argument :
         {""s, "\r\n*1\r\n$8\r\nFLUSHALL\r\n"s, "a b"s, "%s%n%b"s, "\0\0"s, "\xFF\xFE"s,
          "\"quoted\""s, std::string(100'000, 'x')}) {
        BOOST_TEST_CONTEXT(argument.size() << " bytes")
        {
            pipeline p;
            p.add("SET", std::string_view("k"), argument);
            BOOST_TEST(p.size() == 1U);
            BOOST_TEST(p.bytes() == "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$" +
                                        std::to_string(argument.size()) + "\r\n" + argument +
                                        "\r\n");
        }
    }
}

BOOST_AUTO_TEST_CASE(a_command_is_put_together_piece_by_piece)
{
    command c{"ZADD"};
    c.add("k").add(1).add(std::string_view("a\0b", 3));
    BOOST_TEST(c.size() == 4U);
    pipeline p;
    p.add(c).add(c);  // and may be sent again
    BOOST_TEST(p.size() == 2U);
    const auto once = "*4\r\n$4\r\nZADD\r\n$1\r\nk\r\n$1\r\n1\r\n$3\r\na\0b\r\n"s;
    BOOST_TEST(p.bytes() == once + once);
}

// The test vector of FIPS 180; what redis-server itself says is asked in the client's tests.
BOOST_AUTO_TEST_CASE(a_script_is_known_by_its_sha1)
{
    const script abc{"abc"};
    BOOST_TEST(abc.sha1() == "a9993e364706816aba3e25717850c26c9cd0d89d");
    BOOST_TEST(abc.source() == "abc");
    BOOST_TEST(script{""}.sha1() == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    pipeline p;
    p.add(evaluate(abc, 2).add("k1").add("k2").add(7));
    BOOST_TEST(p.bytes() ==
               "*6\r\n$7\r\nEVALSHA\r\n$40\r\na9993e364706816aba3e25717850c26c9cd0d89d\r\n"
               "$1\r\n2\r\n$2\r\nk1\r\n$2\r\nk2\r\n$1\r\n7\r\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pipeline_test
