// Times as web servers write them.

#include "import/log_time.hpp"

#include "core/local_time.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>

namespace log_time_test {

using namespace luot::importer;

constexpr std::int64_t none = -1;

std::int64_t read(std::string_view text)
{
    time_reader fresh;
    std::int64_t ms = 0;
    return fresh.read(text, ms) ? ms : none;
}

BOOST_AUTO_TEST_SUITE(log_times)

BOOST_AUTO_TEST_CASE(every_form_is_the_same_moment)
{
    constexpr std::int64_t moment = 1'431'857'103'000;  // date -d 2015-05-17T10:05:03Z +%s
    for (const std::string_view text :
         {"17/May/2015:10:05:03 +0000", "17/May/2015:17:05:03 +0700", "17/May/2015:06:20:03 -0345",
          "[17/May/2015:10:05:03 +0000]", "2015-05-17T10:05:03Z", "2015-05-17 10:05:03Z",
          "2015-05-17T17:05:03+07:00", "2015-05-17T17:05:03+0700", "2015-05-17T10:05:03.000Z",
          "1431857103", "1431857103.000", "1431857103000", "1431857103000000",
          "1431857103000000000", "18/May/2015:00:05:03 +1400", "2015-05-16T22:05:03-12:00"})
        BOOST_TEST(read(text) == moment, text);
}

BOOST_AUTO_TEST_CASE(fractions_are_cut_to_milliseconds)
{
    BOOST_TEST(read("1431857103.1239") == 1'431'857'103'123);
    BOOST_TEST(read("1431857103.9") == 1'431'857'103'900);
    BOOST_TEST(read("1646861401.5241024") == 1'646'861'401'524);  // as Caddy writes ts
    BOOST_TEST(read("2015-05-17T10:05:03.04Z") == 1'431'857'103'040);
    BOOST_TEST(read("2015-05-17T10:05:03.999999999+00:00") == 1'431'857'103'999);
    BOOST_TEST(read("1431857103123.9") == 1'431'857'103'123);
}

BOOST_AUTO_TEST_CASE(dates_follow_the_calendar)
{
    BOOST_TEST(read("01/Jan/1970:00:00:00 +0000") == 0);
    BOOST_TEST(read("29/Feb/2024:00:00:00 +0000") == 1'709'164'800'000);
    BOOST_TEST(read("31/Dec/9999:23:59:59 +0000") == 253'402'300'799'000);
    // A leap second is the second after it.
    BOOST_TEST(read("31/Dec/2016:23:59:60 +0000") == read("01/Jan/2017:00:00:00 +0000"));
}

BOOST_AUTO_TEST_CASE(what_is_no_time_is_none)
{
    for (const std::string_view text : {"",
                                        "-",
                                        "17/May/2015:10:05:03",
                                        "17/May/2015:10:05:03 +000",
                                        "17/May/2015:10:05:03 0000",
                                        "17/May/2015:10:05:03 +00:00",
                                        "17/Mai/2015:10:05:03 +0000",
                                        "17/may/2015:10:05:03 +0000",
                                        "29/Feb/2023:00:00:00 +0000",
                                        "31/Apr/2015:00:00:00 +0000",
                                        "00/May/2015:00:00:00 +0000",
                                        "17/May/2015:24:00:00 +0000",
                                        "17/May/2015:10:60:00 +0000",
                                        "17/May/2015:10:05:61 +0000",
                                        "17/May/2015:10:05:03 +2400",
                                        "17/May/2015:10:05:03 +0060",
                                        "17-May-2015:10:05:03 +0000",
                                        "17/May/2015 10:05:03 +0000",
                                        "31/Dec/1969:23:59:59 +0000",
                                        "01/Jan/1970:00:00:00 +0700",
                                        " 7/May/2015:10:05:03 +0000",
                                        "2015-05-17T10:05:03",
                                        "2015-05-17",
                                        "2015-05-17T10:05Z",
                                        "2015-13-17T10:05:03Z",
                                        "2015-05-17T10:05:03.Z",
                                        "2015-05-17T10:05:03+7",
                                        "2015-05-17T10:05:03+07:0",
                                        "2015-05-17T10:05:03z",
                                        "20150517T100503Z    ",
                                        "-1",
                                        "+1",
                                        "1.",
                                        ".5",
                                        "1e9",
                                        "1431857103,5",
                                        "0x10",
                                        "12345678901234567890",
                                        "1431857103 "})
        BOOST_TEST(read(text) == none, text);
}

BOOST_AUTO_TEST_CASE(what_was_read_before_changes_nothing)
{
    const std::string_view texts[] = {
        "17/May/2015:10:05:03 +0000", "17/May/2015:10:05:04 +0000", "17/May/2015:10:05:04 +0700",
        "17/May/2015:23:59:59 -0700", "18/May/2015:00:00:00 -0700", "18/May/2015:00:00:61 -0700",
        "18/May/2015:00:00:00 -0700", "18/Mai/2015:00:00:00 -0700", "01/Jan/1970:00:00:00 +0100",
        "01/Jan/1970:01:00:00 +0100", "18/May/2015:0a:00:00 -0700", "2015-05-18T00:00:00-07:00"};
    time_reader used;
    for (const auto before : texts) {
        for (const auto text : texts) {
            std::int64_t ignored = 0, ms = 0;
            (void)used.read(before, ignored);
            BOOST_TEST((used.read(text, ms) ? ms : none) == read(text),
                       text << " after " << before);
        }
    }
}

BOOST_AUTO_TEST_CASE(every_day_of_two_centuries_is_read)
{
    time_reader used;
    constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    for (std::int32_t date = 0; date < 200 * 365; ++date) {
        const auto iso = luot::date_text(date);  // 2015-05-17, by another library
        const auto clf = iso.substr(8) + '/' +
                         std::string(months[std::stoul(iso.substr(5, 2)) - 1]) + '/' +
                         iso.substr(0, 4) + ":12:00:00 +0000";
        std::int64_t ms = none;
        BOOST_TEST_REQUIRE(used.read(clf, ms), clf);
        BOOST_TEST_REQUIRE(ms == (date * 24LL + 12) * 3'600'000, clf);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace log_time_test
