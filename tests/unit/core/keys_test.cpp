// The names of keys: what operators see, backups hold and a cluster places.

#include "core/keys.hpp"

#include "core/hit.hpp"

#include <boost/test/unit_test.hpp>
#include <fmt/format.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace keys_test {

using namespace luot;

constexpr std::int32_t date = 18'834;  // 2021-07-26

std::string tag_of(const std::string& key)
{
    const auto open = key.find('{');
    const auto close = key.find('}', open);
    return open == std::string::npos || close == std::string::npos
               ? std::string{}
               : key.substr(open + 1, close - open - 1);
}

BOOST_AUTO_TEST_SUITE(redis_keys)

BOOST_AUTO_TEST_CASE(names_are_those_of_version_1)
{
    BOOST_TEST(keys::format == 1U);
    BOOST_TEST(keys::format_key == "luot:format");
    BOOST_TEST(keys::salts_key == "luot:salts");
    BOOST_TEST(keys::hits(3) == "luot:{p03}:hits");
    BOOST_TEST(keys::rejected(15) == "luot:{p15}:rejected");
    BOOST_TEST(keys::producers(0) == "luot:{p00}:producers");
    BOOST_TEST(keys::lease(7) == "luot:{p07}:lease");
    BOOST_TEST(keys::id_sets(7) == "luot:{p07}:ids");
    BOOST_TEST(keys::id_set(7, 2'712'147) == "luot:{p07}:ids:2712147");
    const auto p = fmt::format("luot:{{p{:02}}}:skhcn:", partition_of("skhcn"));
    BOOST_TEST(keys::totals("skhcn") == p + "totals");
    BOOST_TEST(keys::pages("skhcn") == p + "pages");
    BOOST_TEST(keys::baseline("skhcn") == p + "baseline");
    BOOST_TEST(keys::seen("skhcn") == p + "seen");
    BOOST_TEST(keys::any_seen == "luot:{p*}:*:seen");
    BOOST_TEST(keys::day("skhcn", date) == p + "day:2021-07-26");
    BOOST_TEST(keys::day_visitors("skhcn", date) == p + "day:2021-07-26:visitors");
    BOOST_TEST(keys::day_first_seen("skhcn", date) == p + "day:2021-07-26:first_seen");
    BOOST_TEST(keys::new_paths("skhcn", 452'024) == p + "new_paths:452024");
    BOOST_TEST(keys::month("skhcn", date) == p + "month:2021-07");
    BOOST_TEST(keys::day_breakdown("skhcn", date, breakdown::referrer) ==
               p + "day:2021-07-26:referrers");
    BOOST_TEST(keys::month_breakdown("skhcn", date, breakdown::path) == p + "month:2021-07:pages");
    BOOST_TEST(keys::corrections("skhcn") == p + "corrections");
    BOOST_TEST(keys::aliases("skhcn") == p + "aliases");
    BOOST_TEST(keys::hidden("skhcn") == p + "hidden");
    BOOST_TEST(keys::taken("skhcn", 12) == p + "corrections:12");
    BOOST_TEST(keys::kept("skhcn", 12, keys::day("skhcn", date)) ==
               p + "corrections:12:day:2021-07-26");
}

BOOST_AUTO_TEST_CASE(what_a_correction_has_kept_is_known_by_the_key_it_was)
{
    const auto taken = keys::parse(keys::taken("skhcn", 12));
    BOOST_TEST((taken.what == keys::kind::taken));
    BOOST_TEST(taken.correction == 12U);
    BOOST_TEST(taken.site == "skhcn");
    const auto kept =
        keys::parse(keys::kept("skhcn", 3, keys::day_breakdown("skhcn", date, breakdown::entry)));
    BOOST_TEST((kept.what == keys::kind::kept));
    BOOST_TEST((kept.was == keys::kind::day_breakdown));
    BOOST_TEST(kept.correction == 3U);
    const auto log = keys::corrections("skhcn");
    for (const auto* rest : {":", ":0", ":03", ":x", ":1:", ":1:none", ":1:corrections:2"})
        BOOST_TEST((keys::parse(log + rest).what == keys::kind::unknown), rest);
}

BOOST_AUTO_TEST_CASE(names_are_taken_apart_as_they_were_made)
{
    const std::vector<std::pair<std::string, keys::kind>> made{
        {"luot:format", keys::kind::format},
        {"luot:salts", keys::kind::salts},
        {keys::hits(3), keys::kind::hits},
        {keys::rejected(15), keys::kind::rejected},
        {keys::producers(0), keys::kind::producers},
        {keys::lease(7), keys::kind::lease},
        {keys::tallies(7), keys::kind::tallies},
        {keys::rows_wanted(7), keys::kind::rows_wanted},
        {keys::id_sets(7), keys::kind::id_sets},
        {keys::id_set(7, 2'712'147), keys::kind::id_set},
        {keys::totals("ids"), keys::kind::totals},
        {keys::pages("skhcn"), keys::kind::pages},
        {keys::baseline("skhcn"), keys::kind::baseline},
        {keys::seen("skhcn"), keys::kind::seen},
        {keys::day("skhcn", date), keys::kind::day},
        {keys::day_visitors("skhcn", date), keys::kind::day_visitors},
        {keys::day_first_seen("skhcn", date), keys::kind::day_first_seen},
        {keys::path_visitors("skhcn", date), keys::kind::path_visitors},
        {keys::visitors_of_path("skhcn", date, 0x1f), keys::kind::visitors_of_path},
        {keys::new_paths("skhcn", 452'024), keys::kind::new_paths},
        {std::string(keys::aggregators_key), keys::kind::aggregators},
        {keys::day_breakdown("skhcn", date, breakdown::os), keys::kind::day_breakdown},
        {keys::month("skhcn", date), keys::kind::month},
        {keys::month_breakdown("skhcn", date, breakdown::event), keys::kind::month_breakdown}};
    for (const auto& [name, what] : made)
        BOOST_TEST((keys::parse(name).what == what), name);
    BOOST_TEST(keys::parse(keys::id_set(7, 2'712'147)).partition == 7U);
    BOOST_TEST(keys::parse(keys::id_set(7, 2'712'147)).ten_minutes == 2'712'147);
    BOOST_TEST(keys::parse(keys::day("skhcn", date)).site == "skhcn");
    BOOST_TEST(keys::parse(keys::day("skhcn", date)).date == date);
    BOOST_TEST(keys::parse(keys::month("skhcn", date)).date == date - 25);
    BOOST_TEST(keys::parse(keys::new_paths("skhcn", 452'024)).hour == 452'024);
    for (const auto& b : breakdown_names) {
        const auto of_day = keys::parse(keys::day_breakdown("skhcn", date, b.what)),
                   of_month = keys::parse(keys::month_breakdown("skhcn", date, b.what));
        BOOST_TEST((of_day.by == b.what && of_month.by == b.what));
        BOOST_TEST(of_day.date == date);
        BOOST_TEST(of_month.date == date - 25);
    }
}

BOOST_AUTO_TEST_CASE(other_names_are_not_known)
{
    const auto other = (partition_of("skhcn") + 1) % partitions;
    for (const std::string& name :
         {std::string("luot:"),
          std::string("luot:{p16}:hits"),
          std::string("luot:{p3}:hits"),
          std::string("luot:{p03}:hit"),
          std::string("luot:{p03}:ids:"),
          std::string("luot:{p03}:ids:007"),
          std::string("luot:{p03}:ids:x"),
          std::string("luot:(p03):hits"),
          std::string("luot:{p03}hits"),
          std::string("luot:{p03}"),
          std::string("luot:{p03}::totals"),
          fmt::format("luot:{{p{:02}}}:skhcn:totals", other),
          keys::totals("skhcn") + ":x",
          keys::day("skhcn", date) + ":page",
          keys::day("skhcn", date) + "pages",
          keys::month("skhcn", date) + ":",
          keys::month("skhcn", date) + "-01",
          keys::new_paths("skhcn", 7) + ":x",
          fmt::format("luot:{{p{:02}}}:skhcn:new_paths:007", partition_of("skhcn")),
          fmt::format("luot:{{p{:02}}}:skhcn:day:2021-02-30", partition_of("skhcn"))})
        BOOST_TEST((keys::parse(name).what == keys::kind::unknown), name);
}

// A script may touch only keys of one node: all keys of a partition share the tag.
BOOST_AUTO_TEST_CASE(keys_of_a_site_lie_with_its_partition)
{
    for (const std::string site : {"skhcn", "blog", "a", "hits", "ids", "producers"}) {
        const auto partition = partition_of(site);
        const auto tag = tag_of(keys::hits(partition));
        BOOST_TEST_CONTEXT("site " << site)
        {
            BOOST_TEST(tag == fmt::format("p{:02}", partition));
            for (const auto& key :
                 {keys::totals(site), keys::pages(site), keys::baseline(site), keys::seen(site),
                  keys::day(site, date), keys::day_visitors(site, date), keys::month(site, date),
                  keys::day_first_seen(site, date), keys::new_paths(site, 7),
                  keys::producers(partition), keys::lease(partition), keys::id_sets(partition),
                  keys::id_set(partition, 1), keys::rejected(partition)}) {
                BOOST_TEST(tag_of(key) == tag);
                BOOST_TEST(key.starts_with("luot:"));
            }
        }
    }
}

// Nobody checks what a site is called: "ids" and "hits" are good names for one.
BOOST_AUTO_TEST_CASE(no_site_has_a_key_that_is_another_ones)
{
    std::set<std::string> seen;
    const auto add = [&seen](const std::string& key) {
        BOOST_TEST_CONTEXT("key " << key)
        BOOST_TEST(seen.insert(key).second);
    };
    for (unsigned p = 0; p < partitions; ++p) {
        for (const auto& key : {keys::hits(p), keys::rejected(p), keys::producers(p),
                                keys::lease(p), keys::id_sets(p)})
            add(key);
        for (std::int64_t t = 2'712'140; t < 2'712'150; ++t)
            add(keys::id_set(p, t));
    }
    for (const std::string site : {"hits", "rejected", "producers", "lease", "ids", "totals",
                                   "pages", "day", "month", "p07", "skhcn", "skhcn-2", "2712147"}) {
        for (const auto& key :
             {keys::totals(site), keys::pages(site), keys::baseline(site), keys::seen(site)})
            add(key);
        for (auto d = date; d < date + 3; ++d) {
            add(keys::day(site, d));
            add(keys::day_visitors(site, d));
            add(keys::day_first_seen(site, d));
            add(keys::new_paths(site, d));
        }
        add(keys::month(site, date));
        BOOST_TEST(keys::month(site, date) == keys::month(site, date + 5));
        add(keys::month(site, date + 6));
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace keys_test
