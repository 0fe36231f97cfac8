// A batch of a stream: what Redis answers, decoded and folded. Input: a byte that chooses what is
// known, eight of the entry's time, and the bytes of an entry's hits, or the answer in Redis'
// protocol.

#include "aggregator/batch.hpp"

#include "aggregator/memory.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <memory>
#include <unordered_set>

namespace luot::fuzz {

namespace {

using namespace aggregator;

const site_table& sites()
{
    static const site_table table = [] {
        auto c = std::make_shared<config>();
        c->aggregator.max_paths = 6;
        for (const auto* const zone : {"Asia/Ho_Chi_Minh", "America/New_York", "UTC"}) {
            site_config site;
            site.id = std::string(1, static_cast<char>('a' + c->sites.size()));
            site.hosts = {"example.vn"};
            site.timezone = zone;
            site.max_new_paths_per_day = 4;
            c->sites.push_back(site);
        }
        return site_table(c);
    }();
    return table;
}

const classifier& classes()
{
    static const classifier all;
    return all;
}

std::int64_t value_of(const fields& f, std::string_view name)
{
    const auto found = f.find(name);
    return found == f.end() ? 0 : found->second;
}

std::int64_t sum_of(const fields& f, std::string_view prefix)
{
    std::int64_t sum = 0;
    for (const auto& [name, count] : f)
        if (name.starts_with(prefix))
            sum += count;
    return sum;
}

/// Totals, days, months, hours and pages of a site tell the same.
std::int64_t check_site(const additions::site& s)
{
    const auto views = value_of(s.totals, "views");
    for (const auto* const name : {"views", "visits", "events", "bots"}) {
        std::int64_t days = 0, months = 0;
        for (const auto& [date, day] : s.days)
            days += value_of(day, name);
        for (const auto& [date, month] : s.months)
            months += value_of(month, name);
        check(days == value_of(s.totals, name), "the days add up to the totals");
        check(months == value_of(s.totals, name), "the months add up to the totals");
    }
    std::size_t visitors = 0;
    for (const auto& [date, list] : s.visitors)
        visitors += list.size();
    check(static_cast<std::int64_t>(visitors) == views, "every view has its visitor");
    for (const auto& [date, day] : s.days) {
        check(sum_of(day, "views@") == value_of(day, "views"), "the hours add up to the day");
        check(sum_of(day, "visits@") == value_of(day, "visits"), "the hours add up to the day");
        check(sum_of(day, "bots:") == value_of(day, "bots"), "the kinds of bots add up");
        check(value_of(day, "visits") <= value_of(day, "views"), "a visit has a view");
        check(value_of(day, "new_paths") <= 4, "new paths of a day have a limit");
    }
    check(sum_of(s.pages, "") == views, "the pages add up to the views");
    check(s.pages.size() <= 8, "the paths of a site have a limit");  // 6, one known, and (other)
    return views + value_of(s.totals, "events") + value_of(s.totals, "bots");
}

/// Some of what was asked is known, as the seed says.
knowledge some_of(const questions& asked, std::uint64_t seed)
{
    numbers pick(seed);
    knowledge known;
    for (const auto id : asked.ids)
        if (pick.below(4) == 0)
            known.ids.insert(id);
    for (const auto& [id, s] : asked.sites) {
        auto& site = known.sites[id];
        site.path_count = pick.below(2) * pick.below(8);
        for (const auto visitor : s.visitors)
            if (pick.below(2) == 0)
                site.seen[visitor] = static_cast<std::int64_t>(pick.below(1ULL << 52));
        for (const auto& path : s.paths)
            if (site.paths.empty() && pick.below(2) == 0)
                site.paths.insert(path);
        for (const auto date : s.dates)
            site.new_paths[date] = static_cast<std::int64_t>(pick.below(2) * pick.below(6));
    }
    return known;
}

/// Hits with an id, of sites that are configured.
std::uint64_t with_id(const std::vector<entry>& batch, std::size_t count)
{
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < count; ++i)
        for (const auto& h : batch[i].hits)
            sum += h.id != 0 && sites().find(h.site) ? 1 : 0;
    return sum;
}

void try_batch(const std::vector<entry>& batch, std::uint64_t seed)
{
    for (const auto count : {batch.size(), batch.size() / 2}) {
        std::uint64_t hits = 0, damaged = 0;
        for (std::size_t i = 0; i < count; ++i) {
            hits += batch[i].hits.size();
            damaged += batch[i].damaged;
        }
        const auto known = some_of(ask_for(batch, count, sites()), seed);
        const auto added = fold(batch, count, known, sites(), classes());
        check(added.hits == hits && added.damaged == damaged, "a fold takes every hit");
        auto counted = added.repeats + added.unconfigured;
        for (const auto& [id, s] : added.sites)
            counted += static_cast<std::uint64_t>(check_site(s));
        check(counted == hits, "every hit is a view, an event, a bot, a repeat or unconfigured");

        std::unordered_set<std::uint64_t> ids;
        std::size_t listed = 0;
        for (const auto& [time, members] : added.ids) {
            listed += members.size();
            ids.insert(members.begin(), members.end());
        }
        check(ids.size() == listed && listed + added.repeats == with_id(batch, count),
              "of hits with one id one is counted");

        // Once applied and remembered, whatever has an id is a repeat.
        partition_memory memory;
        memory.applied("1-0", added, {});
        knowledge remembered;
        remembered.ids = known.ids;
        remembered.memory = &memory;
        check(fold(batch, count, remembered, sites(), classes()).repeats == with_id(batch, count),
              "a hit that was counted is not counted again");
    }
}

}  // namespace

void try_input(std::string_view input)
{
    byte_reader in{input};
    const auto seed = in.u8();
    const auto time_ms = static_cast<std::int64_t>(in.u64() % (1ULL << 53));
    if (!in.ok())
        return;
    entry plain;
    plain.id = std::to_string(time_ms) + "-0";
    plain.time_ms = time_ms;
    plain.producer = "0123456789abcdef";
    plain.prev = 1;
    plain.last = 2;
    decode_hits(in.rest(), plain);
    check(plain.bytes == in.rest().size(), "an entry knows its size");
    std::vector<entry> batch{plain, plain};
    try_batch(batch, seed);

    redis::reply_parser parser;
    if (parser.feed(in.rest()))
        return;
    const auto reply = parser.next();
    if (!reply || !*reply)
        return;
    batch.clear();
    if (!read_batch(redis::reply_view(reply->get()), batch))
        try_batch(batch, seed);
}

}  // namespace luot::fuzz

/// Rules are compiled before the first input: it is not its time.
extern "C" int LLVMFuzzerInitialize(int* /*count*/, char*** /*arguments*/)
{
    return luot::fuzz::classes().bots.size() > 0 ? 0 : 1;
}
