// The scripts that move hits through Redis, against a real one: all of a batch or nothing of it.

#include "aggregator/apply.hpp"

#include "aggregator/fold/visit.hpp"
#include "aggregator/lookup.hpp"
#include "aggregator/settle.hpp"
#include "aggregator/steps.hpp"
#include "collector/shipper.hpp"
#include "core/clock.hpp"
#include "core/keys.hpp"
#include "tests/unit/support/hits.hpp"
#include "tests/unit/support/redis_session.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace apply_test {

using namespace luot;
using namespace luot::aggregator;
using namespace luot::testing;

const std::string producer = "00000000000000aa";
const std::string other_producer = "00000000000000bb";
constexpr auto most_exact = "9007199254740991";  // 2^53 - 1

const site_table& sites()
{
    static const auto table = sites_of({site_in("skhcn", "Asia/Ho_Chi_Minh")});
    return table;
}

const site_table::site& skhcn()
{
    return *sites().find("skhcn");
}

const unsigned partition = partition_of("skhcn");
const std::int32_t today = days(2021, 7, 31), tomorrow = days(2021, 8, 1);
const std::int64_t midnight = utc(2021, 7, 31, 17);  // in Vietnam
const std::int64_t bringing_hour = (midnight - minute) / hour;
const std::int64_t old_set = midnight / id_set_ms - 60;

/// A Redis in which entries of the partition wait, as ship.lua left them.
class world : public redis_session {
public:
    world() : redis_session({&apply_script(), &settle_script(), &reject_script(), &tidy_script()})
    {
    }

    /// Adds an entry to the stream.
    void ship(const entry& e)
    {
        redis::pipeline p;
        p.add("XADD", keys::hits(partition), e.id, std::string_view("v"), hit_format,
              std::string_view("p"), e.producer, std::string_view("f"), e.prev,
              std::string_view("l"), e.last, std::string_view("h"), encoded(e.hits));
        p.add("HSET", keys::producers(partition), e.producer + ":shipped", e.last);
        p.add("HINCRBY", keys::producers(partition), std::string_view("bytes"), e.bytes);
        exec(p);
    }

    std::map<std::string, std::int64_t> hash(const std::string& key)
    {
        return pairs("HGETALL", key);
    }

    std::map<std::string, std::int64_t> scores(const std::string& key)
    {
        return pairs("ZRANGE", key, 0, -1, "WITHSCORES");
    }

    std::int64_t waiting_bytes() { return hash(keys::producers(partition))["bytes"]; }

    std::size_t waiting_entries()
    {
        return static_cast<std::size_t>(number("XLEN", keys::hits(partition)));
    }
};

/// Entries that touch every kind of key: both sides of a midnight that ends a month, an event, a
/// crawler, ids, two producers, and a site that is gone.
std::vector<entry> batch()
{
    std::vector<hit> first{view_of(skhcn(), 1, midnight - minute, "/a"),
                           view_of(skhcn(), 2, midnight - minute, "/b"),
                           event_of(skhcn(), 1, midnight - 1)};
    first[0].id = 101;
    first[0].client = 0xab;
    first[1].client = 0xcd;
    first[2].id = 102;
    first[2].properties = "file\037a.pdf\036";
    std::vector<hit> second{view_of(skhcn(), 1, midnight + minute, "/a"),
                            view_of(skhcn(), 3, midnight + minute, "/a"),
                            view_of(skhcn(), 4, midnight + minute)};
    second[0].id = 103;
    second[2].user_agent = crawler_agent;
    static const std::string gone = "gone";
    std::vector<hit> third{view_of(skhcn(), 5, midnight + 2 * minute)};
    third[0].site = gone;
    return {entry_of(producer, 3, first), entry_of(other_producer, 13, second),
            entry_of(producer, 4, third)};
}

/// Of the event of batch(), which is of the day before.
bool is_of_events(breakdown what)
{
    return what == breakdown::event || what == breakdown::event_property;
}

/// The call for the first `count` of these entries, as the aggregator makes it.
redis::command call(const std::vector<entry>& entries, std::size_t count,
                    const apply_options& options = {}, const knowledge& known = {})
{
    return apply_command(partition, entries, count,
                         fold(entries, count, known, sites(), all_classes()), options);
}

apply_options with_everything()
{
    apply_options o;
    o.lease_owner = "me";
    o.lease_ms = 300'000;
    o.keep_days = 36'500;
    return o;
}

/// Each key holds something before, as it does when a counter has run for a while.
void put_history(world& redis)
{
    redis::pipeline p;
    const auto views = [&p](const std::string& key, std::string_view visitors) {
        p.add("HSET", key, std::string_view("views"), 100, std::string_view("visits"), 50, visitors,
              0, std::string_view("events"), 7);
    };
    views(keys::totals("skhcn"), "visitor_days");
    views(keys::month("skhcn", today), "visitor_days");
    views(keys::day("skhcn", today), "visitors");
    p.add("ZADD", keys::pages("skhcn"), 60, std::string_view("/a"), 40, std::string_view("/old"));
    p.add("SET", keys::day_first_seen("skhcn", today), std::string_view("earlier!"));
    p.add("ZADD", keys::month_breakdown("skhcn", today, breakdown::path), 3,
          std::string_view("/a"));
    p.add("HSET", keys::new_paths("skhcn", bringing_hour), std::string_view("000000cd"), 5);
    p.add("ZADD", keys::seen("skhcn"), midnight - 2 * hour, std::string_view("longgone"), midnight,
          std::string_view("recently"));
    p.add("SADD", keys::id_set(partition, old_set), std::string_view("12345678"));
    p.add("ZADD", keys::id_sets(partition), 1, old_set);
    p.add("SET", keys::lease(partition), std::string_view("me"), std::string_view("PX"), 60'000);
    p.add("HSET", keys::producers(partition), std::string_view("applied"), 1000,
          std::string_view("lost"), 5);
    redis.exec(p);
}

BOOST_AUTO_TEST_SUITE(applying, *boost::unit_test::precondition(luot::testing::has_redis_server))

BOOST_AUTO_TEST_CASE(all_additions_land_where_they_belong)
{
    world redis;
    const auto entries = batch();
    for (const auto& e : entries)
        redis.ship(e);
    put_history(redis);
    BOOST_TEST(redis.text(call(entries, 3, with_everything())) == "ok");

    using counts = std::map<std::string, std::int64_t>;
    // Rows of breakdowns have their sums beside: looked at below.
    const auto is = [&](counts found, const counts& wanted) {
        std::erase_if(found, [](const auto& field) { return field.first.starts_with("rows:"); });
        BOOST_TEST(text_of({found.begin(), found.end()}) ==
                   text_of({wanted.begin(), wanted.end()}));
    };
    is(redis.hash(keys::totals("skhcn")), {{"views", 104},
                                           {"bounces", 2},
                                           {"visit_ms", 2 * minute},
                                           {"visits", 53},
                                           {"events", 8},
                                           {"bots", 1},
                                           {"bots:search", 1},
                                           {"visitor_days", 4}});
    const auto last_hour = std::to_string(midnight / 1000 - 3600);
    is(redis.hash(keys::day("skhcn", today)), {{"views", 102},
                                               {"bounces", 1},
                                               {"visit_ms", 2 * minute},
                                               {"visits", 52},
                                               {"events", 8},
                                               {"visitors", 2},
                                               {"new_paths", 2},
                                               {"views@" + last_hour, 2},
                                               {"visits@" + last_hour, 2}});
    const auto first_hour = std::to_string(midnight / 1000);
    is(redis.hash(keys::day("skhcn", tomorrow)), {{"views", 2},
                                                  {"bounces", 1},
                                                  {"visits", 1},
                                                  {"bots", 1},
                                                  {"bots:search", 1},
                                                  {"visitors", 2},
                                                  {"views@" + first_hour, 2},
                                                  {"visits@" + first_hour, 1}});
    is(redis.hash(keys::month("skhcn", today)), {{"views", 102},
                                                 {"bounces", 1},
                                                 {"visit_ms", 2 * minute},
                                                 {"visits", 52},
                                                 {"events", 8},
                                                 {"visitor_days", 2}});
    is(redis.hash(keys::month("skhcn", tomorrow)), {{"views", 2},
                                                    {"bounces", 1},
                                                    {"visits", 1},
                                                    {"bots", 1},
                                                    {"bots:search", 1},
                                                    {"visitor_days", 2}});
    for (const auto& by : breakdown_names) {
        // One of both goes on with a visit that has read the page.
        const auto sum = by.whole == "views" ? 2 : is_of_events(by.what) ? 0 : 1;
        BOOST_TEST(redis.hash(keys::day("skhcn", tomorrow))[rows_field(by)] == sum, by.key);
    }
    BOOST_TEST(redis.hash(keys::day("skhcn", today))["rows:events"] == 1);
    is(redis.scores(keys::day_breakdown("skhcn", today, breakdown::path)), {{"/a", 1}, {"/b", 1}});
    is(redis.scores(keys::day_breakdown("skhcn", tomorrow, breakdown::path)), {{"/a", 2}});
    is(redis.scores(keys::month_breakdown("skhcn", today, breakdown::path)),
       {{"/a", 4}, {"/b", 1}});
    is(redis.scores(keys::day_breakdown("skhcn", today, breakdown::event)), {{"download", 1}});
    BOOST_TEST(redis.hash(keys::day("skhcn", today))["rows:event_properties"] == 1);
    is(redis.scores(keys::month_breakdown("skhcn", today, breakdown::event_property)),
       {{"download\037file\037a.pdf", 1}});
    // A day's end by their number, a month's never.
    BOOST_TEST(redis.number("PTTL", keys::day_breakdown("skhcn", today, breakdown::path)) > 0);
    BOOST_TEST(redis.number("PTTL", keys::month_breakdown("skhcn", today, breakdown::path)) == -1);
    is(redis.scores(keys::pages("skhcn")), {{"/a", 63}, {"/b", 1}, {"/old", 40}});
    is(redis.scores(keys::seen("skhcn")), {{member(1), midnight + minute},
                                           {member(2), midnight - minute},
                                           {member(3), midnight + minute},
                                           {"longgone", midnight - 2 * hour},
                                           {"recently", midnight}});
    for (const std::uint64_t visitor : {1U, 2U, 3U})
        BOOST_TEST(
            !decode_visit(redis.text("HGET", keys::visits("skhcn"), member(visitor))).exit.empty());
    BOOST_TEST(redis.number("PFCOUNT", keys::day_visitors("skhcn", today)) == 2);
    BOOST_TEST(redis.number("PFCOUNT", keys::day_visitors("skhcn", tomorrow)) == 2);
    const auto set_before = midnight / id_set_ms - 1, set_after = midnight / id_set_ms;
    is(redis.scores(keys::id_sets(partition)), {{std::to_string(old_set), 1},
                                                {std::to_string(set_before), 2},
                                                {std::to_string(set_after), 1}});
    for (const std::uint64_t id : {101U, 102U})
        BOOST_TEST(redis.number("SISMEMBER", keys::id_set(partition, set_before), member(id)) == 1);
    BOOST_TEST(redis.number("SISMEMBER", keys::id_set(partition, set_after), member(103)) == 1);
    BOOST_TEST(redis.waiting_entries() == 0U);
    is(redis.hash(keys::producers(partition)), {{producer + ":shipped", 4},
                                                {producer + ":applied", 4},
                                                {producer + ":watermark", midnight + 2 * minute},
                                                {other_producer + ":shipped", 13},
                                                {other_producer + ":applied", 13},
                                                {other_producer + ":watermark", midnight + minute},
                                                {"applied", 1017},
                                                {"tip", 0},  // no number
                                                {"unconfigured", 1},
                                                {"bytes", 0},
                                                {"lost", 5}});
    BOOST_TEST(redis.text("HGET", keys::producers(partition), "tip") == entries[2].id);
    BOOST_TEST(redis.number("PTTL", keys::lease(partition)) > 60'000);
    BOOST_TEST(redis.text("GET", keys::day_first_seen("skhcn", today)) ==
               "earlier!" + member(path_hash("/a")) + member(path_hash("/b")));
    is(redis.hash(keys::new_paths("skhcn", bringing_hour)), {{"000000ab", 1}, {"000000cd", 6}});
    BOOST_TEST(redis.number("PTTL", keys::new_paths("skhcn", bringing_hour)) > hour);
    // And nothing else, anywhere.
    std::set<std::string> wanted{
        keys::totals("skhcn"),
        keys::pages("skhcn"),
        keys::facts("skhcn"),
        keys::seen("skhcn"),
        keys::visits("skhcn"),
        keys::day("skhcn", today),
        keys::day("skhcn", tomorrow),
        keys::day_visitors("skhcn", today),
        keys::day_visitors("skhcn", tomorrow),
        keys::day_first_seen("skhcn", today),
        keys::new_paths("skhcn", bringing_hour),
        keys::month("skhcn", today),
        keys::month("skhcn", tomorrow),
        keys::day_breakdown("skhcn", today, breakdown::event),
        keys::month_breakdown("skhcn", today, breakdown::event),
        keys::day_breakdown("skhcn", today, breakdown::event_property),
        keys::month_breakdown("skhcn", today, breakdown::event_property),
        keys::hits(partition),
        keys::producers(partition),
        keys::lease(partition),
        keys::id_sets(partition),
        keys::id_set(partition, old_set),
        keys::id_set(partition, set_before),
        keys::id_set(partition, set_after),
    };
    for (const auto& b : breakdown_names)
        if (!is_of_events(b.what))
            for (const auto date : {today, tomorrow}) {
                wanted.insert(keys::day_breakdown("skhcn", date, b.what));
                wanted.insert(keys::month_breakdown("skhcn", date, b.what));
            }
    std::set<std::string> found;
    for (const auto& [key, value] : redis.picture())
        found.insert(key);
    BOOST_TEST(found == wanted, boost::test_tools::per_element());
}

// What clients make up fills no memory: names of events, sections ...
BOOST_AUTO_TEST_CASE(rows_beyond_the_bound_are_counted_together)
{
    world redis;
    const auto key = keys::day_breakdown("skhcn", today, breakdown::event);
    std::vector<std::string> names;
    for (std::int64_t i = 0; i < most_members(breakdown::event) + 5; ++i)
        names.push_back("e" + std::to_string(10'000 + i));
    std::uint64_t offset = 0;
    const auto apply = [&](const std::vector<std::string>& events) {
        std::vector<hit> hits;
        for (const auto& name : events) {
            hits.push_back(event_of(skhcn(), 1, midnight - hour));
            hits.back().event = name;
        }
        const std::vector<entry> entries{entry_of(producer, offset += hits.size(), hits)};
        redis.ship(entries[0]);
        BOOST_TEST(redis.text(call(entries, 1, with_everything())) == "ok");
        return redis.scores(key);
    };
    const std::vector<std::string> first(names.begin(), names.end() - 10);
    BOOST_TEST(apply(first).size() == first.size());
    // Five find room, five do not; one that is there goes on, "(other)" is nobody's name.
    auto rest = std::vector<std::string>(names.end() - 10, names.end());
    rest.insert(rest.end(), {names[0], "(other)"});
    auto rows = apply(rest);
    BOOST_TEST(rows.size() == static_cast<std::size_t>(most_members(breakdown::event)) + 1);
    BOOST_TEST(rows["(other)"] == 6);
    BOOST_TEST(rows[names[0]] == 2);
    rows = apply({names[0], names[1], "another", "another"});
    BOOST_TEST(rows.size() == static_cast<std::size_t>(most_members(breakdown::event)) + 1);
    BOOST_TEST(rows["(other)"] == 8);
    BOOST_TEST(rows[names[0]] == 3);
    std::int64_t sum = 0;
    for (const auto& [name, count] : rows)
        sum += count;
    BOOST_TEST(sum == redis.hash(keys::day("skhcn", today))["events"]);
}

// A visit that goes on ends somewhere else: what its earlier end has not is taken from "(other)",
// and no row falls below nothing.
BOOST_AUTO_TEST_CASE(what_a_row_has_not_is_taken_from_the_others)
{
    world redis;
    const auto key = keys::day_breakdown("skhcn", today, breakdown::exit);
    redis::pipeline p;
    p.add("ZADD", key, 5, std::string_view("(other)"), 1, std::string_view("/a"), 0,
          std::string_view("/b"));
    redis.exec(p);
    additions a;
    a.positions[producer].applied = 1;
    a.sites["skhcn"].broken_down[today][static_cast<std::size_t>(breakdown::exit)] = {
        {"/a", -1}, {"/b", -2}, {"/gone", -1}, {"/new", 4}};
    const std::vector<entry> entries{entry_of(producer, 1, {view_of(skhcn(), 1, midnight)})};
    redis.ship(entries[0]);
    BOOST_TEST(redis.text(apply_command(partition, entries, 1, a, {})) == "ok");
    const std::map<std::string, std::int64_t> wanted{
        {"(other)", 2}, {"/a", 0}, {"/b", 0}, {"/new", 4}};
    BOOST_TEST((redis.scores(key) == wanted));
}

// Under load rows wait, and those of many batches are written together: they come to the same.
BOOST_AUTO_TEST_CASE(rows_that_wait_come_to_those_written_at_once)
{
    const auto entries = batch();
    const auto rows_in = [](world& redis) {
        std::string text;
        for (const auto& [key, value] : redis.picture()) {
            const auto what = keys::parse(key).what;
            if (what != keys::kind::day_breakdown && what != keys::kind::month_breakdown &&
                what != keys::kind::day && what != keys::kind::month)
                continue;
            auto held = keys::redis_type(what) == "zset" ? redis.scores(key) : redis.hash(key);
            held.erase("new_paths");  // which paths are known is not told below
            text += key + ": " + text_of({held.begin(), held.end()}) + '\n';
        }
        return text;
    };
    world at_once, late;
    for (auto* redis : {&at_once, &late})
        for (const auto& e : entries)
            redis->ship(e);
    BOOST_TEST(at_once.text(call(entries, 3)) == "ok");

    auto later = apply_options{};
    later.settles_rows = false;
    knowledge known;
    for (std::size_t i = 0; i < 3; ++i) {
        const std::vector<entry> one{entries[i]};
        BOOST_TEST(late.text(call(one, 1, later, known)) == "ok");
        for (const auto& [id, added] : fold(one, 1, known, sites(), all_classes()).sites) {
            for (const auto& seen : added.seen)
                known.sites[id].seen.insert_or_assign(seen.first, seen.second);
            for (const auto& visit : added.visits)
                known.sites[id].visits.insert_or_assign(visit.first, visit.second);
        }
    }
    const auto list = keys::tallies(partition);
    const auto waiting = [&] { return late.exec(redis::pipeline{}.add("LRANGE", list, 0, -1)); };
    const auto read = waiting();
    const auto count = read[0].size();
    BOOST_TEST(count == 2U);  // the third is of no site
    site_tallies all;
    for (std::size_t i = 0; i < count; ++i)
        BOOST_TEST(add_encoded(all, read[0][i].text()));
    // One row each: as many parts as there can be.
    const auto parts = parts_of(all, 1);
    std::vector<std::string> merged;
    for (const auto& [site, of_site] : parts)
        merged.push_back(encode(site, of_site));
    const std::string last(nonce_of(read[0][1].text())), first(nonce_of(read[0][0].text()));
    BOOST_TEST(late.text(merge_command(partition, 2, first, first, merged)) == "stale");
    BOOST_TEST(late.text(merge_command(partition, 2, first, last, merged)) == "ok");
    BOOST_TEST(late.text(merge_command(partition, 2, first, last, merged)) == "stale");
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto command =
            settle_command(partition, nonce_of(merged[i]), parts[i].first, parts[i].second, 400);
        BOOST_TEST(late.text(command) == "ok");
        BOOST_TEST(late.text(command) == "stale");
    }
    BOOST_TEST(late.number("EXISTS", list) == 0);
    BOOST_TEST(rows_in(late) == rows_in(at_once));
}

// Their numbers wait in Redis while luot is upgraded: none may come to mean another one.
BOOST_AUTO_TEST_CASE(the_number_of_a_breakdown_never_changes)
{
    constexpr std::array names{"pages",       "sections",  "referrers",       "sources",
                               "media",       "campaigns", "terms",           "contents",
                               "countries",   "languages", "browsers",        "systems",
                               "devices",     "screens",   "entries",         "exits",
                               "page_visits", "events",    "event_properties"};
    BOOST_TEST_REQUIRE(names.size() == breakdown_count);
    for (std::size_t i = 0; i < names.size(); ++i) {
        BOOST_TEST(breakdown_names[i].key == names[i]);
        BOOST_TEST(static_cast<std::size_t>(breakdown_names[i].what) == i);
    }
}

BOOST_AUTO_TEST_CASE(tallies_that_are_damaged_add_nothing)
{
    date_tallies of_site;
    of_site[today][0] = {{"/a", 3}, {"/b", -1}};
    of_site[today][14] = {{"/a", 1}};
    const auto bytes = encode("skhcn", of_site);
    site_tallies all;
    BOOST_TEST(add_encoded(all, bytes));
    BOOST_TEST(add_encoded(all, bytes));
    BOOST_TEST(all["skhcn"][today][0]["/a"] == 6);
    BOOST_TEST(all["skhcn"][today][0]["/b"] == -2);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        site_tallies none;
        const auto cut = add_encoded(none, std::string_view(bytes).substr(0, length));
        BOOST_TEST((!cut || none["skhcn"].empty()));
    }
    site_tallies none;
    BOOST_TEST(!add_encoded(none, bytes.substr(0, 8) + '\7' + bytes.substr(9)));
}

// The second half of "exactly once": an aggregator that was frozen comes back with a batch that
// somebody else has applied.
BOOST_AUTO_TEST_CASE(a_batch_that_was_applied_is_stale_and_changes_nothing)
{
    world redis;
    const auto entries = batch();
    for (const auto& e : entries)
        redis.ship(e);
    put_history(redis);
    const auto command = call(entries, 2, with_everything());
    BOOST_TEST(redis.text(command) == "ok");
    const auto before = redis.picture();
    BOOST_TEST(redis.text(command) == "stale");
    BOOST_TEST(redis.text(call(entries, 3)) == "stale");
    BOOST_TEST(redis.text(call(entries, 1)) == "stale");
    BOOST_TEST(differing(before, redis.picture()) == "");
    // Nor does it bring the lease back.
    redis.text("PEXPIRE", keys::lease(partition), 60'000);
    BOOST_TEST(redis.text(command) == "stale");
    BOOST_TEST(redis.number("PTTL", keys::lease(partition)) <= 60'000);
}

BOOST_AUTO_TEST_CASE(a_batch_whose_head_or_end_is_gone_is_stale)
{
    const auto entries = batch();
    const struct {
        std::string what;
        std::vector<std::size_t> in_stream;
        std::size_t count;
    } table[] = {
        {"the head is gone", {1, 2}, 3},
        {"the head is gone, it was all", {1, 2}, 1},
        {"the end is gone", {0, 1}, 3},
        {"nothing is there", {}, 3},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.what)
        {
            world redis;
            for (const auto i : row.in_stream)
                redis.ship(entries[i]);
            put_history(redis);
            const auto before = redis.picture();
            BOOST_TEST(redis.text(call(entries, row.count, with_everything())) == "stale");
            BOOST_TEST(differing(before, redis.picture()) == "");
        }
    }
    // An older entry before the head: the batch was read from another Redis than this one.
    world redis;
    redis.ship(entry_of(producer, 1, {}, midnight - hour));
    for (const auto& e : entries)
        redis.ship(e);
    BOOST_TEST(redis.text(call(entries, 3)) == "stale");
    BOOST_TEST(redis.waiting_entries() == 4U);
}

/// What a damaged or foreign key does to a batch: an error, and not one byte changed. Redis does
/// not roll back.
void refuses(world& redis, const std::vector<entry>& entries, const std::string& what,
             const std::function<void()>& damage)
{
    BOOST_TEST_CONTEXT(what)
    {
        redis.text("FLUSHALL");
        for (const auto& e : entries)
            redis.ship(e);
        put_history(redis);
        damage();
        const auto before = redis.picture();
        const auto answers =
            redis.exec(redis::pipeline{}.add(call(entries, entries.size(), with_everything())));
        BOOST_TEST(answers[0].is_error(), answers[0].text());
        BOOST_TEST(differing(before, redis.picture()) == "");
        BOOST_TEST(redis.number("PTTL", keys::lease(partition)) <= 60'000);
    }
}

BOOST_AUTO_TEST_CASE(a_key_of_a_wrong_type_stops_a_batch_before_its_first_write)
{
    world redis;
    const auto entries = batch();
    const auto set_of = midnight / id_set_ms;
    for (const auto& key :
         {keys::totals("skhcn"), keys::pages("skhcn"), keys::seen("skhcn"),
          keys::day("skhcn", today), keys::day("skhcn", tomorrow),
          keys::day_visitors("skhcn", today), keys::day_visitors("skhcn", tomorrow),
          keys::month("skhcn", today), keys::month("skhcn", tomorrow),
          keys::day_first_seen("skhcn", today), keys::new_paths("skhcn", bringing_hour),
          keys::day_breakdown("skhcn", tomorrow, breakdown::path),
          keys::month_breakdown("skhcn", today, breakdown::event),
          keys::id_set(partition, set_of - 1), keys::id_set(partition, set_of),
          keys::id_sets(partition), keys::producers(partition), keys::lease(partition),
          keys::hits(partition)}) {
        refuses(redis, entries, key, [&] {
            redis.text("DEL", key);
            redis.text("RPUSH", key, "another program's");
        });
    }
}

BOOST_AUTO_TEST_CASE(a_value_that_is_no_number_stops_a_batch_before_its_first_write)
{
    world redis;
    const auto entries = batch();
    const std::vector<std::pair<std::string, std::vector<std::string>>> places{
        {keys::totals("skhcn"), {"views", "visits", "events", "bots", "visitor_days"}},
        {keys::day("skhcn", today), {"views", "visits", "visitors", "new_paths"}},
        {keys::day("skhcn", tomorrow), {"views@" + std::to_string(midnight / 1000), "visitors"}},
        {keys::month("skhcn", today), {"views", "visitor_days"}},
        {keys::new_paths("skhcn", bringing_hour), {"000000cd"}},
        {keys::month("skhcn", tomorrow), {"bots:search", "visitor_days"}},
        {keys::producers(partition),
         {"applied", "bytes", "unconfigured", producer + ":applied",
          other_producer + ":watermark"}},
    };
    for (const auto& [key, fields] : places)
        for (const auto& field : fields)
            for (const std::string value : {"", "many", "1.5", "nan", "inf", "9007199254740992"})
                refuses(redis, entries, key + ' ' + field + " = \"" + value + '"',
                        [&] { redis.text("HSET", key, field, value); });
    for (const std::string score : {"1.5", "inf", "-inf", "1e17"})
        refuses(redis, entries, "a page with " + score + " views",
                [&] { redis.text("ZADD", keys::pages("skhcn"), score, "/a"); });
    for (const std::string value : {"a string", "HYL", "hyll0123456789abcdef"})
        refuses(redis, entries, "visitors \"" + value + '"',
                [&] { redis.text("SET", keys::day_visitors("skhcn", tomorrow), value); });
}

// Beyond 2^53 a double is no longer exact: better no count than a wrong one.
BOOST_AUTO_TEST_CASE(a_count_that_would_pass_what_is_exact_stops_a_batch)
{
    world redis;
    const auto entries = batch();
    refuses(redis, entries, "a field",
            [&] { redis.text("HSET", keys::totals("skhcn"), "views", most_exact); });
    refuses(redis, entries, "a page",
            [&] { redis.text("ZADD", keys::pages("skhcn"), most_exact, "/a"); });
}

BOOST_AUTO_TEST_CASE(steps_that_make_no_sense_stop_a_batch)
{
    world redis;
    const auto entries = batch();
    redis.ship(entries[0]);
    put_history(redis);
    const auto before = redis.picture();
    const std::vector<std::vector<std::string>> table{
        {"X"},
        {"H", "99", "1", "views", "1"},
        {"H", "5", "1", "views", "one"},
        {"H", "5", "1", "views", "1.5"},
        {"H", "5", "1", "views"},
        {"H", "5", "2", "views", "1"},
        {"H", "5", "1", "views", "1", "and more"},
        {"G", "6", "            soon", "visitor1"},
        {"G", "6", "0000000000000001", "visitor1visitor2"},
        {"G", "6", "0000000000000001", "visitor"},
        {"G", "6", "", ""},
        {"C", "99", "10", "0", "1", "/a", "1"},
        {"C", "6", "10", "0", "1", "/a", "many"},
        {"C", "6", "many", "0", "1", "/a", "1"},
        {"C", "6", "10", "soon", "1", "/a", "1"},
        {"C", "6", "10", "0", "2", "/a", "1"},
        {"C", "5", "10", "0", "1", "/a", "1"},  // a hash
        {"S", "7", "1", "id"},
        {"A", "99", "bytes"},
        {"A", "5", "bytes"},  // a hash
        {"E", "99", "1000"},
        {"E", "5", "soon"},
        {"E", "5", "0"},
        {"O", "1", producer, "four", "5"},
        {"O", "1", producer, "4", "yesterday"},
        {"L", "me", "long"},
    };
    for (const auto& step : table) {
        auto c = redis::evaluate(apply_script(), 7);
        for (const auto& key :
             {keys::hits(partition), keys::producers(partition), keys::id_sets(partition),
              keys::lease(partition), keys::totals("skhcn"), keys::seen("skhcn"),
              keys::id_set(partition, 7)})
            c.add(std::string_view(key));
        c.add(std::string_view(entries[0].id)).add(std::string_view(entries[0].id));
        c.add(std::string_view(next_id(entries[0].id))).add(1).add(std::string_view{});
        // One that is right comes first: its write must not be made either.
        for (const auto* word : {"H", "5", "1", "views", "1"})
            c.add(std::string_view(word));
        std::string what;
        for (const auto& word : step) {
            c.add(std::string_view(word));
            what += word + ' ';
        }
        BOOST_TEST_CONTEXT(what)
        {
            const auto answers = redis.exec(redis::pipeline{}.add(c));
            BOOST_TEST(answers[0].is_error(), answers[0].text());
            BOOST_TEST(differing(before, redis.picture()) == "");
        }
    }
}

// HyperLogLog is an estimate: an honest day has as many visitors as views when each comes once.
BOOST_AUTO_TEST_CASE(visitors_are_never_above_the_views)
{
    world redis;
    std::uint64_t last = 0, visitor = 0;
    for (int round = 0; round < 40; ++round) {
        std::vector<hit> hits;
        for (int i = 0; i < 500; ++i)
            hits.push_back(view_of(skhcn(), checksum(std::to_string(++visitor)), midnight));
        last += hits.size();
        const std::vector<entry> entries{entry_of(producer, last, hits)};
        redis.ship(entries[0]);
        BOOST_TEST_REQUIRE(redis.text(call(entries, 1)) == "ok");
        const auto now = redis.hash(keys::day("skhcn", tomorrow));
        BOOST_TEST(now.at("visitors") <= now.at("views"));
        BOOST_TEST(now.at("visitors") > now.at("views") * 95 / 100);
        for (const auto& key : {keys::month("skhcn", tomorrow), keys::totals("skhcn")})
            BOOST_TEST(redis.hash(key).at("visitor_days") == now.at("visitors"));
    }
}

BOOST_AUTO_TEST_CASE(a_visitor_who_comes_again_is_the_same_one)
{
    world redis;
    for (std::uint64_t i = 1; i <= 5; ++i) {
        const std::vector<entry> entries{
            entry_of(producer, i, {view_of(skhcn(), 1, midnight + static_cast<int>(i))})};
        redis.ship(entries[0]);
        BOOST_TEST_REQUIRE(redis.text(call(entries, 1)) == "ok");
    }
    BOOST_TEST(redis.hash(keys::day("skhcn", tomorrow)).at("visitors") == 1);
    BOOST_TEST(redis.hash(keys::totals("skhcn")).at("visitor_days") == 1);
}

// Redis' Lua takes 8,000 values on its stack: calls go in parts of 500 members.
BOOST_AUTO_TEST_CASE(a_batch_of_thousands_is_applied_whole)
{
    constexpr std::uint64_t count = 5'000;
    world redis;
    std::vector<std::string> paths;
    for (std::uint64_t i = 0; i < count; ++i)
        paths.push_back("/tin-tuc/" + std::to_string(i));
    auto site = site_in("skhcn", "Asia/Ho_Chi_Minh");
    site.max_new_paths_per_day = 10'000;
    const auto table = sites_of({site});
    std::vector<hit> hits;
    for (std::uint64_t i = 0; i < count; ++i) {
        hits.push_back(
            view_of(skhcn(), checksum(paths[i]), midnight + static_cast<int>(i), paths[i]));
        hits.back().id = i + 1;
    }
    const std::vector<entry> entries{entry_of(producer, count, hits)};
    redis.ship(entries[0]);
    const auto a = fold(entries, 1, {}, table, all_classes());
    BOOST_TEST_REQUIRE(redis.text(apply_command(partition, entries, 1, a, {})) == "ok");
    BOOST_TEST(redis.hash(keys::totals("skhcn")).at("views") == std::int64_t{count});
    BOOST_TEST(redis.number("ZCARD", keys::pages("skhcn")) == std::int64_t{count});
    BOOST_TEST(redis.number("ZCARD", keys::seen("skhcn")) == std::int64_t{count});
    const auto set = midnight / id_set_ms;
    BOOST_TEST(redis.number("SCARD", keys::id_set(partition, set)) == std::int64_t{count});
    BOOST_TEST(redis.scores(keys::id_sets(partition)).at(std::to_string(set)) ==
               std::int64_t{count});
    for (const std::uint64_t i : {0U, 499U, 500U, 501U, 999U, 1000U, 4999U}) {
        BOOST_TEST(redis.number("ZSCORE", keys::seen("skhcn"), member(hits[i].visitor)) ==
                   hits[i].time_ms);
        BOOST_TEST(redis.number("ZSCORE", keys::pages("skhcn"), paths[i]) == 1);
        BOOST_TEST(redis.number("SISMEMBER", keys::id_set(partition, set), member(i + 1)) == 1);
    }
    // The same once more, now that all of them are there: the reads are in parts, too.
    std::vector<hit> again = hits;
    for (auto& h : again)
        h.id = 0;
    const std::vector<entry> more{entry_of(producer, 2 * count, again)};
    redis.ship(more[0]);
    knowledge known;
    known.sites["skhcn"].paths.insert(paths.begin(), paths.end());
    const auto b = fold(more, 1, known, table, all_classes());
    BOOST_TEST_REQUIRE(redis.text(apply_command(partition, more, 1, b, {})) == "ok");
    const auto pages = redis.scores(keys::pages("skhcn"));
    BOOST_TEST(pages.size() == count);
    BOOST_TEST(
        std::all_of(pages.begin(), pages.end(), [](const auto& page) { return page.second == 2; }));
}

BOOST_AUTO_TEST_CASE(visitors_of_a_page_are_told_apart_where_the_site_wants_it)
{
    auto settings = site_in("skhcn", "Asia/Ho_Chi_Minh");
    settings.path_visitors = true;
    const auto table = sites_of({settings});
    const auto index = keys::path_visitors("skhcn", today),
               registers = keys::visitors_of_path("skhcn", today, path_hash("/a"));
    world redis;
    std::uint64_t offset = 0;
    const auto count = [&](std::vector<hit> hits) {
        offset += hits.size();
        const std::vector<entry> entries{entry_of(producer, offset, hits)};
        redis.ship(entries[0]);
        const auto a = fold(entries, 1, {}, table, all_classes());
        BOOST_TEST_REQUIRE(redis.text(apply_command(partition, entries, 1, a, with_everything())) ==
                           "ok");
    };
    const auto view = [](std::uint64_t who, std::string_view path) {
        return view_of(skhcn(), who, midnight - minute, path);
    };
    count({view(1, "/a"), view(2, "/a"), view(1, "/a"), view(1, "/b")});
    count({view(2, "/a"), view(3, "/a")});
    BOOST_TEST(redis.number("ZSCORE", index, "/a") == 3);
    BOOST_TEST(redis.number("ZSCORE", index, "/b") == 1);
    BOOST_TEST(redis.number("TTL", index) > redis.number("TTL", registers));

    // The day was years ago, and more may come of it.
    BOOST_TEST(redis.number("TTL", registers) > 86'400);

    // Days later the registers are gone: the number stands.
    redis.exec(redis::pipeline{}.add("DEL", registers));
    count({view(4, "/a")});
    BOOST_TEST(redis.number("ZSCORE", index, "/a") == 3);

    // The first so many pages of a day; what a deleted one has left does not count again.
    redis::pipeline full;
    for (std::int64_t i = redis.number("ZCARD", index); i < most_visited_paths; ++i)
        full.add("ZADD", index, 1, std::string_view("/" + std::to_string(i)));
    redis.exec(full);
    count({view(5, "/one-too-many")});
    BOOST_TEST(redis.number("ZCARD", index) == most_visited_paths);
    redis.exec(redis::pipeline{}.add("ZREM", index, std::string_view("/b")));
    count({view(6, "/b")});
    BOOST_TEST(redis.number("ZSCORE", index, "/b") == 1);

    redis.exec(redis::pipeline{}.add("SET", keys::visitors_of_path("skhcn", today, path_hash("/c")),
                                     std::string_view("foreign")));
    const std::vector<entry> wrong{entry_of(producer, offset + 1, {view(7, "/c")})};
    redis.ship(wrong[0]);
    const auto before = redis.picture();
    const auto a = fold(wrong, 1, {}, table, all_classes());
    BOOST_TEST(
        redis.exec(redis::pipeline{}.add(apply_command(partition, wrong, 1, a, {})))[0].is_error());
    BOOST_TEST(differing(before, redis.picture()) == "");
}

BOOST_AUTO_TEST_CASE(the_stream_is_trimmed_up_to_the_last_entry_of_the_batch_and_no_further)
{
    for (std::size_t count = 1; count <= 5; ++count) {
        BOOST_TEST_CONTEXT(count << " of 5 entries")
        {
            world redis;
            std::vector<entry> entries;
            for (std::uint64_t i = 1; i <= 5; ++i) {
                auto e = entry_of(producer, i, {view_of(skhcn(), i, midnight)});
                // All of one millisecond, and beside each other: what a trim by time would miss.
                e.id = std::to_string(midnight) + '-' + std::to_string(9'007'199'254'740'986 + i);
                entries.push_back(e);
                redis.ship(e);
            }
            const auto bytes_of_one = static_cast<std::int64_t>(entries[0].bytes);
            BOOST_TEST(redis.waiting_bytes() == 5 * bytes_of_one);
            BOOST_TEST_REQUIRE(redis.text(call(entries, count)) == "ok");
            BOOST_TEST(redis.waiting_entries() == 5 - count);
            BOOST_TEST(redis.waiting_bytes() ==
                       static_cast<std::int64_t>(5 - count) * bytes_of_one);
            const auto left = redis.exec(redis::pipeline{}.add(
                "XRANGE", keys::hits(partition), std::string_view("-"), std::string_view("+")));
            BOOST_TEST_REQUIRE(left[0].size() == 5 - count);
            for (std::size_t i = 0; i < left[0].size(); ++i)
                BOOST_TEST(left[0][i][0].text() == entries[count + i].id);
            BOOST_TEST(redis.hash(keys::producers(partition)).at("applied") ==
                       static_cast<std::int64_t>(count));
        }
    }
}

// ship.lua refuses beyond a bound of waiting bytes: a number that crept up would close the way.
BOOST_AUTO_TEST_CASE(waiting_bytes_never_fall_below_nothing_and_are_nothing_with_an_empty_stream)
{
    world redis;
    const auto entries = batch();
    for (const auto& e : entries)
        redis.ship(e);
    redis.text("HSET", keys::producers(partition), "bytes", 1);
    BOOST_TEST(redis.text(call(entries, 2)) == "ok");
    BOOST_TEST(redis.waiting_bytes() == 0);
    redis.text("HSET", keys::producers(partition), "bytes", 1'000'000);
    const std::vector<entry> rest(entries.begin() + 2, entries.end());
    BOOST_TEST(redis.text(call(rest, 1)) == "ok");
    BOOST_TEST(redis.waiting_bytes() == 0);
}

BOOST_AUTO_TEST_CASE(a_lease_is_prolonged_for_its_owner_alone)
{
    const auto entries = batch();
    const auto ttl_after = [&](const std::string& holder, const std::string& applier) {
        world redis;
        redis.ship(entries[0]);
        if (!holder.empty())
            redis.text("SET", keys::lease(partition), holder, "PX", 60'000);
        apply_options o;
        o.lease_owner = applier;
        o.lease_ms = 300'000;
        BOOST_TEST(redis.text(call(entries, 1, o)) == "ok");
        BOOST_TEST(redis.text("GET", keys::lease(partition)) == holder);
        return redis.number("PTTL", keys::lease(partition));
    };
    BOOST_TEST(ttl_after("me", "me") > 60'000);
    BOOST_TEST(ttl_after("me", "me") <= 300'000);
    BOOST_TEST(ttl_after("another", "me") <= 60'000);
    BOOST_TEST(ttl_after("me", "") <= 60'000);
    // Who has lost it does not get it back by the way. -2: there is none.
    BOOST_TEST(ttl_after("", "me") == -2);
}

/// A log of which all is applied, up to this time.
void put_idle_log(world& redis, const std::string& name, std::int64_t watermark_ms,
                  std::string_view heard = "9999999999999")
{
    redis.exec(redis::pipeline{}.add("HSET", keys::producers(partition), name + ":shipped", 7,
                                     name + ":applied", 7, name + ":watermark", watermark_ms,
                                     name + ":heard", heard, "tidied", unix_ms()));
}

BOOST_AUTO_TEST_CASE(sets_of_ids_go_once_the_watermark_is_the_window_past_them)
{
    world redis;
    tidy_options o;
    o.dedupe_window_ms = hour;
    for (std::int64_t set = 1; set <= 9; ++set) {
        redis.text("SADD", keys::id_set(partition, set), "12345678");
        redis.text("ZADD", keys::id_sets(partition), 1, std::to_string(set));
        o.sets.push_back(set);
    }
    o.sets.push_back(99);  // one that is not there any more
    const auto kept = [&] {
        redis.exec(redis::pipeline{}.add(tidy_command(partition, o)));
        const auto index = redis.scores(keys::id_sets(partition));
        for (std::int64_t set = 1; set <= 9; ++set)
            BOOST_TEST(redis.number("EXISTS", keys::id_set(partition, set)) ==
                       (index.contains(std::to_string(set)) ? 1 : 0));
        return index.size();
    };
    BOOST_TEST(kept() == 9U);  // no log: no watermark
    put_idle_log(redis, producer, 100 * id_set_ms);
    put_idle_log(redis, other_producer, 4 * id_set_ms + hour);
    BOOST_TEST(kept() == 7U);  // 1 and 2 have ended more than an hour before the slower of both
    // Unheard of for a day: it holds nobody back.
    const auto two_days_ago = std::to_string(unix_ms() - 48 * hour);
    put_idle_log(redis, other_producer, 4 * id_set_ms + hour, two_days_ago);
    BOOST_TEST(kept() == 0U);
}

BOOST_AUTO_TEST_CASE(when_all_collectors_are_silent_nothing_is_forgotten)
{
    // Redis itself may have been away for two days: they come back with what their spools hold.
    world redis;
    tidy_options o;
    o.sites = {"a"};
    put_idle_log(redis, producer, midnight, std::to_string(unix_ms() - 48 * hour));
    redis.text("ZADD", keys::seen("a"), unix_ms() - 48 * hour, "12345678");
    redis.exec(redis::pipeline{}.add(tidy_command(partition, o)));
    BOOST_TEST(redis.scores(keys::seen("a")).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_visit_is_forgotten_with_its_visitor)
{
    world redis;
    tidy_options o;
    o.sites = {"a", "b"};
    put_idle_log(redis, producer, midnight);
    for (const auto& site : o.sites)
        for (const auto& [visitor, seen] :
             {std::pair{"visitor1", midnight - visit_gap_ms - late_line_ms - 1},
              {"visitor2", midnight - visit_gap_ms - late_line_ms}}) {
            redis.text("ZADD", keys::seen(site), seen, visitor);
            redis.text("HSET", keys::visits(site), visitor, "state");
        }
    redis.exec(redis::pipeline{}.add(tidy_command(partition, o)));
    for (const auto& site : o.sites) {
        BOOST_TEST(redis.number("HEXISTS", keys::visits(site), "visitor1") == 0);
        BOOST_TEST(redis.number("HEXISTS", keys::visits(site), "visitor2") == 1);
        BOOST_TEST(redis.scores(keys::seen(site)).size() == 1U);
    }
}

BOOST_AUTO_TEST_CASE(a_log_whose_hits_wait_holds_the_watermark_however_silent_it_is)
{
    world redis;
    redis.text("SADD", keys::id_set(partition, 1), "12345678");
    redis.text("ZADD", keys::id_sets(partition), 1, "1");
    tidy_options o;
    o.dedupe_window_ms = hour;
    o.sets = {1};
    put_idle_log(redis, producer, midnight);
    put_idle_log(redis, other_producer, 0, "1");
    redis.text("HSET", keys::producers(partition), other_producer + ":shipped", "8");
    redis.exec(redis::pipeline{}.add(tidy_command(partition, o)));
    BOOST_TEST(redis.number("EXISTS", keys::id_set(partition, 1)) == 1);
}

BOOST_AUTO_TEST_CASE(a_log_unheard_of_for_a_week_and_a_day_is_retired)
{
    world redis;
    const auto tidy = [&] {
        redis.exec(redis::pipeline{}.add(tidy_command(partition, tidy_options{})));
        return redis.text("HGET", keys::retired(partition), producer);
    };
    const auto field = [](const char* name) { return producer + name; };
    put_idle_log(redis, producer, midnight, std::to_string(unix_ms() - 7 * 24 * hour));
    redis.text("HSET", keys::producers(partition), field(":chain"), "c7", field(":lost"), "3");
    BOOST_TEST(tidy() == "");
    redis.text("HSET", keys::producers(partition), field(":heard"),
               std::to_string(unix_ms() - 9 * 24 * hour), field(":shipped"), "8");
    BOOST_TEST(tidy() == "");  // a hit waits
    redis.text("HSET", keys::producers(partition), field(":applied"), "8");
    BOOST_TEST(tidy() == "8 3 c7");
    BOOST_TEST(redis.number("HEXISTS", keys::producers(partition), field(":shipped")) == 0);
}

// Two collectors come back after Redis, or all aggregators, were away for two days; one is later.
BOOST_AUTO_TEST_CASE(nobody_is_silent_for_a_time_in_which_nobody_could_be_heard)
{
    world redis;
    const auto silent = [&] {
        return redis.exec(redis::pipeline{}.add(tidy_command(partition, tidy_options{})))[0][1]
            .count();
    };
    const auto heard = [&] {
        return std::stoll(redis.text("HGET", keys::producers(partition), producer + ":heard"));
    };
    const auto now = unix_ms();
    for (const auto tidied : {now - 2 * 24 * hour, now + 2 * 24 * hour}) {
        put_idle_log(redis, producer, midnight, std::to_string(now - 50 * hour));
        redis.text("HSET", keys::producers(partition), "tidied", std::to_string(tidied));
        BOOST_TEST(silent() == (tidied > now ? 1 : 0));
        const auto expected = tidied > now ? now - 50 * hour : now - 2 * hour;
        BOOST_TEST(std::abs(heard() - expected) < 60'000);
        BOOST_TEST(redis.number("HGET", keys::producers(partition), "tidied") >= now);
    }
}

BOOST_AUTO_TEST_CASE(when_there_are_too_many_ids_their_sets_go_early)
{
    world redis;
    for (const auto* set : {"1", "2"}) {
        redis.text("SADD", keys::id_set(partition, *set - '0'), "12345678");
        redis.text("ZADD", keys::id_sets(partition), 1, set);
    }
    tidy_options o;
    o.early_sets = {1};
    o.sets = {2};
    const auto answers = redis.exec(redis::pipeline{}.add(tidy_command(partition, o)));
    BOOST_TEST(answers[0][2].count() == 1);
    BOOST_TEST(redis.number("EXISTS", keys::id_set(partition, 1)) == 0);
    BOOST_TEST(redis.number("EXISTS", keys::id_set(partition, 2)) == 1);
}

BOOST_AUTO_TEST_CASE(a_set_of_ids_knows_how_many_it_holds_whatever_is_added_twice)
{
    world redis;
    for (std::uint64_t i = 1; i <= 3; ++i) {
        auto h = view_of(skhcn(), 1, midnight);
        h.id = i / 2 + 1;  // 1, 2, 2
        const std::vector<entry> entries{entry_of(producer, i, {h})};
        redis.ship(entries[0]);
        BOOST_TEST(redis.text(call(entries, 1)) == "ok");
    }
    BOOST_TEST(redis.scores(keys::id_sets(partition)).at(std::to_string(midnight / id_set_ms)) ==
               2);
}

BOOST_AUTO_TEST_CASE(who_was_seen_before_the_watermark_s_last_visits_is_forgotten_in_parts)
{
    world redis;
    redis::command add{"ZADD"};
    add.add(std::string_view(keys::seen("skhcn")));
    for (int i = 0; i < 2'300; ++i)
        add.add(midnight - 3 * hour + i).add(std::string_view("visitor" + std::to_string(i)));
    add.add(midnight - visit_gap_ms).add(std::string_view("at the border"));
    redis.text(add);
    put_idle_log(redis, producer, midnight);
    tidy_options o;
    o.sites = {"skhcn"};
    const auto again = [&] {
        return std::string(
            redis.exec(redis::pipeline{}.add(tidy_command(partition, o)))[0][3].text());
    };
    BOOST_TEST(again() == "1");
    auto left = redis.scores(keys::seen("skhcn"));
    BOOST_TEST(left.size() == 301U);
    BOOST_TEST(!left.contains("visitor1999"));
    BOOST_TEST(again() == "0");
    left = redis.scores(keys::seen("skhcn"));
    BOOST_TEST(left.size() == 1U);
    BOOST_TEST(left.contains("at the border"));
}

BOOST_AUTO_TEST_CASE(nothing_is_forgotten_when_a_key_is_of_a_wrong_type)
{
    tidy_options o;
    o.sets = {1};
    o.sites = {"skhcn"};
    for (const auto& key : {keys::producers(partition), keys::id_sets(partition),
                            keys::id_set(partition, 1), keys::seen("skhcn")}) {
        BOOST_TEST_CONTEXT(key)
        {
            world redis;
            put_idle_log(redis, producer, midnight);
            redis.text("SADD", keys::id_set(partition, 1), "12345678");
            redis.text("ZADD", keys::id_sets(partition), 1, "1");
            redis.text("ZADD", keys::seen("skhcn"), 1, "visitor1");
            redis.text("SET", key, "another program's");
            const auto before = redis.picture();
            const auto answers = redis.exec(redis::pipeline{}.add(tidy_command(partition, o)));
            BOOST_TEST(answers[0].is_error());
            BOOST_TEST(differing(before, redis.picture()) == "");
        }
    }
}

// Hits come out of order: the last one decides whether a visit goes on.
BOOST_AUTO_TEST_CASE(times_of_visitors_and_offsets_only_grow)
{
    world redis;
    const std::vector<entry> entries{
        entry_of(producer, 5, {view_of(skhcn(), 1, midnight)}),
        entry_of(producer, 6, {view_of(skhcn(), 1, midnight - hour)}, midnight + 1)};
    for (const auto& e : entries)
        redis.ship(e);
    BOOST_TEST(redis.text(call(entries, 1)) == "ok");
    // As if nothing were known of the first.
    auto late = entries[1];
    late.last = 3;
    BOOST_TEST(redis.text(call({late}, 1)) == "ok");
    BOOST_TEST(redis.scores(keys::seen("skhcn")).at(member(1)) == midnight);
    const auto held = redis.hash(keys::producers(partition));
    BOOST_TEST(held.at(producer + ":applied") == 5);
    BOOST_TEST(held.at(producer + ":watermark") == midnight - hour);
    BOOST_TEST(held.at("applied") == 5);
}

// Hits that were lost are passed over, not waited for.
BOOST_AUTO_TEST_CASE(an_entry_without_hits_moves_its_log_on)
{
    world redis;
    redis.text("HSET", keys::producers(partition), producer + ":watermark",
               std::to_string(midnight));
    const std::vector<entry> entries{entry_of(producer, 40, {}, midnight)};
    redis.ship(entries[0]);
    BOOST_TEST(redis.text(call(entries, 1)) == "ok");
    const auto held = redis.hash(keys::producers(partition));
    BOOST_TEST(held.at(producer + ":applied") == 40);
    BOOST_TEST(held.at(producer + ":watermark") == midnight);
    BOOST_TEST(held.at("applied") == 40);
    BOOST_TEST(redis.waiting_entries() == 0U);
    BOOST_TEST(!redis.picture().contains(keys::totals("skhcn")));
}

BOOST_AUTO_TEST_CASE(damaged_and_unconfigured_hits_are_counted_in_the_partition)
{
    world redis;
    auto entries = batch();
    entries[2].damaged = 4;
    for (const auto& e : entries)
        redis.ship(e);
    redis.text("HSET", keys::producers(partition), "damaged", 10, "unconfigured", 20);
    BOOST_TEST(redis.text(call(entries, 3)) == "ok");
    const auto held = redis.hash(keys::producers(partition));
    BOOST_TEST(held.at("damaged") == 14);
    BOOST_TEST(held.at("unconfigured") == 21);
}

// Lines of an imported log that are no page, and hits that were declared lost: the sum of what was
// applied is still told to the last one.
BOOST_AUTO_TEST_CASE(offsets_without_a_hit_are_summed_in_the_partition)
{
    world redis;
    auto entries = batch();
    auto& e = entries[2];
    e.last = e.prev + e.hits.size() + 70;
    e.damaged = 4;
    for (const auto& each : entries)
        redis.ship(each);
    redis.text("HSET", keys::producers(partition), "bare", 10);
    BOOST_TEST(redis.text(call(entries, 3)) == "ok");
    std::uint64_t offsets = 0, held = 0;
    for (const auto& each : entries) {
        offsets += each.last - each.prev;
        held += each.hits.size() + each.damaged;
    }
    BOOST_TEST(redis.hash(keys::producers(partition)).at("bare") ==
               static_cast<std::int64_t>(10 + offsets - held));
}

// Redis refuses writes when it is full: then nothing but applying makes room.
BOOST_AUTO_TEST_CASE(a_full_redis_can_be_drained)
{
    world redis;
    const auto entries = batch();
    for (const auto& e : entries)
        redis.ship(e);
    redis.text("CONFIG", "SET", "maxmemory", 1);
    redis::pipeline set;
    set.add("SET", std::string_view("x"), std::string_view("y"));
    BOOST_TEST(redis.exec(set)[0].is_error("OOM"));
    BOOST_TEST(redis.text(call(entries, 2)) == "ok");
    BOOST_TEST(redis.waiting_entries() == 1U);
    BOOST_TEST(redis.text(reject_command(partition, entries[2], "why")) == "ok");
}

BOOST_AUTO_TEST_CASE(the_id_after_another_is_the_next_that_there_could_be)
{
    BOOST_TEST(next_id("1627750800000-1") == "1627750800000-2");
    BOOST_TEST(next_id("1627750800000-0") == "1627750800000-1");
    BOOST_TEST(next_id("1627750800000-9007199254740991") == "1627750800000-9007199254740992");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(setting_aside,
                      *boost::unit_test::precondition(luot::testing::has_redis_server))

BOOST_AUTO_TEST_CASE(a_refused_entry_is_kept_whole_and_counted_as_damaged)
{
    world redis;
    const auto entries = batch();
    for (const auto& e : entries)
        redis.ship(e);
    redis.text("HSET", keys::producers(partition), "applied", 100, "damaged", 7);
    const auto whole = redis.waiting_bytes();
    const auto counts = redis.picture();
    BOOST_TEST(redis.text(reject_command(partition, entries[0], "views is no number")) == "ok");
    BOOST_TEST(redis.waiting_entries() == 2U);
    const auto held = redis.hash(keys::producers(partition));
    BOOST_TEST(held.at("damaged") == 10);
    BOOST_TEST(held.at("applied") == 103);
    BOOST_TEST(held.at(producer + ":applied") == 3);
    BOOST_TEST(held.at("bytes") == whole - static_cast<std::int64_t>(entries[0].bytes));
    const auto aside = redis.exec(redis::pipeline{}.add(
        "XRANGE", keys::rejected(partition), std::string_view("-"), std::string_view("+")));
    BOOST_TEST_REQUIRE(aside[0].size() == 1U);
    std::map<std::string, std::string> fields;
    const auto list = aside[0][0][1];
    for (std::size_t i = 0; i + 1 < list.size(); i += 2)
        fields[std::string(list[i].text())] = list[i + 1].text();
    BOOST_TEST(fields["h"] == encoded(entries[0].hits));
    BOOST_TEST(fields["p"] == producer);
    BOOST_TEST(fields["f"] == "0");
    BOOST_TEST(fields["l"] == "3");
    BOOST_TEST(fields["v"] == std::to_string(hit_format));
    BOOST_TEST(fields["reason"] == "views is no number");
    BOOST_TEST(differing(counts, redis.picture()) == keys::hits(partition) + ", " +
                                                         keys::producers(partition) + ", " +
                                                         keys::rejected(partition));
    // Once.
    const auto before = redis.picture();
    BOOST_TEST(redis.text(reject_command(partition, entries[0], "again")) == "stale");
    BOOST_TEST(differing(before, redis.picture()) == "");
    // The partition goes on behind it.
    const std::vector<entry> rest(entries.begin() + 1, entries.end());
    BOOST_TEST(redis.text(call(rest, 2)) == "ok");
}

BOOST_AUTO_TEST_CASE(only_the_head_of_a_stream_is_set_aside)
{
    world redis;
    const auto entries = batch();
    for (const auto& e : entries)
        redis.ship(e);
    const auto before = redis.picture();
    BOOST_TEST(redis.text(reject_command(partition, entries[1], "why")) == "stale");
    BOOST_TEST(differing(before, redis.picture()) == "");
    redis.text("SET", keys::rejected(partition), "another program's");
    const auto damaged = redis.picture();
    const auto answers =
        redis.exec(redis::pipeline{}.add(reject_command(partition, entries[0], "why")));
    BOOST_TEST(answers[0].is_error());
    BOOST_TEST(differing(damaged, redis.picture()) == "");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(shipping, *boost::unit_test::precondition(luot::testing::has_redis_server))

/// The arguments of ship.lua, those of a first entry unless said otherwise.
struct shipment {
    std::string prev = "0", last = "2", lost = "0", prev_chain = "", chain = "c2";
    std::uint64_t nonce = 1, bound = 1000;
    std::string hits = "0123456789";
};

class shipping_world : public redis_session {
public:
    shipping_world() : redis_session(collector::shipper::scripts()) {}

    /// What ship.lua answers: status, shipped, applied, chain; or "error".
    std::string ship(const shipment& s)
    {
        auto c = redis::evaluate(*collector::shipper::scripts()[0], 3);
        c.add(std::string_view(keys::hits(partition)))
            .add(std::string_view(keys::producers(partition)))
            .add(std::string_view(keys::retired(partition)))
            .add(std::string_view(producer));
        for (const auto& word : {s.prev, s.last, s.lost, s.prev_chain, s.chain})
            c.add(std::string_view(word));
        c.add(s.nonce).add(s.bound).add(hit_format).add(std::string_view(s.hits));
        return answer_to(c);
    }

    std::string ask(const std::string& now, const std::vector<std::string>& producers)
    {
        auto c = redis::evaluate(*collector::shipper::scripts()[1], 2);
        c.add(std::string_view(keys::producers(partition)))
            .add(std::string_view(keys::retired(partition)))
            .add(std::string_view(now));
        for (const auto& p : producers)
            c.add(std::string_view(p));
        return answer_to(c);
    }

    std::string retire(const std::string& name)
    {
        auto c = redis::evaluate(*collector::shipper::scripts()[2], 2);
        c.add(std::string_view(keys::producers(partition)))
            .add(std::string_view(keys::retired(partition)))
            .add(std::string_view(name));
        return std::string(exec(redis::pipeline{}.add(c))[0].text());
    }

    std::string kept(const std::string& name)
    {
        return text("HGET", keys::retired(partition), name);
    }

    std::map<std::string, std::int64_t> held()
    {
        return pairs("HGETALL", keys::producers(partition));
    }

private:
    std::string answer_to(const redis::command& c)
    {
        const auto answers = exec(redis::pipeline{}.add(c));
        if (answers[0].is_error())
            return "error";
        std::string out;
        for (std::size_t i = 0; i < answers[0].size(); ++i)
            out += (i == 0 ? "" : " ") + std::string(answers[0][i].text());
        return out;
    }
};

BOOST_AUTO_TEST_CASE(an_entry_is_added_once_whatever_answer_was_lost)
{
    shipping_world redis;
    BOOST_TEST(redis.ship({}) == "ok 2 0 c2");
    BOOST_TEST(redis.number("XLEN", keys::hits(partition)) == 1);
    const auto before = redis.picture();
    shipment again;
    again.nonce = 2;
    BOOST_TEST(redis.ship(again) == "moved 2 0 c2");
    // Nor when Redis is behind what the shipper believes.
    shipment ahead;
    ahead.prev = "5";
    ahead.last = "6";
    BOOST_TEST(redis.ship(ahead) == "moved 2 0 c2");
    BOOST_TEST(differing(before, redis.picture()) == "");

    shipment next;
    next.prev = "2";
    next.last = "7";
    next.prev_chain = "c2";
    next.chain = "c7";
    next.hits = "abc";
    BOOST_TEST(redis.ship(next) == "ok 7 0 c7");
    const auto held = redis.held();
    BOOST_TEST(held.at(producer + ":shipped") == 7);
    BOOST_TEST(held.at("bytes") == 13);
    const auto stream = redis.exec(redis::pipeline{}.add(
        "XRANGE", keys::hits(partition), std::string_view("-"), std::string_view("+")));
    BOOST_TEST_REQUIRE(stream[0].size() == 2U);
    BOOST_TEST(stream[0][1][0].text() == std::to_string(held.at("last_ms")) + "-1");
    std::string fields;
    for (std::size_t i = 0; i < stream[0][1][1].size(); ++i)
        fields += std::string(stream[0][1][1][i].text()) + ' ';
    BOOST_TEST(fields == "v " + std::to_string(hit_format) + " p " + producer + " f 2 l 7 h abc ");
}

// Two entries of one millisecond, or a clock that went back: the stream's order is that of
// shipping.
BOOST_AUTO_TEST_CASE(ids_of_entries_rise_whatever_the_clock_says)
{
    shipping_world redis;
    const std::int64_t future = 4'000'000'000'000;
    redis.text("HSET", keys::producers(partition), "last_ms", std::to_string(future));
    BOOST_TEST(redis.ship({}) == "ok 2 0 c2");
    BOOST_TEST(redis.held().at("last_ms") == future + 1);
}

BOOST_AUTO_TEST_CASE(a_copied_spool_is_stopped)
{
    shipping_world redis;
    BOOST_TEST(redis.ship({}) == "ok 2 0 c2");
    const auto before = redis.picture();
    shipment forged;
    forged.prev = "2";
    forged.last = "3";
    forged.prev_chain = "another";
    BOOST_TEST(redis.ship(forged) == "forked 2 0 c2");
    BOOST_TEST(differing(before, redis.picture()) == "");
    // A log that cannot know it is believed.
    forged.prev_chain = "";
    BOOST_TEST(redis.ship(forged) == "ok 3 0 c2");
}

BOOST_AUTO_TEST_CASE(beyond_the_bound_the_spool_keeps_its_hits_but_one_entry_always_fits)
{
    shipping_world redis;
    shipment s;
    s.bound = 5;
    BOOST_TEST(redis.ship(s) == "ok 2 0 c2");  // 10 bytes: nothing waits, so it may
    const auto before = redis.picture();
    s.prev = "2";
    s.last = "3";
    BOOST_TEST(redis.ship(s) == "full 2 0 c2");
    s.bound = 19;
    BOOST_TEST(redis.ship(s) == "full 2 0 c2");
    BOOST_TEST(differing(before, redis.picture()) == "");
    s.bound = 20;
    BOOST_TEST(redis.ship(s) == "ok 3 0 c2");
}

BOOST_AUTO_TEST_CASE(what_is_lost_is_declared_in_the_step_that_jumps_over_it)
{
    shipping_world redis;
    shipment s;
    s.last = "10";
    s.lost = "8";
    BOOST_TEST(redis.ship(s) == "ok 10 0 c2");
    s = {"10", "15", "5", "", "", 2, 1000, ""};
    BOOST_TEST(redis.ship(s) == "ok 15 0 ");
    const auto held = redis.held();
    BOOST_TEST(held.at(producer + ":lost") == 13);
    BOOST_TEST(held.at("lost") == 13);
    BOOST_TEST(held.at("bytes") == 10);
    // An entry stands for it, though it holds nothing: the aggregator moves on with it.
    BOOST_TEST(redis.number("XLEN", keys::hits(partition)) == 2);
}

BOOST_AUTO_TEST_CASE(nonsense_is_refused_before_the_first_write)
{
    shipping_world redis;
    BOOST_TEST(redis.ship({}) == "ok 2 0 c2");
    const auto before = redis.picture();
    const shipment table[] = {
        {"2", "2", "0", "", "c", 1, 1000, "x"},     {"2", "1", "0", "", "c", 1, 1000, "x"},
        {"2", "three", "0", "", "c", 1, 1000, "x"}, {"two", "3", "0", "", "c", 1, 1000, "x"},
        {"2", "3", "-1", "", "c", 1, 1000, "x"},    {"2", "3", "some", "", "c", 1, 1000, "x"}};
    for (const auto& s : table)
        BOOST_TEST(redis.ship(s) == "error", s.prev << ' ' << s.last << ' ' << s.lost);
    BOOST_TEST(differing(before, redis.picture()) == "");

    shipment next;
    next.prev = "2";
    next.last = "3";
    for (const auto& key : {keys::hits(partition), keys::producers(partition)}) {
        BOOST_TEST_CONTEXT(key << " of a wrong type")
        {
            shipping_world other;
            BOOST_TEST(other.ship({}) == "ok 2 0 c2");
            other.text("SET", key, "another program's");
            const auto damaged = other.picture();
            BOOST_TEST(other.ship(next) == "error");
            BOOST_TEST(differing(damaged, other.picture()) == "");
        }
    }
}

BOOST_AUTO_TEST_CASE(a_full_redis_refuses_an_entry_and_changes_nothing)
{
    shipping_world redis;
    BOOST_TEST(redis.ship({}) == "ok 2 0 c2");
    const auto before = redis.picture();
    redis.text("CONFIG", "SET", "maxmemory", 1);
    shipment next;
    next.prev = "2";
    next.last = "3";
    BOOST_TEST(redis.ship(next) == "error");
    redis.text("CONFIG", "SET", "maxmemory", 0);
    BOOST_TEST(differing(before, redis.picture()) == "");
    BOOST_TEST(redis.ship(next) == "ok 3 0 c2");
}

BOOST_AUTO_TEST_CASE(asking_tells_how_far_each_log_has_got_and_registers_it)
{
    shipping_world redis;
    BOOST_TEST(redis.ship({}) == "ok 2 0 c2");
    const auto now = std::to_string(utc(2021, 7, 26, 3));
    BOOST_TEST(redis.ask(now, {producer, "", other_producer, ""}) == "2 0 c2 0 0 0  0");
    const auto held = redis.held();
    BOOST_TEST(held.at(other_producer + ":shipped") == 0);
    BOOST_TEST(held.contains(other_producer + ":heard"));
    BOOST_TEST(held.contains(producer + ":heard"));
    BOOST_TEST(!held.contains(other_producer + ":watermark"));
    // It is heard of in steps of ten minutes: each is a write.
    const auto before = redis.picture();
    BOOST_TEST(redis.ask(now, {producer, "", other_producer, ""}) == "2 0 c2 0 0 0  0");
    BOOST_TEST(redis.ask(now, {}) == "");
    BOOST_TEST(differing(before, redis.picture()) == "");
    for (const auto& [time, names] :
         {std::pair<std::string, std::vector<std::string>>{"", {producer, ""}}, {now, {producer}}})
        BOOST_TEST(redis.ask(time, names) == "error");
}

BOOST_AUTO_TEST_CASE(a_full_redis_still_answers_how_far_it_is)
{
    shipping_world redis;
    BOOST_TEST(redis.ship({}) == "ok 2 0 c2");
    redis.text("CONFIG", "SET", "maxmemory", 1);
    BOOST_TEST(redis.ask("1", {producer, "2", other_producer, ""}) == "2 0 c2 0 0 0  0");
}

BOOST_AUTO_TEST_CASE(an_idle_log_moves_its_watermark_only_when_all_of_it_is_applied)
{
    shipping_world redis;
    BOOST_TEST(redis.ship({}) == "ok 2 0 c2");
    const auto now = utc(2021, 7, 26, 3);
    const auto ask = [&](std::int64_t at, const std::string& end = "2") {
        redis.ask(std::to_string(at), {producer, end});
    };
    ask(now);
    BOOST_TEST(!redis.held().contains(producer + ":watermark"));
    redis.text("HSET", keys::producers(partition), producer + ":applied", 2);
    // After a fall-back the log holds more than Redis has applied: all of that is older than now.
    ask(now, "5");
    ask(now, "");
    BOOST_TEST(!redis.held().contains(producer + ":watermark"));
    ask(now);
    BOOST_TEST(redis.held().at(producer + ":watermark") == now);
    // In steps of ten seconds, also back with a clock that was set back.
    ask(now + 9'999);
    BOOST_TEST(redis.held().at(producer + ":watermark") == now);
    ask(now - 9'999);
    BOOST_TEST(redis.held().at(producer + ":watermark") == now);
    ask(now - hour);
    BOOST_TEST(redis.held().at(producer + ":watermark") == now - hour);
    ask(now + 10'000);
    BOOST_TEST(redis.held().at(producer + ":watermark") == now + 10'000);
    // A collector's clock may be ahead: no further than that of Redis.
    ask(9'000'000'000'000);
    BOOST_TEST(redis.held().at(producer + ":watermark") < 9'000'000'000'000);

    redis.text("DEL", keys::producers(partition));
    redis.text("SET", keys::producers(partition), "another program's");
    BOOST_TEST(redis.ask(std::to_string(now), {producer, "2"}) == "error");
}

BOOST_AUTO_TEST_CASE(a_retired_log_goes_on_where_it_was)
{
    shipping_world redis;
    BOOST_TEST(redis.retire(producer) == "unknown");
    shipment s;
    s.lost = "1";
    BOOST_TEST(redis.ship(s) == "ok 2 0 c2");
    BOOST_TEST(redis.retire(producer) == "waits");
    redis.text("HSET", keys::producers(partition), producer + ":applied", 2);
    const auto before = redis.held();
    BOOST_TEST(redis.retire(producer) == "ok");
    BOOST_TEST(!redis.held().contains(producer + ":shipped"));
    BOOST_TEST(redis.kept(producer) == "2 1 c2");
    // Who has a copy of it ships nothing a second time, and is told where it was.
    const auto picture = redis.picture();
    for (const auto* prev : {"0", "1"}) {
        s.prev = prev;
        BOOST_TEST(redis.ship(s) == "moved 2 2 c2");
    }
    for (const auto* end : {"", "?"})
        BOOST_TEST(redis.ask(std::to_string(unix_ms()), {producer, end}) == "2 2 c2 1");
    s.prev = "2";
    s.last = "3";
    s.prev_chain = "c1";
    BOOST_TEST(redis.ship(s) == "forked 2 2 c2");
    BOOST_TEST(differing(picture, redis.picture()) == "");
    // Its next hit brings it back, or a question of who knows its end.
    s.prev_chain = "c2";
    const auto is_as_before = [&](const std::string& shipped) {
        BOOST_TEST(redis.kept(producer) == "");
        BOOST_TEST(redis.held().at(producer + ":shipped") == std::stoll(shipped));
        for (const auto* field : {":applied", ":lost"})
            BOOST_TEST(redis.held().at(producer + field) == before.at(producer + field));
    };
    const auto now = std::to_string(unix_ms() - hour);
    BOOST_TEST(redis.ask(now, {producer, "2"}) == "2 2 c2 1");
    is_as_before("2");
    BOOST_TEST(redis.held().at(producer + ":watermark") == std::stoll(now));
    BOOST_TEST(redis.retire(producer) == "ok");
    s.lost = "0";
    BOOST_TEST(redis.ship(s) == "ok 3 2 c2");
    is_as_before("3");
}

// Who has less of a log than Redis: the rest may be on another machine, or gone.
BOOST_AUTO_TEST_CASE(a_question_where_a_log_is_changes_nothing)
{
    shipping_world redis;
    shipment s;
    BOOST_TEST(redis.ask("1", {producer, "?"}) == "0 0  0");
    BOOST_TEST(redis.held().contains(producer + ":shipped"));  // its hits are to come
    BOOST_TEST(redis.ship(s) == "ok 2 0 c2");
    redis.text("HSET", keys::producers(partition), producer + ":applied", 2, producer + ":heard",
               7);
    const auto picture = redis.picture();
    BOOST_TEST(redis.ask(std::to_string(unix_ms()), {producer, "?"}) == "2 2 c2 0");
    BOOST_TEST(differing(picture, redis.picture()) == "");
}

BOOST_AUTO_TEST_CASE(of_a_log_without_a_hit_nothing_is_kept)
{
    shipping_world redis;
    BOOST_TEST(redis.ask("1", {producer, ""}) == "0 0  0");
    BOOST_TEST(redis.retire(producer) == "ok");
    BOOST_TEST(redis.kept(producer) == "");
    BOOST_TEST(redis.held().empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace apply_test
