// Tokens: what a client may hand back to us.

#include "core/token.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace token_test {

using namespace luot;

std::string written(const hit_token& token)
{
    std::string out;
    append(out, token);
    return out;
}

BOOST_AUTO_TEST_SUITE(tokens)

BOOST_AUTO_TEST_CASE(a_token_is_read_as_it_was_written)
{
    const struct {
        hit_token token;
        std::string text;
    } table[] = {{{0x0123456789ABCDEF, 7, 42}, "0123456789abcdef.07.42"},
                 {{0, 0, 1}, "0000000000000000.00.1"},
                 {{~0ULL, 15, 9'007'199'254'740'992ULL}, "ffffffffffffffff.15.9007199254740992"}};
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("token " << row.text)
        {
            BOOST_TEST(written(row.token) == row.text);
            const auto back = parse_token(row.text);
            BOOST_TEST_REQUIRE(back.has_value());
            BOOST_TEST(back->producer == row.token.producer);
            BOOST_TEST(back->partition == row.token.partition);
            BOOST_TEST(back->offset == row.token.offset);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_token_is_appended)
{
    std::string out = "token ";
    append(out, {1, 2, 3});
    BOOST_TEST(out == "token 0000000000000001.02.3");
}

BOOST_AUTO_TEST_CASE(what_is_not_exactly_a_token_is_none)
{
    for (const std::string text : {"",
                                   ".",
                                   "..",
                                   "0123456789abcdef",
                                   "0123456789abcdef.07",
                                   "0123456789abcdef.07.",
                                   "0123456789abcdef.07.0",  // offsets begin at 1
                                   "0123456789abcdef.16.1",  // there are 16 partitions
                                   "0123456789abcdef.99.1",
                                   "0123456789abcdef.7.42",
                                   "0123456789abcdef.007.42",
                                   "0123456789abcdef.+7.42",
                                   "0123456789abcdef.-1.42",
                                   "0123456789abcdef. 7.42",
                                   "0123456789ABCDEF.07.42",
                                   "0123456789abcdeg.07.42",
                                   "0123456789abcde.07.42",
                                   "0123456789abcdef0.07.42",
                                   "0123456789abcdef.07.-1",
                                   "0123456789abcdef.07.+1",
                                   "0123456789abcdef.07.1 ",
                                   " 0123456789abcdef.07.1",
                                   "0123456789abcdef.07.1.1",
                                   "0123456789abcdef,07,42",
                                   "0123456789abcdef.07,42",
                                   "0123456789abcdef.07.0x1",
                                   "0123456789abcdef.07.1e3",
                                   "0123456789abcdef.07.9007199254740993",
                                   "0123456789abcdef.07.99999999999999999999",
                                   "0123456789abcdef.07.4\n"}) {
        BOOST_TEST_CONTEXT("text \"" << text << '"')
        BOOST_TEST(!parse_token(text).has_value());
    }
    BOOST_TEST(!parse_token(std::string_view("0123456789abcdef.07.4\0", 22)).has_value());
}

BOOST_AUTO_TEST_CASE(a_token_cut_anywhere_names_no_other_log)
{
    const std::string whole = "0123456789abcdef.07.42";
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
        BOOST_TEST_CONTEXT("cut at " << cut)
        {
            const auto token = parse_token(std::string_view(whole).substr(0, cut));
            if (token) {
                BOOST_TEST(token->producer == 0x0123456789ABCDEFULL);
                BOOST_TEST(token->partition == 7U);
                BOOST_TEST(token->offset == 4U);
            }
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace token_test
