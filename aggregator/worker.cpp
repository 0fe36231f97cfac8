#include "aggregator/worker.hpp"

#include "aggregator/apply.hpp"
#include "aggregator/batch.hpp"
#include "aggregator/day_closer.hpp"
#include "aggregator/fold/fold.hpp"
#include "aggregator/leases.hpp"
#include "aggregator/lookup.hpp"
#include "aggregator/settle.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/fail_point.hpp"
#include "core/keys.hpp"
#include "core/log.hpp"
#include "core/metrics.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <bitset>
#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t read_entries = 8;    ///< of a partition at once: about 1,000 hits
constexpr std::size_t most_weight = 4000;  ///< members that one script may touch: 5 ms of Redis
/// A batch of no more writes its rows of breakdowns itself: where little comes, reports are as
/// fresh as counts.
constexpr std::uint64_t most_hits_settled = 32;
constexpr std::int64_t block_ms = 250;  ///< of a read of empty streams; also what a stop waits for
/// A round rests for so many times what it took, within bounds: hits that come meanwhile go
/// together, and a lone one is counted at once.
constexpr std::int64_t rest_times = 10, shortest_rest_us = 5'000, longest_rest_us = 80'000;
constexpr std::int64_t lease_every_ms = leases::every.count();
constexpr std::int64_t hears_ms = 3'000;  ///< Redis is asked more often than that, busy or idle
constexpr std::int64_t upkeep_every_ms = 5'000;
constexpr std::int64_t tidy_every_ms = 1'000;  ///< one partition after the other: each in 16 s
constexpr int scan_count = 1000;               ///< keys looked at in each upkeep
constexpr std::int64_t pause_ms = 1'000;       ///< of a partition whose head could not be applied
constexpr int most_failures = 3;               ///< then the head is set aside

/// What is kept of a partition from round to round; nothing of it is needed to be right.
struct partition_state {
    bool is_ours = false;
    bool was_empty = true;
    std::int64_t paused_until_ms = 0;
    id_sets sets;
    std::string failed_head;  ///< the first entry, alone, since a batch with it was refused
    int failures = 0;         ///< of that entry alone
    std::uint64_t silent = 0, retired = 0;  ///< logs
    partition_memory memory;
};

struct site_counters {
    site_counters(metrics_registry& m, const std::string& site)
        : views(m.add_counter("luot_applied_views_total",
                              "Views counted by this process (for rates).", {{"site", site}})),
          new_paths(m.add_counter("luot_new_paths_total", "Paths counted for the first time.",
                                  {{"site", site}}))
    {
        for (std::size_t i = 0; i < other_views.size(); ++i)
            other_views[i] = &m.add_counter(
                "luot_other_views_total", "Views counted in (other), by the limit of paths.",
                {{"site", site}, {"reason", std::string(path_limit_names[i])}});
    }

    counter &views, &new_paths;
    std::array<counter*, path_limit_names.size()> other_views{};
};

/// A partition's turn within one round.
struct turn {
    unsigned partition;
    std::vector<entry> batch;
    std::size_t count;  ///< entries that are folded now
    additions added;
    apply_options options;
    bool rows_wanted;  ///< by a report
};

}  // namespace

class worker::impl : public std::enable_shared_from_this<worker::impl> {
public:
    impl(asio::io_context& c, redis::client& r, std::shared_ptr<const config> settings,
         std::string name, metrics_registry& m);

    asio::awaitable<void> run();
    asio::awaitable<bool> renew_leases();
    asio::awaitable<bool> round();
    asio::awaitable<bool> look_up_and_fold(std::vector<turn>& turns);
    asio::awaitable<bool> apply(std::vector<turn>& turns);
    asio::awaitable<void> refused(turn& t, std::string_view command, std::string_view answer);
    asio::awaitable<void> set_aside(turn& t, std::string_view reason);
    asio::awaitable<void> upkeep();
    void tell_totals();
    asio::awaitable<void> tidy(unsigned partition);
    asio::awaitable<void> tidy_former_sites();
    asio::awaitable<std::int64_t> forget(unsigned partition, tidy_options options);
    asio::awaitable<void> sleep(std::int64_t ms);
    asio::awaitable<void> rest(std::int64_t us);
    asio::awaitable<void> look_at_heads(const redis::replies& lengths);
    [[nodiscard]] std::optional<double> if_heard(double value) const
    {
        return steady_ms() - heard_ms < hears_ms ? std::optional(value) : std::nullopt;
    }
    /// None when it has not been asked for as long as a lease lasts: this process, or the machine,
    /// stood still, and others may have taken all.
    [[nodiscard]] std::uint32_t held_now() const noexcept
    {
        return steady_ms() - held_ms < leases::lasts.count() ? held.load() : 0;
    }
    void find_surplus_ids(std::uint64_t surplus);
    void time_hits(const turn& t);
    void count(const additions& a);

    asio::io_context& context;
    redis::client& redis;
    metrics_registry& metrics;
    std::shared_ptr<const config> settings;
    std::shared_ptr<const site_table> sites;
    classifier classes;
    leases ours;
    row_settler rows;
    day_closer days;
    std::array<partition_state, partitions> states;
    std::map<std::string, std::unique_ptr<site_counters>, std::less<>> of_site;
    std::map<bot_kind, counter*> bots_by_kind;
    std::int64_t leases_at_ms = -lease_every_ms;
    std::int64_t upkeep_at_ms = -upkeep_every_ms;
    std::int64_t tidy_at_ms = -tidy_every_ms;
    unsigned tidy_next = 0;
    std::string former_sites_cursor = "0";
    std::array<std::vector<std::int64_t>, partitions> surplus_sets;  ///< beyond max_ids
    bool tells_totals = false;
    bool is_behind = false;    ///< the last round left entries: the next follows at once
    std::int64_t busy_us = 0;  ///< what the last round took, the wait for entries apart
    std::atomic<bool> stopping{false};
    std::atomic<std::uint64_t> lost{0}, damaged{0}, unconfigured{0}, waiting_bytes{0},
        waiting_entries{0}, remembered_ids{0}, rejected{0}, silent{0}, retired{0};
    std::atomic<std::int64_t> lag_ms{0}, heard_ms{-hears_ms}, queue_oldest_ms{0}, unheld{-1};
    std::atomic<std::uint32_t> held{0};                         ///< a bit for each partition
    std::atomic<std::int64_t> held_ms{-leases::lasts.count()};  ///< when that was asked for
    log::limiter error_limit{10}, format_limit{60}, unconfigured_limit{60};
    counter &hits, &repeats, &batches, &stale, &failures, &early_drops;
    histogram &apply_times, &to_count_times;
};

spam_list spam_of(const config& c)
{
    const auto& file = c.aggregator.referrer_spam;
    return file.empty() ? spam_list{} : spam_list::read(file);
}

worker::impl::impl(asio::io_context& c, redis::client& r, std::shared_ptr<const config> s,
                   std::string name, metrics_registry& m)
    : context(c),
      redis(r),
      metrics(m),
      settings(std::move(s)),
      sites(std::make_shared<const site_table>(settings)),
      classes{{}, {}, spam_of(*settings)},
      ours(r, std::move(name)),
      rows(r, m),
      days(r, m),
      hits(m.add_counter("luot_applied_hits_total", "Hits applied by this process.")),
      repeats(m.add_counter("luot_repeated_hits_total",
                            "Hits applied whose id had been counted before: not counted again.")),
      batches(m.add_counter("luot_applied_batches_total", "Batches applied by this process.")),
      stale(m.add_counter("luot_apply_stale_total",
                          "Batches that another aggregator had applied first.")),
      failures(m.add_counter("luot_apply_failures_total",
                             "Batches that Redis refused to read or to apply.")),
      early_drops(
          m.add_counter("luot_ids_dropped_early_total",
                        "Sets of hit ids dropped before dedupe_window, because of max_ids: a "
                        "repeat that comes so late counts twice.")),
      apply_times(m.add_histogram("luot_apply_seconds",
                                  "From sending a round's batches to Redis to its answer: counted.",
                                  histogram::scale::work)),
      to_count_times(m.add_histogram("luot_hit_to_count_seconds",
                                     "From taking a hit to its being counted; imported ones apart.",
                                     histogram::scale::waiting))
{
    m.add_optional_gauge(
        "luot_queue_oldest_seconds",
        "Age of the oldest entry in the streams, whoever applies them; 0: none waits.",
        [this] { return if_heard(static_cast<double>(queue_oldest_ms.load()) / 1000); });
    m.add_optional_gauge("luot_partitions_without_lease",
                         "Partitions that no aggregator worked on when this one looked last.",
                         [this]() -> std::optional<double> {
                             const auto number = unheld.load();
                             return number < 0 ? std::nullopt
                                               : if_heard(static_cast<double>(number));
                         });
    m.add_gauge("luot_queue_bytes", "Bytes of hits in the streams, not applied yet.",
                [this] { return static_cast<double>(waiting_bytes.load()); });
    m.add_gauge("luot_queue_entries", "Entries in the streams, not applied yet.",
                [this] { return static_cast<double>(waiting_entries.load()); });
    m.add_gauge("luot_queue_lag_seconds", "Age of the oldest hit applied in the last round.",
                [this] { return static_cast<double>(lag_ms.load()) / 1000; });
    m.add_gauge("luot_remembered_ids", "Ids of hits that are remembered against repeats.",
                [this] { return static_cast<double>(remembered_ids.load()); });
    m.add_gauge("luot_rejected_entries", "Entries set aside because they could not be applied.",
                [this] { return static_cast<double>(rejected.load()); });
    m.add_gauge("luot_silent_producers",
                "Logs unheard of for a day, which no longer hold the watermark back.",
                [this] { return static_cast<double>(silent.load()); });
    m.add_gauge("luot_retired_logs",
                "Logs that have gone, of which Redis keeps how far they had got, in the partitions "
                "held here.",
                [this] { return static_cast<double>(retired.load()); });
    m.add_gauge("luot_leases_held", "Partitions that this aggregator works on.",
                [this] { return static_cast<double>(std::popcount(held_now())); });
}

asio::awaitable<void> worker::impl::rest(std::int64_t us)
{
    asio::steady_timer timer(context, std::chrono::microseconds(us));
    co_await timer.async_wait(as_result);
}

asio::awaitable<void> worker::impl::sleep(std::int64_t ms)
{
    return rest(ms * 1000);
}

asio::awaitable<bool> worker::impl::renew_leases()
{
    std::bitset<partitions> idle;
    for (unsigned p = 0; p < partitions; ++p)
        idle[p] = states[p].was_empty;
    const auto asked_ms = steady_ms();
    if (!co_await ours.renew(idle))
        co_return false;
    for (unsigned p = 0; p < partitions; ++p) {
        if (ours.held()[p] && !states[p].is_ours)
            rows.rows_wait(p);  // of who had it before
        states[p].is_ours = ours.held()[p];
    }
    const auto now = static_cast<std::uint32_t>(ours.held().to_ulong());
    const auto number = std::popcount(now);
    if (std::popcount(held.exchange(now)) != number)
        log::info("leases", {{"held", number}});
    held_ms = asked_ms;
    unheld = static_cast<std::int64_t>(ours.unheld());
    heard_ms = leases_at_ms = steady_ms();
    co_return true;
}

/// Reads what the batches need to know and folds them. Turns that cannot be folded now are removed.
asio::awaitable<bool> worker::impl::look_up_and_fold(std::vector<turn>& turns)
{
    const auto known_sites = sites;  // one configuration for what is asked and what is folded
    for (int attempt = 0; attempt < 3 && !turns.empty(); ++attempt) {
        std::vector<lookup> lookups;
        redis::pipeline commands;
        for (const auto& t : turns) {
            auto& state = states[t.partition];
            state.memory.make_room();
            lookups.emplace_back(t.partition,
                                 ask_for(t.batch, t.count, *known_sites, &state.memory), state.sets,
                                 state.memory);
            lookups.back().add_to(commands);
        }
        const auto answers = co_await redis.exec(commands);
        if (!answers)
            co_return false;
        bool ask_again = false;
        std::size_t at = 0;
        std::vector<turn> folded;
        for (std::size_t i = 0; i < turns.size(); ++i) {
            auto& t = turns[i];
            auto& l = lookups[i];
            const auto outcome = l.read(*answers, at);
            at += l.size();
            if (outcome == lookup::outcome::failed) {
                co_await refused(t, "lookup", l.error());
                continue;
            }
            states[t.partition].sets = l.sets();
            if (outcome == lookup::outcome::more_sets) {
                ask_again = true;
            } else {
                // What was asked for more entries serves for fewer, too.
                t.added = fold(t.batch, t.count, l.known(), *known_sites, classes);
                while (t.added.weight() > most_weight && t.count > 1) {
                    t.count /= 2;
                    t.added = fold(t.batch, t.count, l.known(), *known_sites, classes);
                }
                t.options = {states[t.partition].memory.tip(), ours.owner(), leases::lasts.count(),
                             !l.rows_wait() && t.added.hits <= most_hits_settled,
                             settings->aggregator.keep_days};
                t.rows_wanted = l.rows_wanted();
            }
            folded.push_back(std::move(t));
        }
        turns = std::move(folded);
        if (!ask_again)
            co_return true;
    }
    co_return false;  // id sets keep appearing: the next round sees them
}

void worker::impl::count(const additions& a)
{
    hits.add(a.hits);
    repeats.add(a.repeats);
    batches.add();
    for (const auto& [site, added] : a.sites) {
        auto& c = of_site[site];
        if (!c)
            c = std::make_unique<site_counters>(metrics, site);
        c->views.add(added.views);
        c->new_paths.add(added.new_paths);
        for (std::size_t i = 0; i < added.other_views.size(); ++i)
            c->other_views[i]->add(added.other_views[i]);
    }
    if (a.unconfigured > 0 && unconfigured_limit.pass())
        log::warn("hits_unconfigured", {{"site", a.unconfigured_site},
                                        {"hits", a.unconfigured},
                                        {"held_back", unconfigured_limit.held_back()},
                                        {"what",
                                         "this aggregator does not know the site: its hits are in "
                                         "no count, and do not come back"}});
    for (const auto& [kind, number] : a.bots) {
        auto& c = bots_by_kind[kind];
        if (!c)
            c = &metrics.add_counter("luot_applied_bots_total", "Hits of bots, by kind.",
                                     {{"kind", std::string(name_of(kind))}});
        c->add(number);
    }
}

/// How old the hits are that have just been counted.
void worker::impl::time_hits(const turn& t)
{
    const auto now = unix_ms();
    for (std::size_t i = 0; i < t.count; ++i)
        for (const auto& h : t.batch[i].hits)
            if (!h.is_imported)
                to_count_times.observe((now - h.time_ms) * 1000);
}

asio::awaitable<void> worker::impl::set_aside(turn& t, std::string_view reason)
{
    const auto& e = t.batch.front();
    redis::pipeline commands;
    commands.add(reject_command(t.partition, e, reason));
    fail_point("reject.before");
    const auto answers = co_await redis.exec(commands);
    fail_point("reject.answered");
    if (!answers || (*answers)[0].text() != "ok")
        co_return;
    log::error("entry_set_aside",
               {{"partition", t.partition},
                {"entry", e.id},
                {"hits", e.hits.size() + e.damaged},
                {"why", reason},
                {"what", "it failed three times; its hits count as damaged and lie in " +
                             keys::rejected(t.partition)}});
}

asio::awaitable<bool> worker::impl::apply(std::vector<turn>& turns)
{
    redis::pipeline commands;
    for (const auto& t : turns)
        commands.add(apply_command(t.partition, t.batch, t.count, t.added, t.options));
    fail_point("apply.before");
    const auto begun_us = steady_us();
    const auto answers = co_await redis.exec(commands);
    fail_point("apply.answered");
    if (!answers) {
        for (const auto& t : turns)
            states[t.partition].memory.forget_state();
        co_return false;
    }
    apply_times.observe(steady_us() - begun_us);
    for (std::size_t i = 0; i < turns.size(); ++i) {
        auto& t = turns[i];
        auto& state = states[t.partition];
        const auto answer = (*answers)[i];
        if (answer.text() == "ok") {
            state.failed_head.clear();
            if (!t.options.settles_rows)
                rows.rows_wait(t.partition, t.rows_wanted);
            count(t.added);
            time_hits(t);
            state.memory.applied(t.batch[t.count - 1].id, std::move(t.added), state.sets);
            is_behind = is_behind || t.count < t.batch.size() || t.batch.size() == read_entries;
            if (!t.batch.front().hits.empty())
                lag_ms =
                    std::max<std::int64_t>(0, unix_ms() - t.batch.front().hits.front().time_ms);
            continue;
        }
        state.memory.forget_state();
        if (answer.text() == "stale") {
            stale.add();
            continue;
        }
        co_await refused(t, "apply.lua", answer.text());
    }
    co_return true;
}

/// Redis does not take a batch. The fault may be in any of its entries, and in none: so its first
/// one is tried alone, and set aside only when it is refused alone, for its own sake, three times
/// in a row.
asio::awaitable<void> worker::impl::refused(turn& t, std::string_view command,
                                            std::string_view answer)
{
    failures.add();
    const std::string reason(answer);
    if (error_limit.pass())
        log::warn("redis_refuses", {{"command", command},
                                    {"partition", t.partition},
                                    {"answer", reason},
                                    {"held_back", error_limit.held_back()}});
    auto& state = states[t.partition];
    state.paused_until_ms = steady_ms() + pause_ms;
    // NOSCRIPT, READONLY, OOM, LOADING and their like pass, and are no fault of the entry.
    const auto says = [&reason](std::string_view word) {
        return reason.find(word) != std::string::npos;
    };
    if (says("NOPERM") || !(says("LUOT") || says("user_script") || says("WRONGTYPE")))
        co_return;
    const auto& head = t.batch.front().id;
    if (state.failed_head != head) {
        state.failed_head = head;
        state.failures = 0;
    }
    if (t.count > 1) {
        state.paused_until_ms = 0;
        co_return;
    }
    if (++state.failures < most_failures)
        co_return;
    co_await set_aside(t, reason);
    state.failed_head.clear();
    state.paused_until_ms = 0;
}

/// One round over all partitions that are ours. False when Redis did not answer.
asio::awaitable<bool> worker::impl::round()
{
    const auto now = steady_ms();
    is_behind = false;
    std::vector<unsigned> asked;
    for (unsigned p = 0; p < partitions; ++p)
        if (states[p].is_ours && states[p].paused_until_ms <= now)
            asked.push_back(p);
    if (asked.empty()) {
        co_await sleep(200);
        co_return true;
    }
    redis::command read{"XREAD"};
    read.add(std::string_view("COUNT"))
        .add(read_entries)
        .add(std::string_view("BLOCK"))
        .add(block_ms)
        .add(std::string_view("STREAMS"));
    for (const auto p : asked)
        read.add(std::string_view(keys::hits(p)));
    for (std::size_t i = 0; i < asked.size(); ++i)
        read.add(std::string_view("0"));
    redis::pipeline reading;
    reading.add(read);
    const auto answers = co_await redis.exec_blocking(reading);
    if (!answers)
        co_return false;
    const auto streams = (*answers)[0];
    if (streams.is_error()) {
        failures.add();
        if (error_limit.pass())
            log::warn("redis_refuses", {{"command", "XREAD"}, {"answer", streams.text()}});
        co_await sleep(pause_ms);
        co_return true;
    }
    heard_ms = steady_ms();
    const auto begun_us = steady_us();
    for (const auto p : asked)
        states[p].was_empty = true;
    std::vector<turn> turns;
    for (std::size_t i = 0; i < streams.size(); ++i) {
        const auto name = streams[i][0].text();
        for (const auto p : asked) {
            if (keys::hits(p) != name)
                continue;
            states[p].was_empty = false;
            turn t{p, {}, 0, {}, {}, false};
            if (read_batch(streams[i][1], t.batch)) {  // newer_format
                states[p].paused_until_ms = now + pause_ms;
                failures.add();
                if (format_limit.pass())
                    log::error("stream_newer_format",
                               {{"partition", p},
                                {"what",
                                 "its head was written by a newer luot: it is left alone; "
                                 "upgrade this aggregator"}});
                continue;
            }
            if (t.batch.empty())
                continue;
            const bool is_suspect = t.batch.front().id == states[p].failed_head;
            t.count = is_suspect ? 1 : t.batch.size();
            turns.push_back(std::move(t));
        }
    }
    if (turns.empty()) {
        lag_ms = 0;
        co_return true;
    }
    if (!co_await look_up_and_fold(turns))
        co_return redis.is_connected();
    if (turns.empty())
        co_return true;
    const bool answered = co_await apply(turns);
    busy_us = steady_us() - begun_us;
    co_return answered;
}

/// Totals of all time that Redis keeps are there from when they have been read: a 0 before would
/// look as if what was lost long ago had been lost just now.
void worker::impl::tell_totals()
{
    if (std::exchange(tells_totals, true))
        return;
    metrics.add_total(
        "luot_hits_lost_total",
        "Hits that were acknowledged and are gone, declared by the shippers; read from Redis.",
        [this] { return static_cast<double>(lost.load()); });
    metrics.add_total("luot_hits_damaged_total",
                      "Hits that could not be decoded or applied; from Redis.",
                      [this] { return static_cast<double>(damaged.load()); });
    metrics.add_total("luot_hits_unconfigured_total",
                      "Hits of sites that the aggregators do not have configured; from Redis.",
                      [this] { return static_cast<double>(unconfigured.load()); });
}

asio::awaitable<void> worker::impl::upkeep()
{
    upkeep_at_ms = steady_ms();
    redis::pipeline commands;
    for (unsigned p = 0; p < partitions; ++p) {
        commands.add("HMGET", keys::producers(p), std::string_view("lost"),
                     std::string_view("damaged"), std::string_view("unconfigured"),
                     std::string_view("bytes"));
        commands.add("XLEN", keys::hits(p));
        commands.add("ZRANGE", keys::id_sets(p), 0, -1, std::string_view("WITHSCORES"));
        commands.add("XLEN", keys::rejected(p));
    }
    const auto answers = co_await redis.exec(commands);
    if (!answers)
        co_return;
    std::uint64_t sums[7] = {};
    for (unsigned p = 0; p < partitions; ++p) {
        const auto base = std::size_t{p} * 4;
        for (std::size_t i = 0; i < 4; ++i)
            sums[i] += static_cast<std::uint64_t>((*answers)[base][i].count());
        sums[4] += static_cast<std::uint64_t>((*answers)[base + 1].count());
        const auto listed = (*answers)[base + 2];
        states[p].sets.clear();
        for (std::size_t i = 0; i + 1 < listed.size(); i += 2) {
            const auto ids = static_cast<std::uint64_t>(listed[i + 1].count());
            states[p].sets[listed[i].count()] = ids;
            sums[5] += ids;
        }
        sums[6] += static_cast<std::uint64_t>((*answers)[base + 3].count());
    }
    lost = sums[0];
    damaged = sums[1];
    unconfigured = sums[2];
    tell_totals();
    waiting_bytes = sums[3];
    waiting_entries = sums[4];
    remembered_ids = sums[5];
    rejected = sums[6];
    co_await look_at_heads(*answers);
    const auto most = settings->aggregator.max_ids;
    find_surplus_ids(remembered_ids > most ? remembered_ids - most : 0);
    std::uint64_t unheard = 0, gone = 0;
    for (unsigned p = 0; p < partitions; ++p) {
        if (!states[p].is_ours)
            continue;
        unheard += states[p].silent;
        gone += states[p].retired;
        if (!surplus_sets[p].empty())
            co_await tidy(p);
    }
    silent = unheard;
    retired = gone;
}

/// How old the oldest entry is that waits, also in partitions that are not ours: perhaps nobody's.
asio::awaitable<void> worker::impl::look_at_heads(const redis::replies& lengths)
{
    redis::pipeline commands;
    for (unsigned p = 0; p < partitions; ++p)
        if (lengths[std::size_t{p} * 4 + 1].count() > 0)
            commands.add("XRANGE", keys::hits(p), std::string_view("-"), std::string_view("+"),
                         std::string_view("COUNT"), 1);
    std::int64_t oldest_ms = 0;
    if (commands.size() > 0) {
        const auto answers = co_await redis.exec(commands);
        if (!answers)
            co_return;
        for (std::size_t i = 0; i < commands.size(); ++i) {
            std::uint64_t taken_ms = 0;
            const auto id = (*answers)[i][0][0].text();
            if (parse_number(id.substr(0, id.find('-')), taken_ms))
                oldest_ms = std::max(oldest_ms, unix_ms() - static_cast<std::int64_t>(taken_ms));
        }
    }
    queue_oldest_ms = oldest_ms;
}

/// Memory is bounded whatever clients send: beyond max_ids the oldest sets go, of all partitions.
void worker::impl::find_surplus_ids(std::uint64_t surplus)
{
    std::multimap<std::int64_t, unsigned> by_age;
    for (unsigned p = 0; p < partitions; ++p) {
        surplus_sets[p].clear();
        for (const auto& [time, ids] : states[p].sets)
            by_age.emplace(time, p);
    }
    for (const auto& [time, p] : by_age) {
        if (surplus == 0)
            break;
        surplus -= std::min(surplus, states[p].sets[time]);
        surplus_sets[p].push_back(time);
    }
}

/// Forgets what the partition's watermark has passed, and closes days.
asio::awaitable<void> worker::impl::tidy(unsigned partition)
{
    tidy_options options;
    options.dedupe_window_ms =
        std::chrono::milliseconds(settings->aggregator.dedupe_window).count();
    options.early_sets = std::exchange(surplus_sets[partition], {});
    for (const auto& [time, ids] : states[partition].sets)
        if (std::find(options.early_sets.begin(), options.early_sets.end(), time) ==
            options.early_sets.end())
            options.sets.push_back(time);
    for (const auto& s : settings->sites)
        if (partition_of(s.id) == partition)
            options.sites.push_back(s.id);
    const auto dedupe_window_ms = options.dedupe_window_ms;
    const auto known_sites = sites;
    const auto ids = options.sites;
    // What an archive still holds can be counted again, for which all rows are needed.
    const auto& archive = settings->archive;
    const auto kept_ms = archive.directory.empty() ? 0 : std::int64_t{archive.keep_days} * day_ms;
    if (const auto low_ms = co_await forget(partition, std::move(options)))
        for (const auto& id : ids)
            if (const auto* site = known_sites->find(id))
                co_await days.close(*site, low_ms - dedupe_window_ms - kept_ms);
}

/// Visitors of sites that were taken out of the configuration are forgotten as others are. Only
/// their keys tell of such sites.
asio::awaitable<void> worker::impl::tidy_former_sites()
{
    redis::pipeline commands;
    commands.add("SCAN", std::string_view(former_sites_cursor), std::string_view("MATCH"),
                 keys::any_seen, std::string_view("COUNT"), scan_count, std::string_view("TYPE"),
                 std::string_view("zset"));
    former_sites_cursor = "0";
    const auto answers = co_await redis.exec(commands);
    if (!answers)
        co_return;
    const auto part = (*answers)[0];
    if (part.is_error()) {
        if (error_limit.pass())
            log::warn("redis_refuses", {{"command", "SCAN"}, {"answer", part.text()}});
        co_return;
    }
    former_sites_cursor = part[0].text();
    for (std::size_t i = 0; i < part[1].size() && !stopping; ++i) {
        const auto key = keys::parse(part[1][i].text());
        const bool is_configured =
            std::any_of(settings->sites.begin(), settings->sites.end(),
                        [&key](const site_config& s) { return s.id == key.site; });
        if (key.what != keys::kind::seen || is_configured || !states[key.partition].is_ours)
            continue;
        tidy_options options;
        options.sites.push_back(key.site);
        co_await forget(key.partition, std::move(options));
    }
}

/// Answers the partition's watermark, Unix milliseconds; 0: there is none, or Redis did not say.
asio::awaitable<std::int64_t> worker::impl::forget(unsigned partition, tidy_options options)
{
    std::int64_t low_ms = 0;
    for (bool more = true; more && !stopping;) {
        redis::pipeline commands;
        commands.add(tidy_command(partition, options));
        const auto answers = co_await redis.exec(commands);
        if (!answers)
            co_return 0;
        const auto answer = (*answers)[0];
        if (answer.size() != 5) {
            failures.add();
            if (error_limit.pass())
                log::warn(
                    "redis_refuses",
                    {{"command", "tidy.lua"}, {"partition", partition}, {"answer", answer.text()}});
            co_return 0;
        }
        low_ms = answer[0].number().value_or(0);
        states[partition].silent = static_cast<std::uint64_t>(answer[1].count());
        states[partition].retired = static_cast<std::uint64_t>(answer[4].count());
        early_drops.add(static_cast<std::uint64_t>(answer[2].count()));
        options.early_sets.clear();
        options.sets.clear();
        more = answer[3].text() == "1";
    }
    co_return low_ms;
}

asio::awaitable<void> worker::impl::run()
{
    const auto self = shared_from_this();
    while (!stopping) {
        if (!redis.is_connected()) {
            held = 0;
            leases_at_ms = -lease_every_ms;
            co_await redis.wait_connected(std::chrono::milliseconds(200));
            continue;
        }
        const auto begun = steady_ms();
        if (begun - leases_at_ms >= lease_every_ms && !co_await renew_leases()) {
            co_await sleep(200);
            continue;
        }
        if (begun - upkeep_at_ms >= upkeep_every_ms) {
            co_await upkeep();
            co_await tidy_former_sites();
        }
        if (begun - tidy_at_ms >= tidy_every_ms) {
            tidy_at_ms = begun;
            tidy_next = (tidy_next + 1) % partitions;
            if (states[tidy_next].is_ours)
                co_await tidy(tidy_next);
        }
        busy_us = 0;
        co_await round();
        co_await rows.settle_due(ours.held(), settings->aggregator.keep_days);
        if (!is_behind)
            co_await rest(std::clamp(rest_times * busy_us, shortest_rest_us, longest_rest_us));
    }
    held = 0;
    co_await ours.give_up();
}

worker::worker(asio::io_context& context, redis::client& redis, std::shared_ptr<const config> c,
               std::string owner, metrics_registry& metrics)
    : impl_(std::make_shared<impl>(context, redis, std::move(c), std::move(owner), metrics))
{
}

worker::~worker() = default;

std::vector<const redis::script*> worker::scripts()
{
    auto all = leases::scripts();
    all.insert(all.end(), {&known_script(), &apply_script(), &settle_script(), &reject_script(),
                           &tidy_script(), &close_script()});
    return all;
}

asio::awaitable<void> worker::run()
{
    return impl_->run();
}

void worker::stop()
{
    impl_->stopping = true;
}

std::bitset<partitions> worker::holds() const noexcept
{
    static_assert(partitions <= 32);
    return {impl_->held_now()};
}

bool worker::hears_redis() const noexcept
{
    return steady_ms() - impl_->heard_ms < hears_ms;
}

void worker::use(std::shared_ptr<const config> c)
{
    asio::post(impl_->context, [self = impl_, spam = spam_of(*c), c]() mutable {
        self->settings = c;
        self->sites = std::make_shared<const site_table>(c);
        self->classes.spam = std::move(spam);
    });
}

}  // namespace luot::aggregator
