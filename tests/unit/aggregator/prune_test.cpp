// `luot prune`: what goes, what stays, and that nothing is lost whatever happens meanwhile.

#include "aggregator/prune.hpp"

#include "aggregator/apply.hpp"
#include "aggregator/lookup.hpp"
#include "core/keys.hpp"
#include "tests/unit/support/hits.hpp"
#include "tests/unit/support/redis_session.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <vector>

namespace prune_test {

using namespace luot;
using namespace luot::aggregator;
using namespace luot::testing;

const std::int32_t today = days(2021, 7, 26);
constexpr std::int64_t noon = 5 * hour;  // UTC: 12:00 in Vietnam
const unsigned partition = partition_of("skhcn");

const site_table& sites()
{
    static const auto table = [] {
        auto site = site_in("skhcn", "Asia/Ho_Chi_Minh");
        site.max_new_paths_per_day = 10'000;
        return sites_of({site});
    }();
    return table;
}

const site_table::site& skhcn()
{
    return *sites().find("skhcn");
}

class world : public redis_session {
public:
    world() : redis_session({&known_script(), &apply_script(), &prune_script()}) {}

    /// Views of these pages on a day, through lookup, fold and apply.lua, as a worker does it that
    /// remembers what `memory` holds. Answers what apply.lua does.
    std::string view(std::int32_t date, const std::vector<std::string>& paths)
    {
        return apply(looked_up(date, paths));
    }

    struct batch {
        std::vector<entry> entries;
        additions added;
        apply_options options;
        id_sets sets;
    };

    batch looked_up(std::int32_t date, const std::vector<std::string>& paths)
    {
        std::vector<hit> hits;
        for (const auto& path : paths)
            hits.push_back(view_of(skhcn(), 1, date * day + noon, path));
        last += hits.size();
        batch b{{entry_of("00000000000000aa", last, hits, date * day + noon)}, {}, {}, {}};
        b.entries[0].id = std::to_string(++entries) + "-1";
        exec(redis::pipeline{}.add("XADD", keys::hits(partition), b.entries[0].id,
                                   std::string_view("h"), encoded(hits)));
        memory.make_room();
        lookup l{partition, ask_for(b.entries, 1, sites(), &memory), {}, memory};
        redis::pipeline asking;
        l.add_to(asking);
        BOOST_TEST_REQUIRE((l.read(exec(asking), 0) == lookup::outcome::known));
        b.added = fold(b.entries, 1, l.known(), sites(), all_classes());
        b.options.tip = memory.tip();
        b.sets = l.sets();
        return b;
    }

    std::string apply(const batch& b)
    {
        const auto answer = text(apply_command(partition, b.entries, 1, b.added, b.options));
        if (answer == "ok")
            memory.applied(b.entries[0].id, b.added, b.sets);
        else
            memory.forget_state();
        return answer;
    }

    prune_outcome prune(std::uint64_t views_below, std::int32_t older_days, bool is_dry_run = false)
    {
        return run(aggregator::prune(client(), *skhcn().settings,
                                     {views_below, older_days, today, is_dry_run}));
    }

    std::map<std::string, std::int64_t> pages()
    {
        return pairs("ZRANGE", keys::pages("skhcn"), 0, -1, "WITHSCORES");
    }

    std::int64_t new_paths(std::int32_t date)
    {
        return exec(redis::pipeline{}.add("HGET", keys::day("skhcn", date),
                                          std::string_view("new_paths")))[0]
            .count();
    }

    void check_sums()
    {
        const auto all = pages();
        const auto sum = std::accumulate(all.begin(), all.end(), std::int64_t{0},
                                         [](auto n, const auto& page) { return n + page.second; });
        BOOST_TEST(sum == number("HGET", keys::totals("skhcn"), "views"));
    }

    partition_memory memory;
    std::uint64_t last = 0, entries = 0;
};

std::string shown(const std::map<std::string, std::int64_t>& pages)
{
    return text_of({pages.begin(), pages.end()});
}

BOOST_AUTO_TEST_SUITE(pruning_paths)

BOOST_AUTO_TEST_CASE(what_is_old_and_hardly_read_goes_and_its_views_to_other)
{
    world redis;
    redis.view(today - 31, {"/old", "/old", "/read", "/read", "/read"});
    redis.view(today - 30, {"/younger"});
    redis.view(today, {"/new", "/read"});
    const auto before = redis.picture();
    const auto would = redis.prune(3, 30, true);
    BOOST_TEST(differing(before, redis.picture()) == "");
    BOOST_TEST(would.pruned == 1U);
    BOOST_TEST(would.views == 2U);

    const auto done = redis.prune(3, 30);
    BOOST_TEST(done.paths == 4U);
    BOOST_TEST(done.pruned == 1U);
    BOOST_TEST(done.views == 2U);
    BOOST_TEST(shown(redis.pages()) == "(other)=2 /new=1 /read=4 /younger=1");
    redis.check_sums();
    // Nothing else: pages and what is known of them, the tip, that pages were changed, and the list
    // of that day, which now holds the other path.
    BOOST_TEST(differing(before, redis.picture()) ==
               keys::producers(partition) + ", " + keys::day_first_seen("skhcn", today - 31) +
                   ", " + keys::facts("skhcn") + ", " + keys::pages("skhcn") + ", " +
                   keys::totals("skhcn"));
    BOOST_TEST(redis.text("GET", keys::day_first_seen("skhcn", today - 31)) ==
               member(path_hash("/read")));
    // Again: there is nothing to do.
    const auto after = redis.picture();
    BOOST_TEST(redis.prune(3, 30).pruned == 0U);
    BOOST_TEST(differing(after, redis.picture()) == "");
    BOOST_TEST(redis.prune(1000, 1).pruned == 2U);
    BOOST_TEST(shown(redis.pages()) == "(other)=7 /new=1");
    redis.check_sums();
}

BOOST_AUTO_TEST_CASE(paths_with_a_baseline_and_the_rows_that_are_no_paths_stay)
{
    world redis;
    redis.view(today - 40, {"/a", "/b"});
    redis.exec(redis::pipeline{}
                   .add("ZADD", keys::baseline("skhcn"), 1, std::string_view("/a"))
                   .add("ZINCRBY", keys::pages("skhcn"), 1, std::string_view("/a"))
                   .add("ZINCRBY", keys::pages("skhcn"), 1, std::string_view("(other)"))
                   .add("ZADD", keys::pages("skhcn"), 1, std::string_view("/of-unknown-age")));
    const auto would = redis.prune(100, 1, true);
    BOOST_TEST(would.pruned == 1U);
    BOOST_TEST(redis.prune(100, 1).pruned == 1U);
    BOOST_TEST(shown(redis.pages()) == "(other)=2 /a=2 /of-unknown-age=1");
}

// An aggregator remembers which paths exist; one that was pruned has to be new for it, too.
BOOST_AUTO_TEST_CASE(a_path_read_again_is_a_new_one_also_for_who_remembers_it)
{
    world redis;
    redis.view(today - 40, {"/a", "/b"});
    redis.view(today - 40, {"/a"});
    redis.view(today, {"/b", "/b", "/b"});
    BOOST_TEST(redis.memory.knows("skhcn", "/a"));
    BOOST_TEST(redis.prune(3, 30).pruned == 1U);
    BOOST_TEST(redis.new_paths(today) == 0);
    // What rests on the state before is refused and done anew, as with another aggregator.
    BOOST_TEST(redis.view(today, {"/a"}) == "stale");
    redis.text("DEL", keys::hits(partition));
    BOOST_TEST(redis.view(today, {"/a", "/b"}) == "ok");
    BOOST_TEST(redis.new_paths(today) == 1);
    BOOST_TEST(shown(redis.pages()) == "(other)=2 /a=1 /b=5");
    BOOST_TEST(redis.prune(3, 30).pruned == 0U);  // as old as its return
}

// Between the reads of a batch and its apply, with nothing remembered before.
BOOST_AUTO_TEST_CASE(a_batch_that_was_looked_up_before_a_pruning_is_done_anew)
{
    world redis;
    redis.view(today - 40, {"/a"});
    redis.memory.forget_state();
    const auto batch = redis.looked_up(today, {"/a"});
    BOOST_TEST(redis.prune(2, 30).pruned == 1U);
    BOOST_TEST(redis.apply(batch) == "stale");
    BOOST_TEST(shown(redis.pages()) == "(other)=1");
}

// A path that was seen, pruned and seen again stands on two days: the later one counts.
BOOST_AUTO_TEST_CASE(lists_of_old_days_hold_no_more_than_the_paths_that_are_there)
{
    world redis;
    redis.view(today - 50, {"/a", "/b", "/c", "/c"});
    redis.prune(2, 45);
    BOOST_TEST(redis.text("GET", keys::day_first_seen("skhcn", today - 50)) ==
               member(path_hash("/c")));
    redis.memory.forget_state();
    redis.view(today - 40, {"/a"});
    redis.view(today - 2, {"/b"});
    BOOST_TEST(redis.prune(2, 30).pruned == 1U);
    BOOST_TEST(shown(redis.pages()) == "(other)=3 /b=1 /c=2");
    BOOST_TEST(redis.number("EXISTS", keys::day_first_seen("skhcn", today - 40)) == 0);
    BOOST_TEST(redis.number("EXISTS", keys::day_first_seen("skhcn", today - 2)) == 1);
}

BOOST_AUTO_TEST_CASE(thousands_go_in_steps)
{
    constexpr int count = 3'000;
    world redis;
    std::vector<std::string> paths;
    for (int i = 0; i < count; ++i)
        paths.push_back("/made-up/" + std::to_string(i));
    redis.view(today - 10, paths);
    redis.view(today - 10, {paths.begin(), paths.begin() + 500});
    const auto done = redis.prune(2, 7);
    BOOST_TEST(done.paths == 3'000U);
    BOOST_TEST(done.pruned == 2'500U);
    BOOST_TEST(done.views == 2'500U);
    const auto pages = redis.pages();
    BOOST_TEST(pages.size() == 501U);
    BOOST_TEST(pages.at("(other)") == 2'500);
    redis.check_sums();
}

BOOST_AUTO_TEST_CASE(a_key_of_a_wrong_type_is_named_and_nothing_changed)
{
    for (const auto& key : {keys::baseline("skhcn"), keys::producers(partition)}) {
        world redis;
        redis.view(today - 40, {"/a"});
        redis.text("DEL", key);
        redis.text("SET", key, "another program's");
        const auto before = redis.picture();
        BOOST_CHECK_EXCEPTION(redis.prune(2, 30), prune_error, [&](const prune_error& e) {
            return std::string_view(e.what()).find(key) != std::string_view::npos;
        });
        BOOST_TEST(differing(before, redis.picture()) == "");
    }
}

// Redis does not roll a script back.
BOOST_AUTO_TEST_CASE(a_user_that_may_not_do_all_of_it_does_nothing)
{
    for (const std::string forbidden : {"-zrem", "-zincrby", "-hset"}) {
        BOOST_TEST_CONTEXT(forbidden)
        {
            world redis;
            redis.view(today - 40, {"/a"});
            const auto before = redis.picture();
            redis.text("ACL", "SETUSER", "default", forbidden);
            BOOST_CHECK_EXCEPTION(redis.prune(2, 30), prune_error, [&](const prune_error& e) {
                return std::string_view(e.what()).find("NOPERM") != std::string_view::npos;
            });
            BOOST_TEST(differing(before, redis.picture()) == "");
        }
    }
}

BOOST_AUTO_TEST_CASE(a_number_of_edits_that_is_none_stops_it_before_it_begins)
{
    world redis;
    redis.view(today - 40, {"/a"});
    redis.text("HSET", keys::totals("skhcn"), "edits", "many");
    const auto before = redis.picture();
    BOOST_CHECK_EXCEPTION(redis.prune(2, 30), prune_error, [&](const prune_error& e) {
        return std::string_view(e.what()).find("edits") != std::string_view::npos;
    });
    BOOST_TEST(differing(before, redis.picture()) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace prune_test
