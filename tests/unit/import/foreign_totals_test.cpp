// What other counters export: what is taken of it, what is left out and said, what is refused.

#include "import/foreign_totals.hpp"

#include "core/csv.hpp"
#include "tests/unit/support/hits.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <sstream>
#include <string>

namespace foreign_totals_test {

using namespace luot;
using namespace luot::importer;
using namespace luot::testing;

const site_config& skhcn()
{
    static const site_config s = site_in("skhcn", "Asia/Ho_Chi_Minh");
    return s;
}

/// "/a=1 /b=2; 10 views, 5 visits; what was left out", or what is wrong and where.
std::string taken(std::string_view text, const foreign_options& options = {})
{
    csv_reader reader;
    reader.feed(text);
    reader.finish();
    csv_record row;
    std::unique_ptr<foreign_totals> table;
    while (reader.next(row) == csv_reader::outcome::record) {
        std::string wrong;
        if (table)
            wrong = table->take(row);
        else if (is_foreign(row.cells))
            table = open_foreign(row.cells, skhcn(), options, wrong);
        else
            wrong = "not foreign";
        if (!wrong.empty())
            return std::to_string(row.line) + ": " + wrong;
    }
    if (!table)
        return "nothing";
    const auto t = table->sum();
    std::string out;
    for (const auto& [path, views] : t.pages)
        out += (out.empty() ? "" : " ") + path + '=' + std::to_string(views);
    return out + "; " + std::to_string(t.views) + " views, " + std::to_string(t.visits) +
           " visits; " + table->left_out();
}

std::string data(const std::string& name)
{
    std::ifstream file(LUOT_SOURCE_DIR "/tests/data/" + name);
    std::stringstream out;
    out << file.rdbuf();
    return out.str();
}

const std::string heading = "2Path,Event,Bot,Session,FirstVisit\n";

BOOST_AUTO_TEST_SUITE(foreign_exports)

BOOST_AUTO_TEST_CASE(hits_of_goatcounter_are_summed_by_page)
{
    BOOST_TEST(taken(data("goatcounter-1.csv")) ==
               "/tin-tuc/bai-1.html=2; 2 views, 2 visits; 1 hits of bots left out");
    BOOST_TEST(taken(data("goatcounter-2.csv")) ==
               "/=1 /tin-tuc/bai-1.html=3 /tin-tuc/bai-2.html=1; 6 views, 3 visits; "
               "1 hits of bots left out, 1 events left out, "
               "1 views of no page of this site, counted for the site alone");
    foreign_options first;
    first.first_visits_only = true;
    BOOST_TEST(taken(data("goatcounter-2.csv"), first) ==
               "/=1 /tin-tuc/bai-1.html=2 /tin-tuc/bai-2.html=1; 5 views, 3 visits; "
               "1 hits of bots left out, 1 events left out, "
               "1 later hits of a session on the same page left out, "
               "1 views of no page of this site, counted for the site alone");
}

BOOST_AUTO_TEST_CASE(what_is_not_goatcounter_s_is_refused_with_its_line)
{
    BOOST_TEST(taken(heading) == "; 0 views, 0 visits; ");
    BOOST_TEST(taken(heading + "/a,false,0,s,true\n") == "/a=1; 1 views, 1 visits; ");
    BOOST_TEST(taken("3Path,Event,Bot,Session,FirstVisit\n").starts_with("1: GoatCounter's"));
    BOOST_TEST(taken("2Path,Event,Session,FirstVisit\n").starts_with("1: an export of"));
    BOOST_TEST(taken("Path,Event,Session,FirstVisit\n") == "1: not foreign");
    for (const auto* row : {"/a,false,0,s\n", "/a,false,0,s,true,x\n", "/a,maybe,0,s,true\n",
                            "/a,false,x,s,true\n", "/a,false,-1,s,true\n", "/a,false,0,s,\n"})
        BOOST_TEST(taken(heading + row).starts_with("2: "));
}

BOOST_AUTO_TEST_CASE(articles_with_hitstotal_are_taken_by_a_pattern_or_a_link)
{
    foreign_options options;
    options.url_pattern = "/{catalias}/{alias}-{id}.html";
    BOOST_TEST(taken(data("nukeviet.csv"), options) ==
               "/tin-tuc/hoi-nghi-so-ket-12.html=406 /tin-tuc/lop-hoc-ky-nang-so-15.html=2914 "
               "/van-hoa/thu-vien-tinh-17.html=0; 3320 views, 0 visits; ");
    BOOST_TEST(taken(data("nukeviet.tsv")) ==
               "/tin-tuc/hoi-nghi-so-ket-12.html=406 /tin-tuc/lop-hoc-ky-nang-so-15.html=2914; "
               "3320 views, 0 visits; ");
    options.url_pattern = "/{ALIAS}";
    BOOST_TEST(taken("Alias,HitsTotal\n\"50%? #1\",7\n", options) ==
               "/50%25%3F%20%231=7; 7 views, 0 visits; ");
}

BOOST_AUTO_TEST_CASE(articles_that_are_not_whole_are_refused_with_their_line)
{
    foreign_options options;
    BOOST_TEST(taken(data("nukeviet.csv")).starts_with("1: there is no column link"));
    for (const auto* pattern : {"/{nothing}", "/{alias", "/{}", "{alias}/{id"}) {
        options.url_pattern = pattern;
        BOOST_TEST(taken("alias,id,hitstotal\na,1,1\n", options).starts_with("1: the heading"));
    }
    options.url_pattern = "/{alias}";
    for (const auto* row :
         {"a,x\n", "a,\n", "a,-1\n", "a,1.000\n", "a\n", ",1\n", "a,1,2\n", "a,9007199254740993\n"})
        BOOST_TEST(taken(std::string("alias,hitstotal\n") + row, options).starts_with("2: "));
    BOOST_TEST(taken("alias,hitstotal\na,1\na/,2\n", options).starts_with("3: the address is"));
    BOOST_TEST(taken("link,hitstotal\nhttps://other.example/a,1\n").starts_with("2: the address"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace foreign_totals_test
