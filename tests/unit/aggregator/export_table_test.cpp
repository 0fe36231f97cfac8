// The table of luot export: what is written of it, and what is read back.

#include "aggregator/export_table.hpp"

#include "tests/unit/support/hits.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace export_table_test {

using namespace luot;
using namespace luot::aggregator;
using namespace luot::testing;

const site_config& skhcn()
{
    static const site_config s = site_in("skhcn", "Asia/Ho_Chi_Minh");
    return s;
}

std::string exported(export_format format)
{
    export_text text{format};
    auto out = text.begin("skhcn", "2021-07-25", "2021-07-26");
    export_row site{export_kinds::total, "", "", 12, 5, 6, 2, 3, 4, 9, 61};
    out += text.row({export_kinds::total, "", "/a", 7});
    out += text.row({export_kinds::baseline, "", "/a", 400});
    out += text.row({export_kinds::total, "", "/tin-tức/\"b\",c", 4});
    out += text.row({export_kinds::total, "", "(other)", 1});
    out += text.row({export_kinds::baseline, "", "", 1000, 50});
    out += text.row(site);
    site.kind = export_kinds::day;
    site.date = "2021-07-26";
    out += text.row(site);
    out += text.row({export_kinds::day, "2021-07-26", "=1+1", 7});
    return out + text.end();
}

/// "/a=1; 10 views, 5 visits", or what is wrong.
std::string read(const std::string& text)
{
    try {
        const auto t = totals_of_export(text, "x", skhcn());
        std::string out;
        for (const auto& [path, views] : t.pages)
            out += path + '=' + std::to_string(views) + ' ';
        return out + std::to_string(t.views) + " views, " + std::to_string(t.visits) + " visits";
    } catch (const totals_error& e) {
        return e.what();
    }
}

BOOST_AUTO_TEST_SUITE(export_tables)

BOOST_AUTO_TEST_CASE(a_row_is_a_line_of_the_table)
{
    BOOST_TEST(exported(export_format::csv) ==
               "\xEF\xBB\xBFkind,date,path,views,visits,visitors,events,bots,bounces,reloads,"
               "visit_seconds\n"
               "total,,/a,7,,,,,,,\n"
               "baseline,,/a,400,,,,,,,\n"
               "total,,\"/tin-tức/\"\"b\"\",c\",4,,,,,,,\n"
               "total,,(other),1,,,,,,,\n"
               "baseline,,,1000,50,,,,,,\n"
               "total,,,12,5,6,2,3,4,9,61\n"
               "day,2021-07-26,,12,5,6,2,3,4,9,61\n"
               "day,2021-07-26,'=1+1,7,,,,,,,\n");
}

BOOST_AUTO_TEST_CASE(a_row_is_an_object_in_json)
{
    const auto text = exported(export_format::json);
    BOOST_TEST(
        text.starts_with("{\"site\":\"skhcn\",\"from\":\"2021-07-25\",\"to\":\"2021-07-26\","
                         "\"rows\":[\n{\"kind\":\"total\",\"path\":\"/a\",\"views\":7},\n"));
    BOOST_TEST(text.ends_with(
        "{\"kind\":\"day\",\"date\":\"2021-07-26\",\"path\":\"=1+1\",\"views\":7}\n]}\n"));
    export_text none{export_format::json};
    BOOST_TEST(none.begin("a", "b", "c") + none.end() ==
               "{\"site\":\"a\",\"from\":\"b\",\"to\":\"c\",\"rows\":[\n]}\n");
}

BOOST_AUTO_TEST_CASE(what_was_shown_of_all_time_is_read_back)
{
    for (const auto format : {export_format::csv, export_format::json}) {
        const auto text = exported(format);
        BOOST_TEST(is_export(text));
        BOOST_TEST(read(text) == "/a=407 /tin-tức/%22b%22,c=4 1012 views, 55 visits");
    }
    const std::string before = "kind,date,path,views,visits,visitors,events,bots\ntotal,,,5,1,,,\n";
    BOOST_TEST(is_export(before));  // of a version that had fewer columns
    BOOST_TEST(read(before) == "5 views, 1 visits");
    for (const auto* other : {"", "/a,1\n", "path,views\n/a,1\n", "kind\n", "[1]", "x"})
        BOOST_TEST(!is_export(other));
}

BOOST_AUTO_TEST_CASE(an_export_that_was_cut_or_changed_is_refused)
{
    const std::string heading = "kind,date,path,views,visits,visitors,events,bots\n";
    const struct {
        std::string text, wrong;
    } table[] = {
        {heading, "x: the site's row `total` is missing"},
        {heading + "total,,/a,1,,,,\n", "x: the site's row `total` is missing"},
        {heading + "total,,,5,1,,,\ntotal,,/a,6,,,,\n", "x: the site's row has fewer"},
        {heading + "total,,,5,6,,,\n", "x: the site's row has fewer"},
        {heading + "total,,,5,1,,,\ntotal,,,5,1,,,\n", "x:3: the site's row is there twice"},
        {heading + "total,,,5,1,,,\ntotally,,/a,1,,,,\n", "x:3: kind is"},
        {heading + "total,,,1.000,1,,,\n", "x:2: views and visits"},
        {heading + "total,,,5,1,,,\ntotal,,https://other.example/a,1,,,,\n", "x:3: the path"},
        {heading + "total,,,5,1,,,\n\"total,,/a,1\n", "x:3: a quote"},
        {"{\"rows\":[{\"kind\":\"total\",\"views\":1}", "x: this is JSON"},
        {"{\"row\":[]}", "x: this is JSON"},
        {"{\"rows\":[1]}", "x: row 1: "},
        {"{\"rows\":[{\"kind\":\"total\",\"views\":-1}]}", "x: row 1: views and visits"},
        {"{\"rows\":[{\"kind\":\"total\",\"views\":\"1\"}]}", "x: row 1: views and visits"},
    };
    for (const auto& row : table)
        BOOST_TEST_CONTEXT(row.text)
    BOOST_TEST(read(row.text).starts_with(row.wrong), read(row.text));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace export_table_test
