// What a line of the log may hold: no value can forge a line, a field or what a terminal does.

#include "core/log.hpp"

#include "core/utf8.hpp"

#include <boost/json/parse.hpp>
#include <boost/test/unit_test.hpp>

#include <random>
#include <string>

namespace log_test {

using namespace luot;
using namespace std::string_literals;

BOOST_AUTO_TEST_SUITE(log_line)

BOOST_AUTO_TEST_CASE(a_text_stays_on_its_line_and_between_its_quotes)
{
    const struct {
        std::string text, quoted;
    } table[] = {{"", R"("")"},
                 {"tin tức", R"("tin tức")"},
                 {"a\"b\\c", R"("a\"b\\c")"},
                 {"a\r\nb\tc\0d"s, R"("a\u000d\u000ab\u0009c\u0000d")"},
                 {"\x1b[31m\x7f", R"("\u001b[31m\u007f")"},
                 {"\xC2\x9B"
                  "31m \xC2\x85 \xE2\x80\xA8\xE2\x80\xA9",
                  R"("\u009b31m \u0085 \u2028\u2029")"},
                 {"\xFF\xC3", R"("\ufffd\ufffd")"}};
    for (const auto& row : table)
        BOOST_TEST(log::quoted(row.text) == row.quoted);
}

BOOST_AUTO_TEST_CASE(any_bytes_make_a_json_string_that_can_be_printed)
{
    constexpr unsigned seed = 77;
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    for (int i = 0; i < 2000; ++i) {
        std::string text(random() % 40, '\0');
        for (auto& c : text)
            c = static_cast<char>(random());
        const auto quoted = log::quoted(text);
        boost::system::error_code error;
        (void)boost::json::parse(quoted, error);
        BOOST_TEST(!error);
        BOOST_TEST(utf8::one_line(quoted) == quoted);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace log_test
