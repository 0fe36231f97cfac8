// Lists of referrer spammers as operators write and download them.

#include "aggregator/fold/spam_list.hpp"

#include "core/config.hpp"
#include "tests/unit/support/temp_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>

namespace spam_list_test {

using namespace luot;
using namespace luot::aggregator;
using namespace luot::testing;

/// The error that a list is refused with; empty when it is taken.
std::string error_of(std::string_view text)
{
    try {
        (void)spam_list::parse(text, "spam.txt");
    } catch (const config_error& e) {
        return e.what();
    }
    return {};
}

BOOST_AUTO_TEST_SUITE(spam_lists)

BOOST_AUTO_TEST_CASE(a_host_means_itself_and_those_below_it_and_no_other)
{
    const auto list = spam_list::parse("spam.example.com\nsemalt.example\n", "spam.txt");
    BOOST_TEST(list.size() == 2U);
    for (const std::string_view referrer :
         {"spam.example.com/", "spam.example.com/a/b", "x.spam.example.com/", "a.b.semalt.example/",
          "semalt.example"})
        BOOST_TEST(list.names(referrer), referrer);
    for (const std::string_view referrer :
         {"", "/", "example.com/", "nospam.example.com/", "spam.example.com.vn/",
          "a.com/spam.example.com/", "example/", "com/", ".", "..", "spam.example.com."})
        BOOST_TEST(!list.names(referrer), referrer);
    BOOST_TEST(!spam_list().names("spam.example.com/"));
}

BOOST_AUTO_TEST_CASE(comments_blanks_and_spellings_make_no_difference)
{
    const auto list = spam_list::parse(
        "\xEF\xBB\xBF# known spammers\r\n\r\n  WWW.Spam.Example.com.  # seen in May\r\n"
        "\tthư-rác.vn\nspam.example.com\n#x.example\nxn--abc.example",
        "spam.txt");
    BOOST_TEST(list.size() == 3U);  // one is there twice
    BOOST_TEST(list.names("spam.example.com/"));
    BOOST_TEST(list.names(*canonical_host("thư-rác.vn") + '/'));
    BOOST_TEST(list.names("xn--abc.example/"));
    BOOST_TEST(!list.names("x.example/"));
    BOOST_TEST(spam_list::parse("", "spam.txt").size() == 0U);
    BOOST_TEST(spam_list::parse("\n\n#\n", "spam.txt").size() == 0U);
}

BOOST_AUTO_TEST_CASE(what_is_no_host_is_an_error_that_names_the_line_and_what_is_right)
{
    BOOST_TEST(error_of("a.example\n# b\nhttp://c.example/\n") ==
               "spam.txt:3: \"http://c.example/\" is no host; write one a line, such as "
               "\"spam.example.com\", without https:// and path");
    for (const std::string_view line :
         {"com", "c.example/path", "a.example b.example", "*.example.com", "a..example", "-",
          "a.example,", "\xFF.example", "a\x01.example"})
        BOOST_TEST(error_of(line).starts_with("spam.txt:1: "), line);
    BOOST_TEST(error_of("a\x01.example").find('\x01') == std::string::npos);
    BOOST_TEST(error_of(std::string(10'000, 'a')).size() < 300U);
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_read_or_is_too_large_is_an_error_that_names_it)
{
    const temp_dir dir;
    const auto error_of_file = [](const std::string& name) -> std::string {
        try {
            (void)spam_list::read(name);
        } catch (const config_error& e) {
            return e.what();
        }
        return {};
    };
    BOOST_TEST(error_of_file(dir.file("none")) ==
               dir.file("none") + ": cannot be read: No such file or directory");
    BOOST_TEST(error_of_file(dir.name()).starts_with(dir.name() + ": cannot be read: "));
    write_file(dir.file("large"), std::string((4 << 20) + 1, '\n'));
    BOOST_TEST(error_of_file(dir.file("large")) ==
               dir.file("large") + ": is larger than 4 MiB; is it a list of hosts?");
    write_file(dir.file("good"), "a.example\n");
    BOOST_TEST(spam_list::read(dir.file("good")).names("b.a.example/"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace spam_list_test
