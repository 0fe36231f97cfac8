// The fold: what a batch of hits adds, given what Redis knows. Every decision that makes a count.

#include "aggregator/fold/fold.hpp"

#include "aggregator/fold/visit.hpp"
#include "aggregator/memory.hpp"
#include "core/local_time.hpp"
#include "tests/unit/support/hits.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace fold_test {

using namespace luot;
using namespace luot::aggregator;
using namespace luot::testing;
using namespace std::chrono_literals;

const std::string producer = "00000000000000aa";
constexpr std::string_view curl = "curl/8.5.0";

/// The sites that most tests fold for. Not the time zone of any machine that runs them.
const site_table& vietnam()
{
    static const auto table =
        sites_of({site_in("skhcn", "Asia/Ho_Chi_Minh"), site_in("vpub", "Asia/Ho_Chi_Minh")});
    return table;
}

const site_table::site& skhcn()
{
    return *vietnam().find("skhcn");
}

additions folded(const site_table& sites, const std::vector<entry>& batch,
                 const knowledge& known = {})
{
    return fold(batch, batch.size(), known, sites, all_classes());
}

/// One entry with these hits, folded.
additions folded(const std::vector<hit>& hits, const knowledge& known = {})
{
    return folded(vietnam(), {entry_of(producer, hits.size(), hits)}, known);
}

std::string shown(const std::string& state)
{
    const auto v = decode_visit(state);
    auto text = date_text(v.date) + ' ' + utc_text(v.last_view_ms) + ' ' + std::to_string(v.views) +
                ' ' + to_hex(v.other_id) + ' ' + v.exit + ' ' + v.source + ' ' + v.campaign;
    for (const auto& p : v.pages)
        text += ' ' + to_hex(p.id) + '@' + std::to_string(p.at_ms);
    return text;
}

/// What Redis would hold once additions were applied: answers questions as lookup does, about what
/// was asked and nothing else.
class memory {
public:
    struct site {
        fields totals, pages;
        std::map<std::int32_t, fields> days, months;
        std::map<std::int32_t, std::set<std::uint64_t>> visitors;
        std::map<std::uint64_t, std::int64_t> seen;
        std::map<std::uint64_t, std::string> visits;
        std::map<std::string, std::string> votes;
        client_counts new_by_client;
        std::map<std::int32_t, std::vector<std::uint64_t>> first_seen;
        std::map<std::int32_t, std::map<std::string, fields>> broken_down;
    };

    void apply(const additions& a)
    {
        for (const auto& [id, added] : a.sites) {
            auto& s = sites[id];
            add(s.totals, added.totals);
            add(s.pages, added.pages);
            for (const auto& [date, counts] : added.days)
                add(s.days[date], counts);
            for (const auto& [date, counts] : added.months)
                add(s.months[date], counts);
            for (const auto& [date, visitors] : added.visitors)
                s.visitors[date].insert(visitors.begin(), visitors.end());
            for (const auto& [visitor, time] : added.seen)
                s.seen[visitor] = std::max(s.seen[visitor], time);
            for (const auto& [visitor, state] : added.visits)
                s.visits[visitor] = state;
            for (const auto& [path, votes] : added.votes)
                s.votes[std::string(path)] = votes;
            for (const auto& [hour, clients] : added.new_by_client)
                for (const auto& [client, count] : clients)
                    s.new_by_client[hour][client] += count;
            for (const auto& [date, hashes] : added.first_seen)
                s.first_seen[date].insert(s.first_seen[date].end(), hashes.begin(), hashes.end());
            for (const auto& [date, t] : added.broken_down)
                for (std::size_t by = 0; by < breakdown_count; ++by)
                    for (const auto& [member, count] : t[by])
                        add(s.broken_down[date][std::string(breakdown_names[by].key)],
                            {{member, count}});
        }
        for (const auto& [set, members] : a.ids)
            ids[set].insert(members.begin(), members.end());
        for (const auto& [name, position] : a.positions) {
            auto& p = positions[name];
            p.first = std::max(p.first, position.applied);
            p.second = position.watermark_ms > 0 ? position.watermark_ms : p.second;
        }
        hits += a.hits;
        repeats += a.repeats;
        unconfigured += a.unconfigured;
    }

    [[nodiscard]] knowledge answer(const questions& asked) const
    {
        knowledge known;
        for (const auto id : asked.ids)
            for (const auto& [set, members] : ids)
                if (members.contains(id))
                    known.ids.insert(id);
        for (const auto& [id, ask] : asked.sites) {
            auto& out = known.sites[id];
            const auto found = sites.find(id);
            if (found == sites.end())
                continue;
            const auto& s = found->second;
            out.path_count = s.pages.size() - s.pages.count(other_path);
            for (const auto& [hour, clients] : ask.clients)
                if (const auto of_hour = s.new_by_client.find(hour);
                    of_hour != s.new_by_client.end())
                    for (const auto client : clients)
                        if (const auto found = of_hour->second.find(client);
                            found != of_hour->second.end())
                            out.new_by_client[hour].insert(*found);
            for (const auto visitor : ask.visitors)
                if (const auto seen = s.seen.find(visitor); seen != s.seen.end()) {
                    out.seen.insert(*seen);
                    out.visits.insert(*s.visits.find(visitor));
                }
            for (const auto& path : ask.voted_paths)
                if (const auto votes = s.votes.find(path); votes != s.votes.end())
                    out.votes.insert(*votes);
            for (const auto& path : ask.paths)
                if (s.pages.contains(path))
                    out.paths.insert(path);
            for (const auto date : ask.dates)
                if (const auto day = s.days.find(date); day != s.days.end())
                    out.new_paths[date] = count_of(day->second, "new_paths");
        }
        return known;
    }

    /// Everything that there is to know.
    [[nodiscard]] knowledge all() const
    {
        questions everything;
        for (const auto& [set, members] : ids)
            everything.ids.insert(everything.ids.end(), members.begin(), members.end());
        for (const auto& [id, s] : sites) {
            auto& ask = everything.sites[id];
            for (const auto& [visitor, time] : s.seen)
                ask.visitors.push_back(visitor);
            for (const auto& [path, views] : s.pages)
                ask.paths.push_back(path);
            for (const auto& [path, votes] : s.votes)
                ask.voted_paths.push_back(path);
            for (const auto& [date, counts] : s.days)
                ask.dates.push_back(date);
            for (const auto& [hour, clients] : s.new_by_client)
                for (const auto& [client, count] : clients)
                    ask.clients[hour].push_back(client);
        }
        return answer(everything);
    }

    /// All of it as text, to compare and to read.
    [[nodiscard]] std::string text() const
    {
        std::string out;
        const auto line = [&out](const std::string& name, const fields& counts) {
            out += name + ": " + text_of(counts) + '\n';
        };
        for (const auto& [id, s] : sites) {
            line(id + " totals", s.totals);
            line(id + " pages", s.pages);
            for (const auto& [date, counts] : s.days)
                line(id + ' ' + date_text(date), counts);
            for (const auto& [date, counts] : s.months)
                line(id + " month " + date_text(date), counts);
            for (const auto& [date, visitors] : s.visitors)
                for (const auto visitor : visitors)
                    out += id + " visitor " + date_text(date) + ' ' + to_hex(visitor) + '\n';
            for (const auto& [visitor, time] : s.seen)
                out += id + " seen " + to_hex(visitor) + ' ' + utc_text(time) + ' ' +
                       shown(s.visits.at(visitor)) + '\n';
            for (const auto& [path, encoded] : s.votes) {
                const auto votes = decode_votes(encoded);
                out += id + " votes " + path + ' ' + std::to_string(votes.first_seen) + ' ' +
                       std::string(votes.title()) + ' ' + std::to_string(checksum(encoded)) + '\n';
            }
            for (const auto& [hour, clients] : s.new_by_client)
                for (const auto& [client, count] : std::map(clients.begin(), clients.end()))
                    out += id + " client " + std::to_string(hour) + ' ' + to_hex(client) + ' ' +
                           std::to_string(count) + '\n';
            for (const auto& [date, hashes] : s.first_seen)
                for (const auto hash : hashes)
                    out += id + " first seen " + date_text(date) + ' ' + to_hex(hash) + '\n';
            for (const auto& [date, by] : s.broken_down)
                for (const auto& [name, members] : by)
                    line(id + ' ' + date_text(date) + ' ' + name, members);
        }
        for (const auto& [set, members] : ids)
            for (const auto id : members)
                out += "id " + std::to_string(set) + ' ' + to_hex(id) + '\n';
        for (const auto& [name, position] : positions)
            out += name + ' ' + std::to_string(position.first) + ' ' + utc_text(position.second) +
                   '\n';
        out += std::to_string(hits) + " hits, " + std::to_string(repeats) + " repeats, " +
               std::to_string(unconfigured) + " unconfigured\n";
        return out;
    }

    std::map<std::string, site> sites;
    std::map<std::int64_t, std::set<std::uint64_t>> ids;
    std::map<std::string, std::pair<std::uint64_t, std::int64_t>> positions;
    std::uint64_t hits = 0, repeats = 0, unconfigured = 0;

private:
    static void add(fields& to, const fields& more)
    {
        for (const auto& [name, count] : more)
            if ((to[name] += count) == 0)
                to.erase(name);
    }
};

/// A stream as it may be: two sites and one that is gone, three producers, people, events, crawlers
/// and repeats, out of order, over the midnight of Vietnam at the end of a month.
std::vector<entry> random_stream(unsigned seed, const site_table& sites, std::size_t entries)
{
    static const std::vector<std::string> paths = [] {
        std::vector<std::string> all;
        all.reserve(100);
        for (int i = 0; i < 100; ++i)
            all.push_back("/tin-tuc/" + std::to_string(i));
        return all;
    }();
    static const site_config gone = site_in("gone", "UTC");
    std::mt19937 random(seed);
    const auto below = [&random](std::uint32_t n) {
        return static_cast<std::uint32_t>(random() % n);
    };
    // 16:40 UTC is twenty minutes before midnight there.
    auto now = utc(2021, 7, 31, 16, 40);
    std::map<std::string, std::uint64_t> offsets;
    std::vector<entry> stream;
    stream.reserve(entries);
    for (std::size_t i = 0; i < entries; ++i) {
        now += below(3) == 0 ? below(8 * minute) : below(20'000);
        std::vector<hit> hits;
        const auto count = below(6);
        for (std::uint32_t n = 0; n < count; ++n) {
            const auto& site = *sites.find(below(3) == 0 ? "vpub" : "skhcn");
            const auto late = below(10) == 0 ? below(50 * minute) : below(3'000);
            auto h = view_of(site, 1, now - late, paths[below(1 + below(100))]);
            // A person has another id on each day, and names both in a day's first half hour.
            const auto person = std::uint64_t{1} + below(12);
            const auto id_on = [person](std::int32_t date) {
                return person * 1'000'000 + static_cast<std::uint64_t>(date);
            };
            h.visitor = id_on(h.local_date);
            if (site.zone.date(h.time_ms - 30 * minute) < h.local_date)
                h.visitor_before = id_on(h.local_date - 1);
            h.client = below(3);  // 0: not limited
            if (below(6) == 0)
                h.referrer = below(2) == 0 ? "google.com" : "tin.example.vn/a";
            if (below(9) == 0)
                h.campaign = "tet";
            if (below(4) != 0)
                h.title = below(3) == 0 ? "Tin cũ" : "Tin hay";
            if (below(3) == 0)
                h.section = "Tin tức";
            if (below(8) == 0)
                h.event = "download";
            if (below(10) == 0)
                h.user_agent = below(2) == 0 ? crawler_agent : curl;
            if (below(3) != 0)
                h.id = 1 + below(60);
            if (below(25) == 0)
                h.time_ms += 20'000;  // a collector whose clock is ahead
            if (below(25) == 0)
                h.site = gone.id;
            hits.push_back(h);
        }
        const auto name = to_hex(0xA0 + below(3));
        offsets[name] += hits.size() + below(2);  // a gap: hits declared lost
        stream.push_back(entry_of(name, offsets[name], hits, now));
    }
    return stream;
}

BOOST_AUTO_TEST_SUITE(the_fold)

// "Always true" of the contract, on whatever a batch holds.
BOOST_AUTO_TEST_CASE(views_of_pages_days_months_and_hours_add_up_to_those_of_the_site)
{
    std::int64_t all_views = 0, all_visits = 0, over_two_months = 0;
    for (unsigned seed = 1; seed <= 50; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed)
        {
            const auto stream = random_stream(seed, vietnam(), 120);
            const auto a = folded(vietnam(), stream);
            std::uint64_t hits = 0, accounted = a.repeats + a.unconfigured;
            for (const auto& e : stream)
                hits += e.hits.size();
            std::int64_t bots_by_kind = 0;
            for (const auto& [kind, count] : a.bots)
                bots_by_kind += static_cast<std::int64_t>(count);
            for (const auto& [id, s] : a.sites) {
                BOOST_TEST_CONTEXT("site " << id)
                {
                    const auto views = count_of(s.totals, "views");
                    BOOST_TEST(sum_of(s.pages) == views);
                    fields days, months;
                    std::int64_t hours = 0, visit_hours = 0;
                    for (const auto& [date, counts] : s.days) {
                        BOOST_TEST(count_of(counts, "visits") <= count_of(counts, "views"));
                        BOOST_TEST(sum_of(counts, "views@") == count_of(counts, "views"));
                        BOOST_TEST(sum_of(counts, "visits@") == count_of(counts, "visits"));
                        for (const auto& [name, count] : counts) {
                            // A visit that began in an earlier batch is a bounce no more.
                            BOOST_TEST((count > 0 || (count < 0 && name == "bounces")),
                                       name << " is a key of nothing");
                            days[name] += count;
                            if (name.starts_with("visits@"))
                                BOOST_TEST(count <= count_of(counts, "views@" + name.substr(7)));
                        }
                        hours += sum_of(counts, "views@");
                        visit_hours += sum_of(counts, "visits@");
                        if (const auto t = s.broken_down.find(date); t != s.broken_down.end())
                            for (const auto& b : breakdown_names)
                                if (!b.whole.empty())
                                    BOOST_TEST(
                                        sum_of(t->second[static_cast<std::size_t>(b.what)]) ==
                                            count_of(counts, b.whole),
                                        b.key);
                        const auto visitors = s.visitors.find(date);
                        BOOST_TEST((visitors == s.visitors.end() ? 0 : visitors->second.size()) ==
                                   static_cast<std::size_t>(count_of(counts, "views")));
                    }
                    for (const auto& [date, counts] : s.months) {
                        BOOST_TEST(month_begin(date) == date);
                        BOOST_TEST(count_of(counts, "visits") <= count_of(counts, "views"));
                        for (const auto& [name, count] : counts)
                            months[name] += count;
                    }
                    over_two_months += s.months.size() == 2 ? 1 : 0;
                    BOOST_TEST(hours == views);
                    BOOST_TEST(visit_hours == count_of(s.totals, "visits"));
                    // The same names, the same sums, on each way to slice the time.
                    BOOST_TEST(text_of(months) == text_of(s.totals));
                    for (const auto& [name, count] : s.totals)
                        BOOST_TEST(count_of(days, name) == count, name);
                    BOOST_TEST(sum_of(s.totals, "bots:") == count_of(s.totals, "bots"));
                    BOOST_TEST(count_of(s.totals, "visits") <= views);
                    BOOST_TEST(s.views == static_cast<std::uint64_t>(views));
                    const auto to_other = std::accumulate(s.other_views.begin(),
                                                          s.other_views.end(), std::uint64_t{0});
                    BOOST_TEST(to_other ==
                               static_cast<std::uint64_t>(count_of(s.pages, other_path)));
                    BOOST_TEST(count_of(days, "new_paths") ==
                               static_cast<std::int64_t>(s.new_paths));
                    bots_by_kind -= count_of(s.totals, "bots");
                    accounted += static_cast<std::uint64_t>(views + count_of(s.totals, "events") +
                                                            count_of(s.totals, "bots"));
                    all_views += views;
                    all_visits += count_of(s.totals, "visits");
                }
            }
            BOOST_TEST(bots_by_kind == 0);
            // No hit is dropped without a word.
            BOOST_TEST(a.hits == hits);
            BOOST_TEST(accounted == hits);
        }
    }
    BOOST_TEST(over_two_months > 90);
    BOOST_TEST(all_visits > 500);
    BOOST_TEST(all_views > 2 * all_visits);
}

// A batch is whatever is there when the aggregator looks: where it is cut must not show.
BOOST_AUTO_TEST_CASE(counts_do_not_depend_on_how_a_stream_is_cut_into_batches)
{
    for (unsigned seed = 1; seed <= 100; ++seed) {
        // Some streams come to the limits of paths.
        auto skhcn = site_in("skhcn", "Asia/Ho_Chi_Minh");
        if (seed % 3 == 1)
            skhcn.max_new_paths_per_day = 5 + seed % 7;
        if (seed % 4 == 0)
            skhcn.reload_window = 10min;
        const auto sites = sites_of({skhcn, site_in("vpub", "Asia/Ho_Chi_Minh")},
                                    seed % 3 == 2 ? 4 + seed % 9 : 100'000);
        const auto stream = random_stream(seed, sites, 100);
        memory whole;
        whole.apply(folded(sites, stream));

        std::mt19937 random(seed + 1000);
        memory parts;
        std::size_t cuts = 0;
        for (std::size_t from = 0; from < stream.size(); ++cuts) {
            const std::size_t most = seed % 2 == 0 ? 1 : 30;
            const auto upto = std::min(stream.size(), from + 1 + random() % most);
            const std::vector<entry> batch(stream.begin() + static_cast<std::ptrdiff_t>(from),
                                           stream.begin() + static_cast<std::ptrdiff_t>(upto));
            parts.apply(folded(sites, batch, parts.answer(ask_for(batch, batch.size(), sites))));
            from = upto;
        }
        BOOST_TEST_CONTEXT("seed " << seed << ", " << cuts << " batches")
        {
            BOOST_TEST(whole.sites.at("skhcn").days.size() >= 2U);
            BOOST_TEST(cuts > 1U);
            BOOST_TEST(parts.text() == whole.text());
        }
    }
}

// Whatever the fold looks at must have been asked for: an answer that is missing reads as "never
// seen", and counts twice.
BOOST_AUTO_TEST_CASE(all_that_the_fold_uses_is_asked_for)
{
    for (unsigned seed = 1; seed <= 60; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed)
        {
            auto skhcn = site_in("skhcn", "Asia/Ho_Chi_Minh");
            skhcn.max_new_paths_per_day = 12;
            const auto sites = sites_of({skhcn, site_in("vpub", "Asia/Ho_Chi_Minh")}, 30);
            const auto stream = random_stream(seed, sites, 80);
            memory before;
            before.apply(fold(stream, 40, {}, sites, all_classes()));
            const std::vector<entry> batch(stream.begin() + 40, stream.end());
            for (const std::size_t count : {1U, 7U, 40U}) {
                const auto asked = ask_for(batch, count, sites);
                memory with_all, with_asked;
                with_all.apply(fold(batch, count, before.all(), sites, all_classes()));
                with_asked.apply(fold(batch, count, before.answer(asked), sites, all_classes()));
                BOOST_TEST(with_asked.text() == with_all.text());
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(nothing_is_asked_twice_and_nothing_of_sites_that_are_gone)
{
    const auto now = utc(2021, 7, 26, 3);
    auto first = view_of(skhcn(), 1, now, "/a");
    first.id = 7;
    first.visitor_before = 2;
    auto event = event_of(skhcn(), 3, now);
    event.path = "/only-an-event";
    auto gone = view_of(skhcn(), 4, now);
    gone.site = "gone";
    gone.id = 8;
    const std::vector<entry> batch{entry_of(producer, 4, {first, first, event, gone}),
                                   entry_of(producer, 5, {view_of(skhcn(), 9, now, "/later")})};
    const auto asked = ask_for(batch, 1, vietnam());
    BOOST_TEST(asked.ids == std::vector<std::uint64_t>{7}, boost::test_tools::per_element());
    BOOST_TEST_REQUIRE(asked.sites.size() == 1U);
    const auto& s = asked.sites.at("skhcn");
    const std::vector<std::uint64_t> visitors{1, 2, 3};
    BOOST_TEST(s.visitors == visitors, boost::test_tools::per_element());
    BOOST_TEST(s.paths == std::vector<std::string>{"/a"}, boost::test_tools::per_element());
    BOOST_TEST(s.dates == std::vector<std::int32_t>{days(2021, 7, 26)},
               boost::test_tools::per_element());
}

// The aggregator halves a batch that is too heavy for one script.
BOOST_AUTO_TEST_CASE(only_as_many_entries_are_folded_as_was_said)
{
    const auto now = utc(2021, 7, 26, 3);
    std::vector<entry> batch;
    for (std::uint64_t i = 1; i <= 4; ++i)
        batch.push_back(entry_of(producer, i, {view_of(skhcn(), i, now)}));
    for (std::size_t count = 1; count <= batch.size(); ++count) {
        const auto a = fold(batch, count, {}, vietnam(), all_classes());
        BOOST_TEST(a.hits == count);
        BOOST_TEST(a.positions.at(producer).applied == count);
        BOOST_TEST(count_of(a.sites.at("skhcn").totals, "views") ==
                   static_cast<std::int64_t>(count));
    }
}

BOOST_AUTO_TEST_CASE(a_gap_of_half_an_hour_begins_a_new_visit)
{
    const auto begin = utc(2021, 7, 26, 3);
    const struct {
        std::string what;
        std::vector<std::int64_t> after_ms;  // of the hits of one visitor, since `begin`
        std::int64_t visits;
    } table[] = {
        {"one view", {0}, 1},
        {"a reload", {0, 0}, 1},
        {"a moment less than 30 minutes", {0, 30 * minute - 1}, 1},
        {"exactly 30 minutes", {0, 30 * minute}, 2},
        {"a chain of short gaps", {0, 29 * minute, 58 * minute, 87 * minute}, 1},
        {"two gaps", {0, 30 * minute, 60 * minute}, 3},
        {"an older hit goes on", {0, -hour}, 1},
        {"an older hit does not set the clock back", {0, -hour, 29 * minute}, 1},
        {"nor does it keep the visit open", {0, -hour, 30 * minute}, 2},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.what)
        {
            std::vector<hit> hits;
            for (const auto after : row.after_ms)
                hits.push_back(view_of(skhcn(), 1, begin + after));
            memory one_by_one;
            for (const auto& h : hits) {
                const std::vector<entry> batch{entry_of(producer, 1, {h})};
                one_by_one.apply(
                    folded(vietnam(), batch, one_by_one.answer(ask_for(batch, 1, vietnam()))));
            }
            const auto a = folded(hits);
            const auto& s = a.sites.at("skhcn");
            BOOST_TEST(count_of(s.totals, "visits") == row.visits);
            BOOST_TEST(count_of(one_by_one.sites["skhcn"].totals, "visits") == row.visits);
            BOOST_TEST(count_of(s.totals, "views") ==
                       static_cast<std::int64_t>(row.after_ms.size()));
            const auto last = *std::max_element(row.after_ms.begin(), row.after_ms.end());
            BOOST_TEST(s.seen.at(1) == begin + last);
        }
    }
}

BOOST_AUTO_TEST_CASE(each_visitor_and_each_site_has_visits_of_its_own)
{
    const auto now = utc(2021, 7, 26, 3);
    const auto& vpub = *vietnam().find("vpub");
    const auto a = folded({view_of(skhcn(), 1, now), view_of(skhcn(), 2, now + 1),
                           view_of(vpub, 1, now + 2), view_of(skhcn(), 1, now + 3)});
    BOOST_TEST(count_of(a.sites.at("skhcn").totals, "visits") == 2);
    BOOST_TEST(count_of(a.sites.at("vpub").totals, "visits") == 1);
}

// At midnight a visitor gets another id. The record names the old one for half an hour, which is as
// long as a visit can go on.
BOOST_AUTO_TEST_CASE(a_visit_goes_on_over_midnight_and_counts_on_the_day_it_began)
{
    const auto midnight = utc(2021, 7, 26, 17);
    constexpr std::uint64_t yesterday = 1, today = 2;
    const struct {
        std::string what;
        std::int64_t last_before, first_after;  // milliseconds from midnight
        bool names_yesterday, goes_on;
    } table[] = {
        {"a minute later", -30'000, 30'000, true, true},
        {"29:59.999 later", -10 * minute, 20 * minute - 1, true, true},
        {"30 minutes later", -10 * minute, 20 * minute, true, false},
        {"a record without the old id", -30'000, 30'000, false, false},
    };
    for (const auto& row : table) {
        for (const bool is_known_before : {false, true}) {
            BOOST_TEST_CONTEXT(row.what << (is_known_before ? ", in two batches" : ""))
            {
                const auto before = view_of(skhcn(), yesterday, midnight + row.last_before);
                auto after = view_of(skhcn(), today, midnight + row.first_after);
                if (row.names_yesterday)
                    after.visitor_before = yesterday;
                BOOST_TEST_REQUIRE(after.local_date == before.local_date + 1);
                knowledge known;
                if (is_known_before)
                    known.sites["skhcn"].seen[yesterday] = before.time_ms;
                const auto a = is_known_before ? folded({after}, known) : folded({before, after});
                const auto& s = a.sites.at("skhcn");
                BOOST_TEST(count_of(s.days.at(after.local_date), "visits") ==
                           (row.goes_on ? 0 : 1));
                BOOST_TEST(count_of(s.days.at(after.local_date), "views") == 1);
                if (!is_known_before)
                    BOOST_TEST(count_of(s.days.at(before.local_date), "visits") == 1);
                // From now on under the new id alone.
                BOOST_TEST(s.seen.at(today) == after.time_ms);
                BOOST_TEST_REQUIRE(s.visitors.at(after.local_date).size() == 1U);
                BOOST_TEST(s.visitors.at(after.local_date).front() == today);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(the_later_of_both_ids_decides)
{
    const auto now = utc(2021, 7, 26, 17, 20);
    auto h = view_of(skhcn(), 2, now);
    h.visitor_before = 1;
    for (const bool today_is_later : {false, true}) {
        knowledge known;
        known.sites["skhcn"].seen = {{2, now - (today_is_later ? 29 : 40) * minute},
                                     {1, now - (today_is_later ? 40 : 29) * minute}};
        BOOST_TEST(count_of(folded({h}, known).sites.at("skhcn").totals, "visits") == 0);
    }
}

BOOST_AUTO_TEST_CASE(an_event_extends_a_visit_but_begins_none_and_makes_no_visitor)
{
    const auto begin = utc(2021, 7, 26, 3);
    const auto alone = folded({event_of(skhcn(), 1, begin)});
    const auto& s = alone.sites.at("skhcn");
    BOOST_TEST(count_of(s.totals, "events") == 1);
    BOOST_TEST(count_of(s.days.at(days(2021, 7, 26)), "events") == 1);
    BOOST_TEST(count_of(s.months.at(days(2021, 7, 1)), "events") == 1);
    BOOST_TEST(count_of(s.totals, "views") == 0);
    BOOST_TEST(count_of(s.totals, "visits") == 0);
    BOOST_TEST(s.pages.empty());
    BOOST_TEST(s.visitors.empty());
    BOOST_TEST(s.seen.empty());
    BOOST_TEST(s.views == 0U);

    // The view after it is the one that begins the visit.
    const auto then_a_view =
        folded({event_of(skhcn(), 1, begin), view_of(skhcn(), 1, begin + minute)});
    BOOST_TEST(count_of(then_a_view.sites.at("skhcn").totals, "visits") == 1);

    const struct {
        std::string what;
        std::int64_t event_after_ms, view_after_ms, visits;
    } table[] = {
        {"it bridges a gap", 20 * minute, 40 * minute, 1},
        {"the gap counts from the event", 20 * minute, 50 * minute, 2},
        {"too late to go on with the visit, it is nothing to go on from", 30 * minute, 31 * minute,
         2},
        {"an older event does not set the clock back", -20 * minute, 29 * minute, 1},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.what)
        {
            const auto a = folded({view_of(skhcn(), 1, begin),
                                   event_of(skhcn(), 1, begin + row.event_after_ms),
                                   view_of(skhcn(), 1, begin + row.view_after_ms)});
            BOOST_TEST(count_of(a.sites.at("skhcn").totals, "visits") == row.visits);
        }
    }
}

/// Rows of one breakdown of one day.
fields rows_of(const additions& a, std::int32_t date, breakdown by)
{
    const auto& t = a.sites.at("skhcn").broken_down.at(date)[static_cast<std::size_t>(by)];
    return {t.begin(), t.end()};
}

BOOST_AUTO_TEST_CASE(the_properties_of_an_event_are_counted_by_name_key_and_value)
{
    const auto begin = utc(2021, 7, 26, 3);
    const auto today = days(2021, 7, 26);
    auto of_a = event_of(skhcn(), 1, begin), of_b = of_a, of_other = of_a, of_bot = of_a;
    of_a.properties = "file\037a.pdf\036paid\037true\036";
    of_b.properties = "file\037b.pdf\036";
    of_other.properties = of_b.properties;
    of_other.event = "print";
    of_bot.properties = of_a.properties;
    of_bot.user_agent = crawler_agent;
    const auto a = folded({of_a, of_a, of_b, of_other, of_bot, event_of(skhcn(), 1, begin),
                           view_of(skhcn(), 1, begin)});
    const auto rows = rows_of(a, today, breakdown::event_property);
    const fields wanted{{"download\037file\037a.pdf", 2},
                        {"download\037file\037b.pdf", 1},
                        {"download\037paid\037true", 2},
                        {"print\037file\037b.pdf", 1}};
    BOOST_TEST(text_of(rows) == text_of(wanted));
    BOOST_TEST(text_of(rows_of(a, today, breakdown::event)) ==
               text_of({{"download", 4}, {"print", 1}}));
    BOOST_TEST(count_of(a.sites.at("skhcn").totals, "events") == 5);
}

BOOST_AUTO_TEST_CASE(a_visit_with_one_view_is_a_bounce_until_there_is_another)
{
    const auto begin = utc(2021, 7, 26, 3);
    const auto today = days(2021, 7, 26);
    const auto bounces = [&](const additions& a) {
        const auto& s = a.sites.at("skhcn");
        BOOST_TEST(count_of(s.totals, "bounces") == count_of(s.days.at(today), "bounces"));
        return count_of(s.totals, "bounces");
    };
    memory redis;
    const auto apply = [&](const hit& h) {
        const std::vector<entry> batch{entry_of(producer, 1, {h})};
        const auto a = folded(vietnam(), batch, redis.answer(ask_for(batch, 1, vietnam())));
        redis.apply(a);
        return bounces(a);
    };
    BOOST_TEST(apply(view_of(skhcn(), 1, begin)) == 1);
    BOOST_TEST(apply(event_of(skhcn(), 1, begin + minute)) == 0);
    BOOST_TEST(apply(view_of(skhcn(), 1, begin + 2 * minute)) == -1);
    BOOST_TEST(apply(view_of(skhcn(), 1, begin + 3 * minute, "/b")) == 0);
    BOOST_TEST(apply(view_of(skhcn(), 1, begin + 33 * minute)) == 1);  // the next visit
    const auto& counts = redis.sites.at("skhcn").totals;
    BOOST_TEST(count_of(counts, "visits") == 2);
    BOOST_TEST(count_of(counts, "visit_ms") == 3 * minute);
}

BOOST_AUTO_TEST_CASE(a_visit_enters_where_it_began_and_exits_where_it_was_last)
{
    const auto begin = utc(2021, 7, 26, 3);
    const auto today = days(2021, 7, 26);
    const std::vector<hit> hits{
        view_of(skhcn(), 1, begin, "/a"),
        view_of(skhcn(), 1, begin + 2 * minute, "/b"),
        view_of(skhcn(), 1, begin + minute, "/late"),  // came late: not the last by its time
        view_of(skhcn(), 2, begin, "/a"),
        event_of(skhcn(), 2, begin + minute),
    };
    const auto a = folded(hits);
    BOOST_TEST(text_of(rows_of(a, today, breakdown::entry)) == text_of({{"/a", 2}}));
    BOOST_TEST(text_of(rows_of(a, today, breakdown::exit)) == text_of({{"/a", 1}, {"/b", 1}}));
    // What an earlier batch said is taken back.
    memory redis;
    for (const auto& h : hits) {
        const std::vector<entry> batch{entry_of(producer, 1, {h})};
        redis.apply(folded(vietnam(), batch, redis.answer(ask_for(batch, 1, vietnam()))));
    }
    BOOST_TEST(text_of(redis.sites.at("skhcn").broken_down.at(today).at("exits")) ==
               text_of({{"/a", 1}, {"/b", 1}}));
}

BOOST_AUTO_TEST_CASE(a_visit_over_midnight_has_its_bounce_and_exit_on_the_day_it_began)
{
    const auto midnight = utc(2021, 7, 26, 17);
    const auto before = days(2021, 7, 26), after = before + 1;
    auto second = view_of(skhcn(), 2, midnight + minute, "/b");
    second.visitor_before = 1;
    const auto third = view_of(skhcn(), 2, midnight + 30 * minute, "/c");
    // Late, and under the old id: the visit is the same under both.
    const auto late = view_of(skhcn(), 1, midnight - 2 * minute, "/late");
    // Its time is that of the visit already, though nothing came later under this id.
    const auto between = view_of(skhcn(), 1, midnight - minute / 2, "/between");
    for (const bool is_event : {false, true}) {
        if (is_event)
            second.event = "download";
        memory redis;
        for (const auto& h :
             {view_of(skhcn(), 1, midnight - minute, "/a"), second, third, late, between}) {
            const std::vector<entry> batch{entry_of(producer, 1, {h})};
            redis.apply(folded(vietnam(), batch, redis.answer(ask_for(batch, 1, vietnam()))));
        }
        const auto& s = redis.sites.at("skhcn");
        BOOST_TEST(count_of(s.totals, "visits") == 1);
        BOOST_TEST(count_of(s.totals, "bounces") == 0);
        BOOST_TEST(count_of(s.days.at(before), "bounces") == 0);
        BOOST_TEST(count_of(s.days.at(after), "bounces") == 0);
        BOOST_TEST(count_of(s.days.at(before), "visit_ms") == 31 * minute);
        BOOST_TEST(text_of(s.broken_down.at(before).at("exits")) == text_of({{"/c", 1}}));
    }
}

BOOST_AUTO_TEST_CASE(views_are_owed_to_where_their_visit_came_from)
{
    const auto begin = utc(2021, 7, 26, 3);
    const auto today = days(2021, 7, 26);
    auto first = view_of(skhcn(), 1, begin);
    first.referrer = "google.com/search";
    first.campaign = "tet";
    auto other = view_of(skhcn(), 2, begin);
    other.referrer = "zalo.me";
    const auto a = folded(
        {first, view_of(skhcn(), 1, begin + minute, "/b"), other, view_of(skhcn(), 3, begin)});
    BOOST_TEST(text_of(rows_of(a, today, breakdown::source)) ==
               text_of({{"Google", 2}, {"Zalo", 1}, {"(direct)", 1}}));
    BOOST_TEST(text_of(rows_of(a, today, breakdown::campaign)) ==
               text_of({{"tet", 2}, {"(none)", 2}}));
    BOOST_TEST(text_of(rows_of(a, today, breakdown::referrer)) ==
               text_of({{"Google", 1}, {"Zalo", 1}, {"(none)", 2}}));
}

BOOST_AUTO_TEST_CASE(what_a_page_is_read_with_is_a_row_each)
{
    const auto begin = utc(2021, 7, 26, 3);
    const auto today = days(2021, 7, 26);
    auto h = view_of(skhcn(), 1, begin);
    h.language = "vi-VN";
    h.width = 390;
    h.country = "VN";
    const auto a = folded({h});
    for (const auto& [by, row] : {std::pair{breakdown::browser, "Chrome"},
                                  {breakdown::os, "Windows"},
                                  {breakdown::device, "desktop"},
                                  {breakdown::language, "vi-VN"},
                                  {breakdown::screen, "phone"},
                                  {breakdown::country, "VN"}})
        BOOST_TEST(text_of(rows_of(a, today, by)) == text_of({{row, 1}}));
}

BOOST_AUTO_TEST_CASE(a_page_has_the_title_that_its_readers_give_it)
{
    const auto now = utc(2021, 7, 26, 3);
    const auto view = [&](std::uint64_t who, std::uint32_t client, std::string_view title) {
        auto h = view_of(skhcn(), who, now, "/a");
        h.client = client;
        h.title = title;
        h.section = "Tin tức";
        return h;
    };
    // Two behind one address have one vote; without one (an exempted network) each visitor has.
    const auto a = folded({view(1, 7, "Tin hay"), view(2, 8, "Tin hay"), view(3, 9, "Mua ngay"),
                           view(4, 9, "Mua ngay"), view(5, 9, "Mua ngay"), view(6, 0, "Tin hay")});
    const auto& encoded = a.sites.at("skhcn").votes.at("/a");
    const auto votes = decode_votes(encoded);
    BOOST_TEST(votes.votes.size() == 4U);
    BOOST_TEST(votes.title() == "Tin hay");
    BOOST_TEST(votes.section() == "Tin tức");
    BOOST_TEST(votes.first_seen == days(2021, 7, 26));
}

// Lists show what several have read, also where no browser says a title: the first readers are
// remembered, as many as a list asks for.
BOOST_AUTO_TEST_CASE(readers_who_say_no_title_are_readers_as_many_as_lists_ask_for)
{
    const auto now = utc(2021, 7, 26, 3);
    const auto view = [&](std::uint32_t client, std::string_view title = {}) {
        auto h = view_of(skhcn(), client, now, "/a");
        h.client = client;
        h.title = title;
        return h;
    };
    const auto readers = [&](std::vector<hit> hits) {
        const auto a = folded(std::move(hits));
        return decode_votes(a.sites.at("skhcn").votes.at("/a")).votes.size();
    };
    BOOST_TEST(readers({view(1), view(1), view(1)}) == 1U);
    BOOST_TEST(readers({view(1), view(2), view(1)}) == 2U);
    BOOST_TEST(readers({view(1), view(2), view(3), view(4), view(5)}) == 3U);
    BOOST_TEST(readers({view(1), view(2, "Tin hay"), view(3), view(2), view(4)}) == 3U);
    // A page of which enough are known costs no write for another.
    page_votes before{days(2021, 7, 25), {}};
    for (std::uint32_t voter = 1; voter <= 3; ++voter)
        before.add(voter, "Tin hay", "");
    knowledge known;
    known.sites["skhcn"].paths = {"/a"};
    known.sites["skhcn"].votes["/a"] = encode(before);
    const std::vector<entry> batch{entry_of(producer, 1, {view(4)})};
    BOOST_TEST(ask_for(batch, 1, vietnam()).sites.at("skhcn").voted_paths.size() == 1U);
    BOOST_TEST(fold(batch, 1, known, vietnam(), all_classes()).sites.at("skhcn").votes.empty());
    known.sites["skhcn"].votes["/a"] = encode(page_votes{days(2021, 7, 25), {}});
    const auto a = fold(batch, 1, known, vietnam(), all_classes());
    const auto votes = decode_votes(a.sites.at("skhcn").votes.at("/a"));
    BOOST_TEST(votes.votes.size() == 1U);
    BOOST_TEST(votes.first_seen == days(2021, 7, 25));
}

BOOST_AUTO_TEST_CASE(where_all_agree_nothing_is_asked_or_written)
{
    const auto now = utc(2021, 7, 26, 3);
    auto h = view_of(skhcn(), 1, now, "/a");
    h.title = "Tin hay";
    page_votes all;
    for (std::uint32_t voter = 1; voter <= page_votes::most_votes; ++voter)
        all.add(voter, h.title, h.section);
    partition_memory m;
    m.learn("skhcn", "/a");
    m.learn("skhcn", "/a", encode(all));
    const std::vector<entry> batch{entry_of(producer, 1, {h})};
    BOOST_TEST(ask_for(batch, 1, vietnam(), &m).sites.at("skhcn").voted_paths.empty());
    knowledge known;
    known.memory = &m;
    BOOST_TEST(fold(batch, 1, known, vietnam(), all_classes()).sites.at("skhcn").votes.empty());
    h.title = "Tin khác";
    const std::vector<entry> other{entry_of(producer, 1, {h})};
    BOOST_TEST(ask_for(other, 1, vietnam(), &m).sites.at("skhcn").voted_paths.size() == 1U);
    h.title = {};  // one that says nothing is no news either
    const std::vector<entry> silent{entry_of(producer, 1, {h})};
    BOOST_TEST(ask_for(silent, 1, vietnam(), &m).sites.at("skhcn").voted_paths.empty());
    BOOST_TEST(fold(silent, 1, known, vietnam(), all_classes()).sites.at("skhcn").votes.empty());
    // Known from Redis alone: as much.
    known.memory = nullptr;
    known.sites["skhcn"].paths = {"/a"};
    known.sites["skhcn"].votes["/a"] = encode(all);
    BOOST_TEST(fold(batch, 1, known, vietnam(), all_classes()).sites.at("skhcn").votes.empty());
    BOOST_TEST(fold(other, 1, known, vietnam(), all_classes()).sites.at("skhcn").votes.size() ==
               1U);
}

BOOST_AUTO_TEST_CASE(a_page_has_a_visit_once_however_often_it_is_read_in_it)
{
    const auto begin = utc(2021, 7, 26, 3);
    const auto today = days(2021, 7, 26);
    const auto a = folded({view_of(skhcn(), 1, begin, "/a"), view_of(skhcn(), 1, begin + 1, "/b"),
                           view_of(skhcn(), 1, begin + 2, "/a"), view_of(skhcn(), 2, begin, "/a"),
                           view_of(skhcn(), 1, begin + hour, "/a")});
    BOOST_TEST(text_of(rows_of(a, today, breakdown::page_visits)) ==
               text_of({{"/a", 3}, {"/b", 1}}));
}

BOOST_AUTO_TEST_CASE(a_reload_within_the_window_is_no_view)
{
    auto site = site_in("skhcn", "Asia/Ho_Chi_Minh");
    site.reload_window = 30s;
    const auto sites = sites_of({site});
    const auto& skhcn = *sites.find("skhcn");
    const auto begin = utc(2021, 7, 26, 3);
    const auto counts = [&](const std::vector<hit>& hits) {
        const auto a = folded(sites, {entry_of(producer, hits.size(), hits)});
        const auto& s = a.sites.at("skhcn");
        BOOST_TEST(count_of(s.pages, "/a") + count_of(s.pages, "/b") ==
                   count_of(s.totals, "views"));
        return std::pair(count_of(s.totals, "views"), count_of(s.totals, "reloads"));
    };
    using two = std::pair<std::int64_t, std::int64_t>;
    const auto view = [&](std::int64_t after, std::string_view path = "/a", std::uint64_t who = 1) {
        return view_of(skhcn, who, begin + after, path);
    };
    BOOST_TEST((counts({view(0), view(29'999)}) == two(1, 1)));
    BOOST_TEST((counts({view(0), view(30'000)}) == two(2, 0)));
    // From the view that was counted on: who reloads for ever is counted now and then.
    BOOST_TEST((counts({view(0), view(20'000), view(40'000)}) == two(2, 1)));
    BOOST_TEST((counts({view(0), view(1, "/b"), view(2)}) == two(2, 1)));
    BOOST_TEST((counts({view(0), view(0, "/a", 2)}) == two(2, 0)));
    BOOST_TEST((counts({view(10'000), view(0)}) == two(1, 1)));  // came late
}

BOOST_AUTO_TEST_CASE(a_view_with_a_made_up_referrer_is_a_bot)
{
    classifier classes;
    classes.spam = spam_list::parse("spam.example\n", "spam.txt");
    auto h = view_of(skhcn(), 1, utc(2021, 7, 26, 3));
    h.referrer = "www.spam.example/buy";
    const auto a = fold({entry_of(producer, 1, {h})}, 1, {}, vietnam(), classes);
    BOOST_TEST(count_of(a.sites.at("skhcn").totals, "views") == 0);
    BOOST_TEST(count_of(a.sites.at("skhcn").totals, "bots:other") == 1);
}

BOOST_AUTO_TEST_CASE(what_is_kept_of_a_visit_comes_back)
{
    visit v;
    v.date = days(2021, 7, 26);
    v.last_view_ms = utc(2021, 7, 26, 3);
    v.views = 300;
    v.other_id = 7;
    v.exit = "/tin-tuc/bài-1.html";
    v.source = "Zalo";
    v.medium = "social";
    v.campaign = "tet";
    v.term = "từ";
    v.content = "c";
    for (std::uint32_t i = 0; i < visit::most_pages + 5; ++i)
        BOOST_TEST(v.reads(i, v.last_view_ms - i));
    BOOST_TEST(!v.reads(36, v.last_view_ms));
    BOOST_TEST(v.pages.size() == visit::most_pages);
    const auto bytes = encode(v);
    const auto read = decode_visit(bytes);
    BOOST_TEST(shown(encode(read)) == shown(bytes));
    BOOST_TEST(encode(read) == bytes);
    // Cut anywhere, or of another version: it goes on, and nothing is made up.
    for (std::size_t length = 0; length + 1 < bytes.size(); ++length) {
        const auto cut = decode_visit(bytes.substr(0, length));
        BOOST_TEST((cut.exit == v.exit || cut.exit.empty()));
        BOOST_TEST(cut.views > 1U);
    }
    BOOST_TEST(decode_visit('\2' + bytes.substr(1)).exit.empty());
}

BOOST_AUTO_TEST_CASE(a_hit_sent_again_counts_once)
{
    const auto now = utc(2021, 7, 26, 3);
    auto view = view_of(skhcn(), 1, now);
    auto event = event_of(skhcn(), 1, now);
    auto bot = view_of(skhcn(), 2, now);
    bot.user_agent = crawler_agent;
    view.id = 11;
    event.id = 12;
    bot.id = 13;
    for (const auto& h : {view, event, bot}) {
        BOOST_TEST_CONTEXT("id " << h.id)
        {
            auto again = h;
            again.time_ms += 20 * minute;  // a retry from another day's page, say
            again.path = "/b";
            const auto once = folded({h});
            const auto in_batch = folded({h, again, h});
            BOOST_TEST(in_batch.repeats == 2U);
            BOOST_TEST(in_batch.hits == 3U);
            const auto& s = in_batch.sites.at("skhcn");
            BOOST_TEST(text_of(s.totals) == text_of(once.sites.at("skhcn").totals));
            BOOST_TEST(text_of(s.pages) == text_of(once.sites.at("skhcn").pages));
            // It is remembered once, by its own time.
            BOOST_TEST_REQUIRE(in_batch.ids.size() == 1U);
            BOOST_TEST(in_batch.ids.begin()->first == now / (10 * minute));
            BOOST_TEST(in_batch.ids.begin()->second == std::vector<std::uint64_t>{h.id},
                       boost::test_tools::per_element());

            knowledge known;
            known.ids = {h.id};
            const auto from_before = folded({h, again}, known);
            BOOST_TEST(from_before.repeats == 2U);
            BOOST_TEST(from_before.sites.empty());
            BOOST_TEST(from_before.ids.empty());
            BOOST_TEST(from_before.bots.empty());
            // The repeat has been dealt with: the log goes on behind it.
            BOOST_TEST(from_before.positions.at(producer).applied == 2U);
            BOOST_TEST(from_before.positions.at(producer).watermark_ms == again.time_ms);
        }
    }
    // 0 means that there is no id.
    BOOST_TEST(
        count_of(
            folded({view_of(skhcn(), 1, now), view_of(skhcn(), 1, now)}).sites.at("skhcn").totals,
            "views") == 2);
}

// Another page's id is known: that says nothing of this one.
BOOST_AUTO_TEST_CASE(ids_are_remembered_by_the_ten_minutes_of_the_hit)
{
    const auto begin = utc(2021, 7, 26, 3);
    std::vector<hit> hits;
    for (std::uint64_t i = 0; i < 4; ++i) {
        hits.push_back(view_of(skhcn(), 1, begin + static_cast<std::int64_t>(i) * 5 * minute));
        hits.back().id = 100 + i;
    }
    knowledge known;
    known.ids = {999};
    const auto a = folded(hits, known);
    BOOST_TEST(a.repeats == 0U);
    BOOST_TEST_REQUIRE(a.ids.size() == 2U);
    const std::vector<std::uint64_t> first{100, 101}, second{102, 103};
    BOOST_TEST(a.ids.at(begin / (10 * minute)) == first, boost::test_tools::per_element());
    BOOST_TEST(a.ids.at(begin / (10 * minute) + 1) == second, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bots_are_counted_apart_by_kind)
{
    const auto now = utc(2021, 7, 26, 3);
    const auto as = [&](std::string_view user_agent, std::uint32_t hint = 0) {
        auto h = view_of(skhcn(), 1, now);
        h.user_agent = user_agent;
        h.bot_hint = hint;
        return h;
    };
    auto bot_event = as(crawler_agent);
    bot_event.event = "download";
    const auto a =
        folded({as(crawler_agent), as(crawler_agent), bot_event, as(curl), as(""), as(browser, 1)});
    const auto& s = a.sites.at("skhcn");
    const fields wanted{{"bots", 6}, {"bots:search", 3}, {"bots:library", 2}, {"bots:headless", 1}};
    BOOST_TEST(text_of(s.totals) == text_of(wanted));
    BOOST_TEST(text_of(s.days.at(days(2021, 7, 26))) == text_of(wanted));
    BOOST_TEST(text_of(s.months.at(days(2021, 7, 1))) == text_of(wanted));
    BOOST_TEST(a.bots.at(bot_kind::search) == 3U);
    BOOST_TEST(a.bots.at(bot_kind::library) == 2U);
    BOOST_TEST(a.bots.at(bot_kind::headless) == 1U);
    // A machine leaves nothing that a person's counts are made of.
    BOOST_TEST(s.pages.empty());
    BOOST_TEST(s.visitors.empty());
    BOOST_TEST(s.seen.empty());
    BOOST_TEST(s.views == 0U);
    // Nor does it go on with a visit.
    auto crawl = as(crawler_agent);
    crawl.time_ms = now + 20 * minute;
    const auto mixed =
        folded({view_of(skhcn(), 1, now), crawl, view_of(skhcn(), 1, now + 40 * minute)});
    BOOST_TEST(count_of(mixed.sites.at("skhcn").totals, "visits") == 2);
}

// With the site's token a program is a client like any other; what it says of itself still holds.
BOOST_AUTO_TEST_CASE(a_server_side_client_is_no_bot_unless_it_says_so)
{
    const auto now = utc(2021, 7, 26, 3);
    const auto as = [&](std::string_view user_agent, std::uint32_t hint = 0) {
        auto h = view_of(skhcn(), 1, now);
        h.user_agent = user_agent;
        h.bot_hint = hint;
        h.is_from_server = true;
        return h;
    };
    const auto a = folded({as(""), as(curl), as(crawler_agent), as(browser), as("", 1)});
    const auto& s = a.sites.at("skhcn");
    BOOST_TEST(count_of(s.totals, "views") == 4);
    BOOST_TEST(count_of(s.totals, "bots:headless") == 1);
    BOOST_TEST(count_of(s.totals, "bots") == 1);
}

// A browser that reads from a data centre is driven by a program; one that names itself keeps its
// kind.
BOOST_AUTO_TEST_CASE(who_reads_from_a_data_center_is_a_bot)
{
    const auto now = utc(2021, 7, 26, 3);
    const auto as = [&](std::string_view user_agent, bool is_from_server = false) {
        auto h = view_of(skhcn(), 1, now);
        h.user_agent = user_agent;
        h.is_from_data_center = true;
        h.is_from_server = is_from_server;
        return h;
    };
    const auto a = folded({as(browser), as(crawler_agent), as(""), as("", true)});
    const auto& s = a.sites.at("skhcn");
    const fields wanted{{"bots", 4}, {"bots:search", 1}, {"bots:library", 1}, {"bots:other", 2}};
    BOOST_TEST(text_of(s.totals) == text_of(wanted));
}

// An hour is named by when it began: two hours called 2:00 are two, one that never was is none.
BOOST_AUTO_TEST_CASE(hours_of_days_with_23_and_25_hours_are_told_apart)
{
    const struct {
        std::string zone;
        std::int32_t date;
        std::int64_t begin;  // of the local day
        int hours;
    } table[] = {
        {"Europe/Berlin", days(2021, 3, 28), utc(2021, 3, 27, 23), 23},
        {"Europe/Berlin", days(2021, 10, 31), utc(2021, 10, 30, 22), 25},
        {"Asia/Ho_Chi_Minh", days(2021, 7, 26), utc(2021, 7, 25, 17), 24},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.zone << ' ' << date_text(row.date))
        {
            const auto sites = sites_of({site_in("portal", row.zone)});
            const auto& portal = *sites.find("portal");
            std::vector<hit> hits;
            for (auto at = row.begin - 30 * minute; at < row.begin + (row.hours + 1) * hour;
                 at += 30 * minute)
                hits.push_back(view_of(portal, 1, at));
            const auto a = folded(sites, {entry_of(producer, hits.size(), hits)});
            const auto& s = a.sites.at("portal");
            BOOST_TEST(s.days.size() == 3U);
            fields hours;
            for (int i = 0; i < row.hours; ++i)
                hours["views@" + std::to_string(row.begin / 1000 + i * 3600LL)] = 2;
            fields found;
            for (const auto& [name, count] : s.days.at(row.date))
                if (name.starts_with("views@"))
                    found[name] = count;
            BOOST_TEST(text_of(found) == text_of(hours));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_day_and_a_month_turn_at_the_midnight_of_the_site)
{
    const auto midnight = utc(2021, 7, 31, 17);  // of August 1st in Vietnam
    const auto a = folded({view_of(skhcn(), 1, midnight - 1), view_of(skhcn(), 2, midnight)});
    const auto& s = a.sites.at("skhcn");
    BOOST_TEST_REQUIRE(s.days.size() == 2U);
    BOOST_TEST(count_of(s.days.at(days(2021, 7, 31)), "views") == 1);
    BOOST_TEST(count_of(s.days.at(days(2021, 8, 1)), "views") == 1);
    BOOST_TEST(count_of(s.days.at(days(2021, 8, 1)), "views@" + std::to_string(midnight / 1000)) ==
               1);
    BOOST_TEST(count_of(s.months.at(days(2021, 7, 1)), "views") == 1);
    BOOST_TEST(count_of(s.months.at(days(2021, 8, 1)), "views") == 1);
    BOOST_TEST(count_of(s.totals, "views") == 2);
}

// A collector's clock that is ahead would open tomorrow, and hold its visitors' visits open.
BOOST_AUTO_TEST_CASE(a_hit_from_the_future_takes_the_time_of_its_entry)
{
    const auto taken = utc(2021, 7, 31, 16, 59, 58);  // two seconds before August in Vietnam
    for (const std::int64_t ahead : {-1000L, 0L, 4'999L, 5'000L, 5'001L, 3'600'000L}) {
        BOOST_TEST_CONTEXT(ahead << " ms ahead")
        {
            auto h = view_of(skhcn(), 1, taken + ahead);
            h.id = 5;
            const bool is_believed = ahead <= 5'000;
            const auto time = is_believed ? h.time_ms : taken;
            const auto date = is_believed && ahead >= 2'000 ? days(2021, 8, 1) : days(2021, 7, 31);
            const std::vector<entry> batch{entry_of(producer, 1, {h}, taken)};
            const auto a = folded(vietnam(), batch);
            const auto& s = a.sites.at("skhcn");
            BOOST_TEST(s.seen.at(1) == time);
            BOOST_TEST(a.positions.at(producer).watermark_ms == time);
            BOOST_TEST(a.ids.begin()->first == time / (10 * minute));
            BOOST_TEST_REQUIRE(s.days.size() == 1U);
            BOOST_TEST(s.days.begin()->first == date);
            BOOST_TEST(s.months.begin()->first == month_begin(date));
            BOOST_TEST(s.visitors.begin()->first == date);
            BOOST_TEST(count_of(s.days.begin()->second,
                                "views@" + std::to_string(time / 3'600'000 * 3600)) == 1);
            BOOST_TEST(ask_for(batch, 1, vietnam()).sites.at("skhcn").dates.front() == date);
        }
    }
}

// Its ids are of the collector's date; the day that it counts in may be the one before.
BOOST_AUTO_TEST_CASE(a_clock_ahead_over_midnight_makes_nobody_a_visitor_twice)
{
    const auto taken = utc(2021, 7, 31, 16, 59, 50);  // ten seconds before August in Vietnam
    constexpr std::uint64_t in_july = 7, in_august = 8;
    auto right = view_of(skhcn(), in_july, taken - minute);
    auto ahead = view_of(skhcn(), in_august, taken + 20'000);
    ahead.visitor_before = in_july;
    const auto a = folded(vietnam(), {entry_of(producer, 2, {right, ahead}, taken)});
    const auto& s = a.sites.at("skhcn");
    BOOST_TEST_REQUIRE(s.visitors.size() == 1U);
    BOOST_TEST(s.visitors.at(days(2021, 7, 31)) == (std::vector{in_july, in_july}),
               boost::test_tools::per_element());
    BOOST_TEST(count_of(s.totals, "visits") == 1);
    BOOST_TEST(s.seen.at(in_july) == taken);
    // After midnight the visit goes on, as the right clock tells yesterday's id too.
    auto next = view_of(skhcn(), in_august, taken + minute);
    next.visitor_before = in_july;
    const auto b = folded(
        vietnam(), {entry_of(producer, 2, {right, ahead}, taken), entry_of(producer, 3, {next})});
    BOOST_TEST(count_of(b.sites.at("skhcn").totals, "visits") == 1);
    BOOST_TEST(b.sites.at("skhcn").visitors.at(days(2021, 8, 1)) == std::vector{in_august},
               boost::test_tools::per_element());
}

// The visitor's id was made with the salt of that date: they belong together, also when the zone's
// rules have changed since.
BOOST_AUTO_TEST_CASE(the_date_of_the_record_is_kept_unless_it_makes_no_sense)
{
    const auto at = utc(2021, 7, 26, 12);
    const auto date = days(2021, 7, 26);
    const struct {
        std::int32_t recorded, counted;
    } table[] = {
        {date, date},           {date - 1, date - 1},  {date + 1, date + 1},
        {date - 2, date},       {date + 2, date},      {0, date},
        {-2'000'000'000, date}, {2'000'000'000, date},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("recorded " << row.recorded)
        {
            auto h = view_of(skhcn(), 1, at);
            h.local_date = row.recorded;
            const auto a = folded({h});
            const auto& s = a.sites.at("skhcn");
            BOOST_TEST_REQUIRE(s.days.size() == 1U);
            BOOST_TEST(s.days.begin()->first == row.counted);
            BOOST_TEST(s.months.begin()->first == month_begin(row.counted));
            BOOST_TEST(s.visitors.begin()->first == row.counted);
        }
    }
}

BOOST_AUTO_TEST_CASE(hits_of_a_site_that_is_not_configured_are_told_and_passed)
{
    const auto now = utc(2021, 7, 26, 3);
    auto gone = view_of(skhcn(), 1, now + minute);
    gone.site = "gone";
    gone.id = 3;
    const auto a = folded({view_of(skhcn(), 1, now), gone, gone});
    BOOST_TEST(a.unconfigured == 2U);
    BOOST_TEST(a.hits == 3U);
    BOOST_TEST(a.sites.size() == 1U);
    BOOST_TEST(a.repeats == 0U);
    BOOST_TEST(a.ids.empty());
    // Else the log would be read again and again.
    BOOST_TEST(a.positions.at(producer).applied == 3U);
    BOOST_TEST(a.positions.at(producer).watermark_ms == now + minute);
}

// A clock that is set back takes the watermark with it.
BOOST_AUTO_TEST_CASE(positions_are_those_of_each_producer_s_last_hit)
{
    const auto now = utc(2021, 7, 26, 3);
    const std::string other = "00000000000000bb", lost = "00000000000000cc";
    const auto a =
        folded(vietnam(),
               {entry_of(producer, 2, {view_of(skhcn(), 1, now), view_of(skhcn(), 1, now - 1000)}),
                entry_of(other, 9, {view_of(skhcn(), 2, now - hour)}),
                entry_of(producer, 3, {view_of(skhcn(), 1, now - minute)}, now),
                entry_of(lost, 50, {}, now)});
    BOOST_TEST(a.positions.size() == 3U);
    BOOST_TEST(a.positions.at(producer).applied == 3U);
    BOOST_TEST(a.positions.at(producer).watermark_ms == now - minute);
    BOOST_TEST(a.positions.at(other).applied == 9U);
    BOOST_TEST(a.positions.at(other).watermark_ms == now - hour);
    // All of it was declared lost: nothing is known of its time.
    BOOST_TEST(a.positions.at(lost).applied == 50U);
    BOOST_TEST(a.positions.at(lost).watermark_ms == 0);
}

BOOST_AUTO_TEST_CASE(damaged_hits_are_counted_and_the_others_read)
{
    const auto now = utc(2021, 7, 26, 3);
    const auto one = view_of(skhcn(), 1, now, "/a"), two = view_of(skhcn(), 2, now, "/b");
    const std::string good = encoded({one}), also_good = encoded({two});
    auto nameless = one;
    nameless.site = "";
    const struct {
        std::string what, payload;
        std::size_t hits;
        std::uint64_t damaged;
    } table[] = {
        {"nothing at all", "", 0, 0},
        {"two hits", good + also_good, 2, 0},
        {"a record of no bytes", std::string(1, '\0') + good, 1, 1},
        {"a record that says nothing",
         std::string("\x03"
                     "abc") +
             good,
         1, 1},
        {"a hit of no site", encoded({nameless}) + good, 1, 1},
        {"the last one cut", good + also_good.substr(0, also_good.size() - 1), 1, 1},
        {"a length beyond the end", good + "\x7F", 1, 1},
        {"a length that never ends", good + std::string(20, '\xFF'), 1, 1},
        {"half a length", good + "\x80", 1, 1},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.what)
        {
            auto e = entry_of(producer, 2, {}, now);
            decode_hits(row.payload, e);
            BOOST_TEST(e.hits.size() == row.hits);
            BOOST_TEST(e.damaged == row.damaged);
            BOOST_TEST(e.bytes == row.payload.size());
            const auto a = folded(vietnam(), {e});
            BOOST_TEST(a.damaged == row.damaged);
            BOOST_TEST(a.hits == row.hits);
            // The log goes on, whatever was in it.
            BOOST_TEST(a.positions.at(producer).applied == 2U);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_payload_cut_anywhere_yields_the_hits_before_the_cut)
{
    const auto now = utc(2021, 7, 26, 3);
    std::vector<std::size_t> ends{0};
    std::string payload;
    for (std::uint64_t i = 1; i <= 3; ++i) {
        payload += encoded({view_of(skhcn(), i, now)});
        ends.push_back(payload.size());
    }
    for (std::size_t cut = 0; cut <= payload.size(); ++cut) {
        BOOST_TEST_CONTEXT("cut at " << cut << " of " << payload.size())
        {
            entry e;
            decode_hits(std::string_view(payload).substr(0, cut), e);
            const auto whole = std::upper_bound(ends.begin(), ends.end(), cut) - ends.begin() - 1;
            BOOST_TEST_REQUIRE(e.hits.size() == static_cast<std::size_t>(whole));
            BOOST_TEST(e.damaged == (ends[e.hits.size()] == cut ? 0U : 1U));
            for (std::size_t i = 0; i < e.hits.size(); ++i)
                BOOST_TEST(e.hits[i].visitor == i + 1);
        }
    }
}

BOOST_AUTO_TEST_CASE(random_bytes_are_damaged_and_nothing_else)
{
    constexpr unsigned seed = 20'210'726;
    std::mt19937 random(seed);
    BOOST_TEST_CONTEXT("seed " << seed)
    {
        const auto good =
            encoded({view_of(skhcn(), 1, utc(2021, 7, 26, 3)), view_of(skhcn(), 2, 0)});
        for (int i = 0; i < 5000; ++i) {
            auto payload = good;
            for (unsigned n = random() % 4 + 1; n > 0; --n)
                payload[random() % payload.size()] = static_cast<char>(random());
            entry e = entry_of(producer, 2, {}, utc(2021, 7, 26, 3));
            decode_hits(payload, e);
            const auto a = folded(vietnam(), {e});
            if (a.hits != e.hits.size() || a.hits + a.damaged == 0)
                BOOST_ERROR("round " << i);
        }
    }
}

BOOST_AUTO_TEST_CASE(beyond_max_paths_new_pages_are_counted_together)
{
    const auto now = utc(2021, 7, 26, 3);
    const auto sites = sites_of({site_in("skhcn", "Asia/Ho_Chi_Minh")}, 3);
    const auto& site = *sites.find("skhcn");
    knowledge known;
    known.sites["skhcn"].path_count = 2;
    known.sites["skhcn"].paths = {"/old"};
    std::vector<hit> hits;
    for (const auto* path : {"/new", "/old", "/too-many", "/new", "/too-many", "/one-more", "/old"})
        hits.push_back(view_of(site, 1, now, path));
    const auto a = folded(sites, {entry_of(producer, hits.size(), hits)}, known);
    const auto& s = a.sites.at("skhcn");
    const fields wanted{{"/new", 2}, {"/old", 2}, {"(other)", 3}};
    BOOST_TEST(text_of(s.pages) == text_of(wanted));
    BOOST_TEST(count_of(s.totals, "views") == 7);
    BOOST_TEST(count_of(s.days.at(days(2021, 7, 26)), "new_paths") == 1);
    // Of the day alone: a total of them would mean nothing.
    BOOST_TEST(!s.totals.contains("new_paths"));
    BOOST_TEST(!s.months.begin()->second.contains("new_paths"));
}

BOOST_AUTO_TEST_CASE(beyond_the_new_paths_of_a_day_new_pages_wait_for_another_day)
{
    const auto morning = utc(2021, 7, 26, 3);
    auto skhcn = site_in("skhcn", "Asia/Ho_Chi_Minh");
    skhcn.max_new_paths_per_day = 3;
    const auto sites = sites_of({skhcn});
    const auto& site = *sites.find("skhcn");
    knowledge known;
    known.sites["skhcn"].new_paths[days(2021, 7, 26)] = 2;
    known.sites["skhcn"].paths = {"/old"};
    known.sites["skhcn"].path_count = 100;
    std::vector<hit> hits;
    for (const auto* path : {"/1", "/2", "/old", "/1", "/2"})
        hits.push_back(view_of(site, 1, morning, path));
    for (const auto* path : {"/2", "/3", "/4", "/5"})
        hits.push_back(view_of(site, 1, morning + day, path));
    const auto a = folded(sites, {entry_of(producer, hits.size(), hits)}, known);
    const auto& s = a.sites.at("skhcn");
    const fields wanted{{"/1", 2}, {"/old", 1}, {"(other)", 3}, {"/2", 1}, {"/3", 1}, {"/4", 1}};
    BOOST_TEST(text_of(s.pages) == text_of(wanted));
    BOOST_TEST(count_of(s.days.at(days(2021, 7, 26)), "new_paths") == 1);
    BOOST_TEST(count_of(s.days.at(days(2021, 7, 27)), "new_paths") == 3);
}

// An operator who brings a log brings what was read, of a day with many new pages, too. The pages
// are of the day's new ones: what readers bring beside it is limited as ever.
BOOST_AUTO_TEST_CASE(new_pages_of_a_log_have_no_limit_but_that_of_the_site)
{
    const auto morning = utc(2021, 7, 26, 3);
    auto skhcn = site_in("skhcn", "Asia/Ho_Chi_Minh");
    skhcn.max_new_paths_per_day = 3;
    skhcn.only = {"/tin/**"};
    const auto sites = sites_of({skhcn}, 30);
    const auto& site = *sites.find("skhcn");
    std::vector<std::string> paths;
    for (int i = 0; i < 40; ++i)
        paths.push_back("/tin/" + std::to_string(i));
    std::vector<hit> hits;
    for (const auto& path : paths) {
        hits.push_back(view_of(site, 1, morning, path));
        hits.back().is_imported = true;
        hits.back().client = 7;
        if (hits.size() == 25)
            hits.push_back(view_of(site, 2, morning, "/tin/live"));
    }
    hits.push_back(view_of(site, 1, morning, "/other"));
    hits.back().is_imported = true;
    const auto a = folded(sites, {entry_of(producer, hits.size(), hits)});
    const auto& s = a.sites.at("skhcn");
    BOOST_TEST(count_of(s.pages, "/tin/0") == 1);
    BOOST_TEST(count_of(s.pages, "/tin/29") == 1);
    BOOST_TEST(count_of(s.pages, "/tin/30") == 0, "max_paths");
    BOOST_TEST(count_of(s.pages, "/tin/live") == 0, "the day's limit");
    BOOST_TEST(count_of(s.pages, "(other)") == 12);
    BOOST_TEST(count_of(s.days.at(days(2021, 7, 26)), "new_paths") == 30);
    BOOST_TEST(s.other_views[static_cast<std::size_t>(path_limit::only)] == 1U);
    BOOST_TEST(s.other_views[static_cast<std::size_t>(path_limit::max_paths)] == 10U);
    BOOST_TEST(s.other_views[static_cast<std::size_t>(path_limit::day)] == 1U);
}

// A client that makes up addresses fills neither the memory nor the day of a site. Its views count.
BOOST_AUTO_TEST_CASE(a_client_brings_twenty_new_pages_an_hour)
{
    const auto begin = utc(2021, 7, 26, 3);
    const auto date = days(2021, 7, 26);
    knowledge known;
    known.sites["skhcn"].paths = {"/old"};
    known.sites["skhcn"].new_by_client[begin / hour_ms] = {{7, 18}, {8, 20}};
    const auto from = [](std::uint32_t client, std::int64_t time_ms, std::string_view path) {
        auto h = view_of(skhcn(), 1, time_ms, path);
        h.client = client;
        return h;
    };
    const auto a = folded(
        {from(7, begin, "/1"), from(7, begin, "/2"), from(7, begin, "/3"),  // 18 and 2 are 20
         from(7, begin + hour - 1, "/4"), from(7, begin, "/1"), from(7, begin, "/old"),
         from(8, begin, "/5"), from(9, begin, "/3"), from(7, begin, "/3"), from(0, begin, "/6"),
         from(8, begin + hour, "/7")},
        known);
    const auto& s = a.sites.at("skhcn");
    const fields wanted{{"/1", 2}, {"/2", 1},   {"/3", 2},     {"/6", 1},
                        {"/7", 1}, {"/old", 1}, {"(other)", 3}};
    BOOST_TEST(text_of(s.pages) == text_of(wanted));
    BOOST_TEST(s.other_views[static_cast<std::size_t>(path_limit::client)] == 3U);
    BOOST_TEST(count_of(s.totals, "views") == 11);
    BOOST_TEST(s.new_paths == 5U);
    client_counts brought;
    brought[begin / hour_ms] = {{7, 2}, {9, 1}};
    brought[begin / hour_ms + 1] = {{8, 1}};
    BOOST_TEST((s.new_by_client == brought));
    std::vector<std::uint64_t> first_seen;
    for (const auto* path : {"/1", "/2", "/3", "/6", "/7"})
        first_seen.push_back(path_hash(path));
    BOOST_TEST(s.first_seen.at(date) == first_seen, boost::test_tools::per_element());
}

// Most hits are on known pages: nothing is to be asked for them.
BOOST_AUTO_TEST_CASE(clients_are_asked_for_only_with_pages_that_may_be_new)
{
    const auto now = utc(2021, 7, 26, 3);
    partition_memory memory;
    memory.learn("skhcn", "/a");
    auto known = view_of(skhcn(), 1, now, "/a");
    known.client = 5;
    auto maybe_new = view_of(skhcn(), 1, now, "/b");
    maybe_new.client = 6;
    auto event = event_of(skhcn(), 1, now);
    event.path = "/c";
    event.client = 7;
    const auto asked_for = [&](const std::vector<hit>& hits) {
        const std::vector<entry> batch{entry_of(producer, hits.size(), hits)};
        return ask_for(batch, 1, vietnam(), &memory).sites.at("skhcn").clients;
    };
    BOOST_TEST(asked_for({known, event}).empty());
    const std::map<std::int64_t, std::vector<std::uint32_t>> wanted{{now / hour_ms, {6}}};
    BOOST_TEST((asked_for({known, maybe_new, maybe_new, event}) == wanted));
}

// The day after an attack that used up the new pages of a day, a new article is counted and shown.
BOOST_AUTO_TEST_CASE(the_day_after_a_flood_a_new_page_is_counted)
{
    const auto& sites = vietnam();
    const auto morning = utc(2021, 7, 26, 3);
    memory redis;
    std::vector<std::string> names;
    for (int i = 0; i < 4000; ++i)
        names.push_back("/made-up/" + std::to_string(i));
    std::uint64_t last = 0;
    const auto apply = [&](const std::vector<hit>& hits) {
        last += hits.size();
        const std::vector<entry> batch{entry_of(producer, last, hits)};
        redis.apply(folded(sites, batch, redis.answer(ask_for(batch, 1, sites))));
    };
    apply({view_of(skhcn(), 1, morning, "/old")});
    for (std::size_t i = 0; i < names.size(); i += 500) {
        std::vector<hit> hits;
        for (std::size_t n = i; n < i + 500; ++n) {
            hits.push_back(view_of(skhcn(), n, morning, names[n]));
            hits.back().client = static_cast<std::uint32_t>(1 + n / 15);
        }
        apply(hits);
    }
    apply({view_of(skhcn(), 1, morning, "/new"), view_of(skhcn(), 1, morning, "/old")});
    const auto& pages = redis.sites.at("skhcn").pages;
    BOOST_TEST(pages.size() == 2000U + 1);  // the limit of the day, and "(other)"
    BOOST_TEST(count_of(pages, "/old") == 2);
    BOOST_TEST(!pages.contains("/new"));
    BOOST_TEST(count_of(pages, other_path) == 2002);
    apply({view_of(skhcn(), 1, morning + day, "/new"), view_of(skhcn(), 2, morning + day, "/new")});
    BOOST_TEST(count_of(pages, "/new") == 2);
    BOOST_TEST(count_of(pages, other_path) == 2002);
    BOOST_TEST(sum_of(pages) == count_of(redis.sites.at("skhcn").totals, "views"));
}

BOOST_AUTO_TEST_CASE(a_page_that_only_does_not_name_is_counted_together_with_others)
{
    const auto now = utc(2021, 7, 26, 3);
    auto skhcn = site_in("skhcn", "Asia/Ho_Chi_Minh");
    skhcn.only = {"/tin-tuc/**", "/"};
    const auto sites = sites_of({skhcn});
    const auto& site = *sites.find("skhcn");
    knowledge known;
    known.sites["skhcn"].paths = {"/old"};  // counted before `only` was written
    std::vector<hit> hits;
    for (const auto* path : {"/tin-tuc/1", "/", "/?s=x", "/old", "/wp-login.php", "/tin-tuc/1"})
        hits.push_back(view_of(site, 1, now, path));
    const auto a = folded(sites, {entry_of(producer, hits.size(), hits)}, known);
    const auto& s = a.sites.at("skhcn");
    const fields wanted{{"/tin-tuc/1", 2}, {"/", 1}, {"/?s=x", 1}, {"(other)", 2}};
    BOOST_TEST(text_of(s.pages) == text_of(wanted));
    BOOST_TEST(s.other_views[static_cast<std::size_t>(path_limit::only)] == 2U);
    BOOST_TEST(count_of(s.totals, "views") == 6);
    BOOST_TEST(count_of(s.totals, "visits") == 1);
}

// The script that applies a batch holds Redis up: the aggregator goes by this number.
BOOST_AUTO_TEST_CASE(the_weight_counts_every_member_that_is_touched)
{
    const auto now = utc(2021, 7, 26, 3);
    auto one = view_of(skhcn(), 1, now);
    one.id = 1;
    auto two = view_of(skhcn(), 2, now, "/b");
    two.id = 2;
    // Totals, day and month: views, visits, bounces; the day also new_paths, views@ and visits@.
    const std::size_t counts = 3 + 6 + 3;
    // And the day's list of pages first seen; the page, the id, who was seen, the visit, the
    // visitor.
    // ... and what is kept of the page.
    BOOST_TEST(folded({one}).weight() == counts + 1 + 6);
    BOOST_TEST(folded({one, two}).weight() == counts + 1 + 2 * 6);
    two.client = 7;
    BOOST_TEST(folded({one, two}).weight() == counts + 1 + 2 * 6 + 1);
    BOOST_TEST(folded(std::vector<hit>{}).weight() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace fold_test
