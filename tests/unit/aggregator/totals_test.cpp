// Starting totals from an earlier counter: what files are taken, and what becomes of a site's
// numbers while and after they are.

#include "aggregator/totals.hpp"

#include "core/keys.hpp"
#include "tests/unit/support/hits.hpp"
#include "tests/unit/support/redis_session.hpp"

#include <boost/test/unit_test.hpp>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace totals_test {

using namespace luot;
using namespace luot::aggregator;
using namespace luot::testing;

const site_config& skhcn()
{
    static const site_config s = site_in("skhcn", "Asia/Ho_Chi_Minh");
    return s;
}

totals parsed(std::string_view csv)
{
    return parse_totals(csv, "old.csv", skhcn());
}

/// "/a=1 /b=2; 10 views, 5 visits"
std::string text_of(const totals& t)
{
    std::string out;
    for (const auto& [path, views] : t.pages)
        out += (out.empty() ? "" : " ") + path + '=' + std::to_string(views);
    return out + "; " + std::to_string(t.views) + " views, " + std::to_string(t.visits) + " visits";
}

BOOST_AUTO_TEST_SUITE(files_of_totals)

BOOST_AUTO_TEST_CASE(a_file_is_read_however_it_was_saved)
{
    const std::string wanted = "/a=1 /b=2; 10 views, 5 visits";
    const struct {
        std::string what, csv;
    } table[] = {
        {"plain", "/a,1\n/b,2\n*,10,5\n"},
        {"no line break at the end", "/a,1\n/b,2\n*,10,5"},
        {"a heading", "path,views\n/a,1\n/b,2\n*,10,5\n"},
        {"a heading in Vietnamese", "Đường dẫn,Lượt xem,Lượt truy cập\n/a,1\n/b,2\n*,10,5\n"},
        {"a byte order mark", "\xEF\xBB\xBFpath,views\n/a,1\n/b,2\n*,10,5\n"},
        {"a byte order mark and no heading", "\xEF\xBB\xBF/a,1\n/b,2\n*,10,5\n"},
        {"semicolons", "path;views;visits\n/a;1\n/b;2\n*;10;5\n"},
        {"semicolons and no heading", "/a;1\n/b;2\n*;10;5\n"},
        {"CRLF", "path,views\r\n/a,1\r\n/b,2\r\n*,10,5\r\n"},
        {"quotes", "\"path\",\"views\"\n\"/a\",\"1\"\n\"/b\",2\n\"*\",\"10\",\"5\"\n"},
        {"spaces around cells", "/a , 1\n /b,\t2 \n* , 10 , 5 \n"},
        {"empty lines", "\n/a,1\n\n\n/b,2\n*,10,5\n\n"},
        {"the site's row first", "*,10,5\n/a,1\n/b,2\n"},
        {"empty cells at the end", "/a,1,,\n/b,2,,\n*,10,5,\n"},
        {"leading zeros", "/a,01\n/b,0002\n*,10,5\n"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.what)
        BOOST_TEST(text_of(parsed(row.csv)) == wanted);
    }
}

BOOST_AUTO_TEST_CASE(the_row_of_the_site_may_be_missing)
{
    BOOST_TEST(text_of(parsed("/a,1\n/b,2\n")) == "/a=1 /b=2; 3 views, 0 visits");
    BOOST_TEST(text_of(parsed("/a,1\n*,7,0\n")) == "/a=1; 7 views, 0 visits");
    // A counter that never knew its pages.
    BOOST_TEST(text_of(parsed("*,7,7\n")) == "; 7 views, 7 visits");
    BOOST_TEST(text_of(parsed("/a,3\n*,3,3\n")) == "/a=3; 3 views, 3 visits");
    BOOST_TEST(text_of(parsed("/a,0\n")) == "/a=0; 0 views, 0 visits");
}

// The same function as for hits: else the imported page and the counted one are two.
BOOST_AUTO_TEST_CASE(paths_are_normalised_as_those_of_hits)
{
    BOOST_TEST(
        text_of(parsed("https://skhcn.example.vn/tin-tuc/?utm_source=zalo#top,1\n"
                       "http://SKHCN.example.vn:80/b/index.html,2\n"
                       "//skhcn.example.vn/c,4\n"
                       "skhcn.example.vn/d,8\n"
                       "/e/../f//g/,16\n"
                       "\"/h?x=1,2&id=3\",32\n"
                       "\"/a \"\"quoted\"\" one\",64\n")) ==
        "/a%20%22quoted%22%20one=64 /b=2 /c=4 /d=8 /f/g=16 /h?id=3=32 /tin-tuc=1; 127 views, "
        "0 visits");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_right_is_refused_with_its_line)
{
    const struct {
        std::string what, csv, where;
    } table[] = {
        {"the site's row below the sum of its pages", "/a,6\n/b,5\n*,10,1\n", "old.csv:3: "},
        {"the same before its pages", "*,10,1\n/a,6\n/b,5\n", "old.csv:1: "},
        {"more visits than views", "/a,1\n*,10,11\n", "old.csv:2: "},
        {"a path twice", "/a,1\n/b,1\n/a,1\n", "old.csv:3: "},
        {"a path twice after normalising", "/a,1\n\n/a/index.html,1\n", "old.csv:3: "},
        {"a path and its full address", "/a,1\nhttps://skhcn.example.vn/a?utm_source=x,1\n",
         "old.csv:2: "},
        {"the site's row twice", "*,1,1\n/a,1\n*,1,1\n", "old.csv:3: "},
        {"the site's row without visits", "/a,1\n*,7\n", "old.csv:2: "},
        {"the site's row with an empty cell for visits", "/a,1\n*,7,\n", "old.csv:2: "},
        {"commas between thousands", "/a,1\n/b,1,000\n", "old.csv:2: "},
        {"commas between thousands of the site", "/a,1\n*,3,680,027,729\n", "old.csv:2: "},
        {"a comma in a path without quotes", "/a,1,6\n", "old.csv:1: "},
        {"another site's address", "/a,1\nhttps://other.example.com/b,1\n", "old.csv:2: "},
        {"no path", "/a,1\n,1\n", "old.csv:2: "},
        {"what is no address", "/a,1\nmailto:x@example.vn,1\n", "old.csv:2: "},
        {"broken UTF-8", "/a,1\n/\xC3,1\n", "old.csv:2: "},
        {"no number", "/a,1\n/b,many\n", "old.csv:2: "},
        {"no number in the first row, which is no heading", "/a,-1\n/b,1\n", "old.csv:1: "},
        {"a first row of too many views", "/a,9007199254740993\n", "old.csv:1: "},
        {"a first row for the site without a number", "*,all,5\n/a,1\n", "old.csv:1: "},
        {"a second heading", "path,views\npath,views\n", "old.csv:2: "},
        {"an empty number", "/a,1\n/b,\n", "old.csv:2: "},
        {"a negative number", "/a,1\n/b,-1\n", "old.csv:2: "},
        {"a sign", "/a,1\n/b,+1\n", "old.csv:2: "},
        {"a fraction", "/a,1\n/b,1.5\n", "old.csv:2: "},
        {"dots between thousands", "/a,1\n/b,3.680.027\n", "old.csv:2: "},
        {"a sum above 2^53", "/a,9007199254740992\n/b,1\n", "old.csv:2: "},
        {"2^53 + 1", "/a,1\n/b,9007199254740993\n", "old.csv:2: "},
        {"2^64 + 1", "/a,1\n/b,18446744073709551617\n", "old.csv:2: "},
        {"one cell", "/a,1\n/b\n", "old.csv:2: "},
        {"one cell only", "/a\n", "old.csv:1: "},
        {"another separator", "/a,1\n/b;2\n", "old.csv:2: "},
        {"visits that are no number", "/a,1\n*,10,all\n", "old.csv:2: "},
        {"negative visits", "/a,1\n*,10,-1\n", "old.csv:2: "},
        {"CRLF does not move the lines", "path,views\r\n\r\n/a,1\r\n/b,x\r\n", "old.csv:4: "},
        {"a file of nothing", "", "old.csv: "},
        {"a byte order mark alone", "\xEF\xBB\xBF", "old.csv: "},
        {"empty lines", "\n\r\n\n", "old.csv: "},
        {"a heading alone", "path,views\n", "old.csv: "},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.what)
        {
            std::string message = "(taken)";
            try {
                message += text_of(parsed(row.csv));
            } catch (const totals_error& e) {
                message = e.what();
            }
            BOOST_TEST(message.starts_with(row.where), message);
            BOOST_TEST(message.size() > row.where.size() + 10, message);
            BOOST_TEST(message.find('\n') == message.npos, message);
        }
    }
    BOOST_TEST(text_of(parsed("/a,9007199254740992\n")) ==
               "/a=9007199254740992; 9007199254740992 views, 0 visits");
}

BOOST_AUTO_TEST_CASE(whatever_is_in_a_file_it_is_read_or_refused)
{
    constexpr unsigned seed = 20'210'726;
    std::mt19937 random(seed);
    const std::string alphabet = ",;\"*/\r\n0123456789ab -\xC3\x80\xEF\xBB\xBF";
    std::size_t taken = 0;
    BOOST_TEST_CONTEXT("seed " << seed)
    {
        for (int i = 0; i < 20'000; ++i) {
            std::string csv = random() % 2 == 0 ? "/a,1\n" : "";
            for (unsigned n = random() % 24; n > 0; --n)
                csv += alphabet[random() % alphabet.size()];
            try {
                const auto t = parsed(csv);
                std::uint64_t sum = 0;
                for (const auto& [path, views] : t.pages)
                    sum += views;
                if (sum > t.views || t.visits > t.views)
                    BOOST_ERROR("adds up wrongly: " << csv);
                ++taken;
            } catch (const totals_error& e) {
                if (!std::string_view(e.what()).starts_with("old.csv:"))
                    BOOST_ERROR(e.what());
            }
        }
    }
    BOOST_TEST(taken > 300U);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(importing_totals,
                      *boost::unit_test::precondition(luot::testing::has_redis_server))

using pages = std::map<std::string, std::uint64_t>;
using rows = std::vector<std::pair<std::string, std::uint64_t>>;

class world : public redis_session {
public:
    world() : redis_session({&baseline_script()}) {}

    import_outcome import(const totals& t, std::uint32_t max_paths = 100'000)
    {
        return run(import_totals(client(), skhcn(), max_paths, t));
    }

    /// As apply.lua would: one view of a page, and of the site.
    void view(const std::string& path, std::int64_t times = 1)
    {
        redis::pipeline p;
        p.add("ZINCRBY", keys::pages("skhcn"), times, path);
        p.add("HINCRBY", keys::totals("skhcn"), std::string_view("views"), times);
        exec(p);
    }

    /// One step of an import, as import_totals makes it.
    std::string step(std::string_view what, const std::vector<std::string>& more)
    {
        auto c = redis::evaluate(baseline_script(), 3);
        for (const auto& key :
             {keys::pages("skhcn"), keys::baseline("skhcn"), keys::totals("skhcn")})
            c.add(std::string_view(key));
        c.add(what);
        for (const auto& word : more)
            c.add(std::string_view(word));
        const auto answers = exec(redis::pipeline{}.add(c));
        return answers[0].is_error() ? "error" : std::string(answers[0].text());
    }

    std::string step(const rows& some)
    {
        std::vector<std::string> words;
        for (const auto& [path, views] : some) {
            words.push_back(path);
            words.push_back(std::to_string(views));
        }
        return step("rows", words);
    }

    std::map<std::string, std::int64_t> scores(const std::string& key)
    {
        return pairs("ZRANGE", key, 0, -1, "WITHSCORES");
    }

    /// "pages /a=3; baseline /a=1; views=2 ..."
    std::string all()
    {
        const auto text = [](const std::map<std::string, std::int64_t>& m) {
            return luot::testing::text_of(fields{m.begin(), m.end()});
        };
        auto totals = pairs("HGETALL", keys::totals("skhcn"));
        totals.erase("edits");  // these tell of steps, not of counts
        totals.erase("imports");
        return "pages " + text(scores(keys::pages("skhcn"))) + "; baseline " +
               text(scores(keys::baseline("skhcn"))) + "; " + text(totals);
    }

    /// The shown number of a site is counted + baseline; its pages must not explain more than it.
    void check_sums()
    {
        std::int64_t pages = 0, imported = 0;
        for (const auto& [path, views] : scores(keys::pages("skhcn")))
            pages += views;
        for (const auto& [path, views] : scores(keys::baseline("skhcn")))
            imported += views;
        auto site = pairs("HGETALL", keys::totals("skhcn"));
        BOOST_TEST(pages - imported == site["views"]);
        BOOST_TEST(pages <= site["views"] + site["baseline_views"]);
    }
};

totals of(pages rows, std::uint64_t more = 0, std::uint64_t visits = 0)
{
    totals t;
    for (const auto& [path, views] : rows)
        t.views += views;
    t.pages = std::move(rows);
    t.views += more;
    t.visits = visits;
    return t;
}

BOOST_AUTO_TEST_CASE(an_import_is_added_to_what_is_counted)
{
    world redis;
    redis.view("/a", 3);
    redis.view("/live", 2);
    const auto done = redis.import(of({{"/a", 100}, {"/b", 50}, {"/none", 0}}, 30, 20));
    BOOST_TEST(done.pages == 3U);
    BOOST_TEST(done.changed == 2U);
    // A page that was never read is no page.
    BOOST_TEST(redis.all() ==
               "pages /a=103 /b=50 /live=2; baseline /a=100 /b=50; baseline_views=180 "
               "baseline_visits=20 views=5");
    redis.check_sums();
}

BOOST_AUTO_TEST_CASE(an_import_replaces_the_one_before)
{
    world redis;
    redis.view("/a", 3);
    redis.view("/gone-but-read", 4);
    redis.import(of({{"/a", 100}, {"/gone", 50}, {"/gone-but-read", 70}, {"/same", 5}}, 30, 20));
    const auto done = redis.import(of({{"/a", 90}, {"/new", 1}, {"/same", 5}}, 0, 7));
    BOOST_TEST(done.pages == 3U);
    BOOST_TEST(done.changed == 4U);
    BOOST_TEST(redis.all() ==
               "pages /a=93 /gone-but-read=4 /new=1 /same=5; baseline /a=90 /new=1 /same=5; "
               "baseline_views=96 baseline_visits=7 views=7");
    redis.check_sums();
    // Nothing is left of it when an empty one comes.
    redis.import(of({}));
    BOOST_TEST(redis.all() ==
               "pages /a=3 /gone-but-read=4; baseline ; baseline_views=0 baseline_visits=0 "
               "views=7");
}

BOOST_AUTO_TEST_CASE(twice_is_once)
{
    world redis;
    redis.view("/a", 3);
    const auto t = of({{"/a", 100}, {"/b", 50}}, 30, 20);
    redis.import(t);
    const auto once = redis.picture();
    const auto again = redis.import(t);
    BOOST_TEST(again.pages == 2U);
    BOOST_TEST(again.changed == 0U);
    BOOST_TEST(differing(once, redis.picture()) == "");
    // What has been counted since stays.
    redis.view("/b", 8);
    redis.import(t);
    BOOST_TEST(redis.scores(keys::pages("skhcn")).at("/b") == 58);
    redis.check_sums();
}

// More rows than one step (250), one read of what is there (1,000) and a look for new paths hold.
BOOST_AUTO_TEST_CASE(thousands_of_rows_are_imported_and_replaced)
{
    world redis;
    pages before, after;
    for (std::uint64_t i = 0; i < 2'600; ++i) {
        const auto path = "/bai-" + std::to_string(i);
        if (i < 2'100)
            before[path] = 5'000 - i;  // those that leave stand last
        if (i >= 300)
            after[path] = 3'000 - i;
        if (i % 10 == 0)
            redis.view(path);
    }
    BOOST_TEST(redis.import(of(before)).changed == 2'100U);
    redis.check_sums();
    redis.import(of(after, 5));
    redis.check_sums();
    const auto found = redis.scores(keys::pages("skhcn"));
    std::size_t wanted = after.size();
    for (std::uint64_t i = 0; i < 2'600; ++i) {
        const auto path = "/bai-" + std::to_string(i);
        const std::int64_t counted = i % 10 == 0 ? 1 : 0;
        const auto imported =
            after.contains(path) ? static_cast<std::int64_t>(after.at(path)) : std::int64_t{0};
        wanted += i < 300 && counted ? 1 : 0;
        const auto at = found.find(path);
        if ((at == found.end() ? 0 : at->second) != counted + imported)
            BOOST_ERROR(path);
    }
    BOOST_TEST(found.size() == wanted);
    BOOST_TEST(redis.scores(keys::baseline("skhcn")).size() == after.size());
}

// Rows of the new file, fewer views first: the order in which import_totals goes.
BOOST_AUTO_TEST_CASE(an_import_cut_off_anywhere_and_run_again_ends_the_same)
{
    const auto before = of({{"/a", 100}, {"/b", 50}, {"/c", 10}, {"/d", 1}}, 9, 40);
    const auto wanted = of({{"/a", 20}, {"/b", 60}, {"/d", 1}, {"/e", 7}}, 3, 30);
    const rows falling{{"/a", 20}, {"/c", 0}}, rising{{"/b", 60}, {"/e", 7}};
    std::string whole;
    const std::size_t all_steps = falling.size() + 1 + rising.size();
    for (std::size_t steps = 0; steps <= all_steps; ++steps) {
        BOOST_TEST_CONTEXT("cut off after " << steps << " of " << all_steps << " steps")
        {
            world redis;
            redis.view("/a", 2);
            redis.view("/c", 1);
            redis.import(before);
            for (std::size_t i = 0; i < steps; ++i) {
                std::string answer;
                if (i < falling.size())
                    answer = redis.step({falling[i]});
                else if (i == falling.size())
                    answer = redis.step("site", {std::to_string(wanted.views), "30"});
                else
                    answer = redis.step({rising[i - falling.size() - 1]});
                BOOST_TEST(answer == "ok");
                redis.check_sums();
                redis.view("/e");  // readers do not wait for it
                redis.check_sums();
            }
            for (std::size_t i = steps; i < all_steps; ++i)
                redis.view("/e");
            redis.import(wanted);
            redis.check_sums();
            if (whole.empty())
                whole = redis.all();
            BOOST_TEST(redis.all() == whole);
        }
    }
    BOOST_TEST(whole ==
               "pages /a=22 /b=60 /c=1 /d=1 /e=12; baseline /a=20 /b=60 /d=1 /e=7; "
               "baseline_views=91 baseline_visits=30 views=8");
}

// Readers look at any moment, also between two steps of an import.
BOOST_AUTO_TEST_CASE(at_no_step_do_pages_explain_more_than_the_site)
{
    world redis;
    redis.import(of({{"/a", 100}, {"/b", 50}}, 0, 10));
    // Views go from one page to another, the sum staying: rising first would be too much for a
    // while, and so would a site that falls before its pages.
    const struct {
        std::string what;
        totals next;
    } table[] = {
        {"from one page to another", of({{"/a", 10}, {"/b", 140}})},
        {"everything falls", of({{"/a", 1}, {"/b", 2}})},
        {"everything rises", of({{"/a", 500}, {"/b", 600}})},
        {"other pages", of({{"/c", 500}, {"/d", 600}})},
        {"nothing is left", of({})},
    };
    const auto before = redis.exec(
        redis::pipeline{}
            .add("CONFIG", std::string_view("SET"), std::string_view("slowlog-log-slower-than"), 0)
            .add("CONFIG", std::string_view("SET"), std::string_view("slowlog-max-len"), 1000));
    BOOST_TEST(before.first_error().is_null());
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.what)
        {
            // The steps that the import makes are told by Redis' slow log, and taken one by one.
            const auto present = redis.picture();
            redis.text("SLOWLOG", "RESET");
            redis.import(row.next);
            const auto log =
                redis.exec(redis::pipeline{}.add("SLOWLOG", std::string_view("GET"), 1000));
            std::vector<std::vector<std::string>> steps;
            for (std::size_t i = log[0].size(); i-- > 0;) {
                const auto words = log[0][i][3];
                if (words[0].text() != "EVALSHA")
                    continue;
                auto& step = steps.emplace_back();
                for (std::size_t w = 6; w < words.size(); ++w)
                    step.emplace_back(words[w].text());
            }
            BOOST_TEST_REQUIRE(!steps.empty());
            const auto end = redis.all();
            redis.text("FLUSHALL");
            for (const auto& [key, value] : present)
                redis.text("RESTORE", key, 0, value);
            for (const auto& step : steps) {
                BOOST_TEST(redis.step(step[0], {step.begin() + 1, step.end()}) == "ok");
                redis.check_sums();
            }
            BOOST_TEST(redis.all() == end);
        }
    }
}

BOOST_AUTO_TEST_CASE(an_import_beyond_max_paths_is_refused_and_changes_nothing)
{
    world redis;
    redis.view("/a");
    redis.view("/b");
    redis.import(of({{"/b", 5}, {"/c", 6}}));
    const auto before = redis.picture();
    const auto refused = [&](const totals& t, std::uint32_t max_paths) {
        try {
            redis.import(t, max_paths);
        } catch (const totals_error& e) {
            BOOST_TEST(std::string_view(e.what()).find("aggregator.max_paths = ") !=
                       std::string_view::npos);
            BOOST_TEST(differing(before, redis.picture()) == "");
            return true;
        }
        return false;
    };
    BOOST_TEST(refused(of({{"/b", 1}, {"/c", 6}, {"/d", 1}, {"/e", 1}}), 4));
    pages many;
    for (int i = 0; i < 1'000; ++i)
        many["/" + std::to_string(i)] = 1;
    BOOST_TEST(refused(of(many), 1'001));  // /a and /b stay, /c has only been imported
    // Those that are there already are not new, and those of no views are none.
    BOOST_TEST(!refused(of({{"/a", 1}, {"/b", 1}, {"/c", 6}, {"/d", 1}, {"/e", 0}}), 4));
    BOOST_TEST(redis.scores(keys::pages("skhcn")).size() == 4U);
    // All others in their place.
    BOOST_TEST(!refused(of({{"/x", 1}, {"/y", 1}}), 4));
    redis.check_sums();
}

BOOST_AUTO_TEST_CASE(a_step_that_makes_no_sense_or_finds_a_wrong_type_changes_nothing)
{
    const std::vector<std::vector<std::string>> nonsense{
        {"/a", "1", "/b", "many"}, {"/a", "1", "/b"}, {"/a", "1", "/b", "-1"}};
    world redis;
    redis.import(of({{"/a", 5}}));
    const auto before = redis.picture();
    for (const auto& words : nonsense)
        BOOST_TEST(redis.step("rows", words) == "error");
    BOOST_TEST(redis.step("site", {"10", "some"}) == "error");
    BOOST_TEST(redis.step("site", {"-10", "1"}) == "error");
    BOOST_TEST(differing(before, redis.picture()) == "");
    for (const auto& key : {keys::pages("skhcn"), keys::baseline("skhcn"), keys::totals("skhcn")}) {
        BOOST_TEST_CONTEXT(key)
        {
            redis.text("FLUSHALL");
            redis.import(of({{"/a", 5}}));
            redis.text("DEL", key);
            redis.text("RPUSH", key, "another program's");
            const auto damaged = redis.picture();
            BOOST_TEST(redis.step({{"/a", 1}, {"/b", 2}}) == "error");
            BOOST_TEST(redis.step("site", {"10", "1"}) == "error");
            BOOST_CHECK_THROW(redis.import(of({{"/b", 2}})), totals_error);
            BOOST_TEST(differing(damaged, redis.picture()) == "");
        }
    }
}

// Redis does not roll a script back, and a step that is done again changes only what it must: what
// stopped half-way would stay.
BOOST_AUTO_TEST_CASE(a_user_that_may_not_do_all_of_a_step_does_nothing)
{
    for (const std::string forbidden : {"-zadd", "-zincrby", "-zrem", "-hset", "-hincrby"}) {
        BOOST_TEST_CONTEXT(forbidden)
        {
            world redis;
            redis.import(of({{"/a", 5}, {"/gone", 2}}));
            const auto before = redis.picture();
            redis.text("ACL", "SETUSER", "default", forbidden);
            BOOST_CHECK_EXCEPTION(
                redis.import(of({{"/a", 7}, {"/b", 2}})), totals_error, [&](const auto& e) {
                    return std::string_view(e.what()).find("NOPERM") != std::string_view::npos;
                });
            BOOST_TEST(differing(before, redis.picture()) == "");
            redis.text("ACL", "SETUSER", "default", "+@all");
            redis.import(of({{"/a", 7}, {"/b", 2}}));
            BOOST_TEST(redis.all() ==
                       "pages /a=7 /b=2; baseline /a=7 /b=2; baseline_views=9 baseline_visits=0");
        }
    }
}

BOOST_AUTO_TEST_CASE(a_number_of_edits_that_is_none_stops_a_step_before_it_begins)
{
    for (const std::string damaged : {"many", "", "1.5", "01", "9223372036854775807"}) {
        BOOST_TEST_CONTEXT(damaged)
        {
            world redis;
            redis.import(of({{"/a", 5}}));
            redis.text("HSET", keys::totals("skhcn"), "edits", damaged);
            const auto before = redis.picture();
            BOOST_TEST(redis.step({{"/a", 1}, {"/b", 2}}) == "error");
            BOOST_TEST(redis.step("site", {"10", "1"}) == "error");
            BOOST_TEST(differing(before, redis.picture()) == "");
        }
    }
}

BOOST_AUTO_TEST_CASE(without_redis_an_import_says_so)
{
    world redis;
    redis.server().stop();
    redis.run_until([&] { return !redis.client().is_connected(); });
    try {
        redis.import(of({{"/a", 1}}));
        BOOST_ERROR("imported into nothing");
    } catch (const totals_error& e) {
        BOOST_TEST(std::string_view(e.what()).starts_with("Redis: "), e.what());
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace totals_test
