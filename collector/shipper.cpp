#include "collector/shipper.hpp"

#include "collector/backlog.hpp"
#include "collector/scripts.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/fail_point.hpp"
#include "core/keys.hpp"
#include "core/log.hpp"
#include "core/metrics.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <sys/statvfs.h>
#include <utility>

namespace luot::collector {

namespace asio = boost::asio;
using spool::log_reader;
using spool::per_partition;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t round_bytes = 1 << 20;
constexpr std::size_t log_bytes = 256 << 10;
constexpr std::size_t logs_per_question = 500;
constexpr std::int64_t ask_every_ms = 1000;
/// An idle log has shipped all hits that were taken so long ago: more than a turn ever lasts.
constexpr std::int64_t idle_margin_ms = 5000;
/// A round rests for so many times what it took, within bounds: hits that come meanwhile go
/// together.
constexpr std::int64_t rest_times = 10, shortest_rest_us = 5'000, longest_rest_us = 40'000;
constexpr std::int64_t held_back_ms = 500, longest_held_ms = 8'000;  // a partition that is full
constexpr std::int64_t upkeep_every_ms = 1000, disk_every_ms = 1000, hurried_disk_ms = 50;
constexpr std::int64_t measure_every_ms = 200, room_every_ms = 1000;
/// Then others of this thread have their turn: archiving them takes tenths of a second.
constexpr std::uint64_t most_archived_bytes = 64ULL << 20;
constexpr std::int64_t longest_gap_ms = 2500;  // between two answers that still count as answering

std::string text(const std::optional<std::uint64_t>& chain)
{
    return chain ? to_hex(*chain) : std::string{};
}

/// One log and what Redis says of it.
struct shipped_log {
    shipped_log(std::uint64_t producer, std::shared_ptr<spool::live_log> source)
        : reader(producer, source != nullptr), live(std::move(source)), name(to_hex(producer))
    {
    }

    log_reader reader;
    std::shared_ptr<spool::live_log> live;  ///< null: of an earlier run
    std::string name;
    per_partition shipped{};
    per_partition applied{};
    per_partition lost{};  ///< when it was asked for last
    /// Offset of its last hit; of an old log once it was read to its end.
    std::optional<per_partition> spooled;
    bool known = false;        ///< shipped is what Redis said, over this connection
    bool was_known = false;    ///< ... or over an earlier one: enough to know what may be removed
    bool forked = false;       ///< somebody else ships under this name: it is stopped
    bool told_behind = false;  ///< that Redis has more of it than the disk
    bool settled = false;      ///< an old log: partitions without hits are taken off Redis
    std::map<std::uint64_t, std::int64_t> confirmed_ms;  ///< segment -> answered time since when
    /// Where the reader was when it was sent back to look whether a full partition has room again.
    std::optional<log_reader::bookmark> before_probe;
    waiting_since waits;  ///< of a live log
};

}  // namespace

class shipper::impl : public std::enable_shared_from_this<shipper::impl> {
public:
    impl(asio::io_context& c, redis::client& r, shipper_options o, spool::disk_budget& b,
         metrics_registry& m)
        : context(c),
          redis(r),
          options(std::move(o)),
          budget(b),
          archive(options.archive, m),
          wake(c),
          shipped_hits(m.add_counter("luot_shipped_hits_total",
                                     "Hits added to the stream by this process, repeats of its own "
                                     "after a lost answer or a fall-back of Redis included.")),
          entries(m.add_counter("luot_shipped_entries_total", "Stream entries added.")),
          failures(m.add_counter("luot_ship_failures_total",
                                 "Entries that Redis refused or did not answer; they are kept and "
                                 "shipped again.")),
          full(m.add_counter("luot_ship_full_total",
                             "Entries held back because a partition's stream is full.")),
          fell_back(m.add_counter("luot_redis_fell_back_total",
                                  "Logs of which Redis was found to hold less than before.")),
          forks(
              m.add_counter("luot_spool_forked_total",
                            "Logs stopped because another process ships under their name (a copied "
                            "data_dir).")),
          declared(
              m.add_counter("luot_declared_lost_total",
                            "Hits declared lost by this process: Redis lost them when the spool "
                            "no longer held them, or the spool was damaged. For the whole see "
                            "luot_hits_lost_total.")),
          damaged_hits(m.add_counter("luot_spool_damaged_hits_total",
                                     "Hits missing in the middle of spool segments.")),
          damaged_bytes(m.add_counter("luot_spool_damaged_bytes_total",
                                      "Bytes skipped in the middle of spool segments.")),
          torn_bytes(m.add_counter("luot_spool_torn_bytes_total",
                                   "Bytes cut off by a crash at the end of logs: normal.")),
          removed(m.add_counter("luot_spool_removed_segments_total", "Spool segments removed.")),
          read_failures(m.add_counter("luot_spool_read_failures_total",
                                      "Spool segments that could not be read.")),
          times(m.add_histogram("luot_ship_seconds",
                                "From sending hits to Redis, some entries at once, to its answer.",
                                histogram::scale::work))
    {
        m.add_gauge("luot_unshipped_bytes",
                    "Bytes of the hits in the spool that Redis has not confirmed, estimated.",
                    [this] { return static_cast<double>(unshipped_bytes.load()); });
        m.add_gauge("luot_unshipped_oldest_seconds",
                    "Age of the oldest hit in the spool that Redis has not confirmed; 0: none.",
                    [this] { return age_seconds(unshipped_since_ms, steady_ms()); });
        m.add_gauge("luot_spool_oldest_seconds",
                    "Age of the oldest segment with hits in the spool; 0: none.",
                    [this] { return age_seconds(oldest_segment_ms, unix_ms()); });
        m.add_gauge("luot_unshipped_hits", "Hits in the spool that Redis has not confirmed.",
                    [this] { return static_cast<double>(unshipped.load()); });
        m.add_gauge("luot_spool_bytes", "Disk space used by the spool.",
                    [this] { return static_cast<double>(budget.used_bytes.load()); });
        m.add_gauge("luot_spool_free_bytes",
                    "What hits that Redis has not confirmed can still take: of spool.max_bytes, or "
                    "of the disk.",
                    [this] { return static_cast<double>(free_bytes.load()); });
        m.add_gauge("luot_spool_max_bytes", "spool.max_bytes.",
                    [this] { return static_cast<double>(budget.max_bytes); });
        m.add_gauge("luot_spool_logs", "Logs in the spool, those of earlier runs included.",
                    [this] { return static_cast<double>(log_count.load()); });
        const auto add_position = [&m](const char* stage, const std::atomic<std::uint64_t>& hits) {
            m.add_gauge("luot_position_hits",
                        "Offsets of the logs in the spool, summed: how far their hits have got.",
                        [&hits] { return static_cast<double>(hits.load()); }, {{"stage", stage}});
        };
        add_position("spooled", positions.spooled);
        add_position("shipped", positions.shipped);
        add_position("applied", positions.applied);
        add_position("lost", positions.lost);
        m.add_gauge("luot_spool_forked_hits",
                    "Hits of stopped logs (luot_spool_forked_total) that Redis does not have: they "
                    "are neither counted nor declared lost.",
                    [this] { return static_cast<double>(forked_hits.load()); });
        m.add_gauge("luot_spool_behind_logs",
                    "Logs of earlier runs of which Redis holds more than this disk does.",
                    [this] { return static_cast<double>(behind.load()); });
        m.add_gauge("luot_positions_differ",
                    "Logs and partitions in which the disk and Redis cannot both be right.",
                    [this] { return static_cast<double>(differing.load()); });
    }

    asio::awaitable<void> run();
    asio::awaitable<bool> ask();
    asio::awaitable<bool> ship_round(bool& more);
    asio::awaitable<void> upkeep();
    asio::awaitable<void> rest(std::int64_t us);
    asio::awaitable<result<redis::replies>> exec(const redis::pipeline& commands);
    asio::awaitable<void> watch_disk();
    asio::awaitable<void> settle_old_logs();
    asio::awaitable<bool> retire(shipped_log& log);
    void probe_full_partitions();
    void refresh();
    void measure_backlog();
    void measure_room(std::uint64_t waiting);
    static double age_seconds(std::int64_t since_ms, std::int64_t now_ms)
    {
        return since_ms == 0
                   ? 0
                   : static_cast<double>(std::max<std::int64_t>(0, now_ms - since_ms)) / 1000;
    }
    void compare_positions();
    bool take_answer(shipped_log& log, unsigned partition, redis::reply_view shipped,
                     redis::reply_view applied, redis::reply_view chain);
    void stop_forked(shipped_log& log, unsigned partition);
    void answered();
    void forget_answers();
    [[nodiscard]] bool is_filling() const { return budget.used_bytes > budget.max_bytes / 10 * 8; }
    void keep_disk_bounded();
    void rebuild_header(spool::segment& s, std::uint64_t producer, std::uint64_t number,
                        const spool::segment* before);
    bool remove_segment(shipped_log& log);
    [[nodiscard]] bool empty_in_place(shipped_log& log, spool::segment tombstone);
    [[nodiscard]] bool drop_first(shipped_log& log, bool is_urgent);
    [[nodiscard]] bool may_go(const shipped_log& log, bool is_urgent);
    [[nodiscard]] bool is_idle(const shipped_log& log) const;
    [[nodiscard]] bool all_live_shipped() const;
    void count_damage(const shipped_log& log, const spool::damage& before);

    asio::io_context& context;
    redis::client& redis;
    const shipper_options options;
    spool::disk_budget& budget;
    archiver archive;
    asio::steady_timer wake;
    std::vector<std::unique_ptr<shipped_log>> logs;
    std::bitset<partitions> held;  ///< partitions whose stream is full
    std::int64_t held_until_ms = 0, held_for_ms = held_back_ms;
    std::uint64_t connection = 0;  ///< of Redis, that the answers came over
    std::int64_t answered_ms = 0;  ///< time in which Redis answered: retention runs in it
    std::int64_t last_answer_ms = 0;
    std::int64_t last_ask_ms = 0;
    std::int64_t last_upkeep_ms = 0;
    std::int64_t stop_at_ms = 0;
    bool waits_for_redis = false, has_ended = false;
    std::atomic<bool> told{false};
    std::atomic<std::uint64_t> unshipped{0}, log_count{0}, differing{0}, behind{0}, forked_hits{0},
        unshipped_bytes{0}, free_bytes{0};
    /// Of a steady clock, and Unix time; 0: there is none.
    std::atomic<std::int64_t> unshipped_since_ms{0}, oldest_segment_ms{0};
    std::int64_t measured_ms = 0, room_measured_ms = -room_every_ms;
    struct {
        std::atomic<std::uint64_t> spooled{0}, shipped{0}, applied{0}, lost{0};
    } positions;  ///< sums over all logs that are read to their end
    log::limiter fall_back_limit{10}, refusal_limit{10}, read_limit{10};
    counter &shipped_hits, &entries, &failures, &full, &fell_back, &forks, &declared, &damaged_hits,
        &damaged_bytes, &torn_bytes, &removed, &read_failures;
    histogram& times;
};

void shipper::impl::answered()
{
    const auto now = steady_ms();
    if (last_answer_ms != 0 && now - last_answer_ms <= longest_gap_ms)
        answered_ms += now - last_answer_ms;
    last_answer_ms = now;
}

void shipper::impl::forget_answers()
{
    // A question without an answer of before registers a log in all partitions: settle it again.
    for (auto& log : logs)
        log->known = log->settled = false;
}

bool shipper::impl::is_idle(const shipped_log& log) const
{
    return log.known && log.reader.is_at_end() &&
           std::equal(log.reader.known().begin(), log.reader.known().end(), log.shipped.begin(),
                      std::less_equal<>{});
}

void shipper::impl::refresh()
{
    std::uint64_t waiting = 0, stopped = 0, spooled = 0, shipped = 0, applied = 0, lost = 0;
    for (auto& log : logs) {
        auto ends = log->reader.known();
        if (log->live) {
            auto state = log->live->snapshot();
            ends = state.ends;
            log->waits.note(steady_ms(), ends, log->shipped);
            log->reader.set_segments(std::move(state.segments));
        }
        if (log->live || log->reader.is_at_end())
            log->spooled = ends;
        for (unsigned p = 0; p < partitions; ++p)
            (log->forked ? stopped : waiting) +=
                ends[p] > log->shipped[p] ? ends[p] - log->shipped[p] : 0;
        if (!log->spooled || log->forked)
            continue;
        for (unsigned p = 0; p < partitions; ++p) {
            spooled += (*log->spooled)[p];
            shipped += log->shipped[p];
            applied += log->applied[p];
            lost += log->lost[p];
        }
    }
    unshipped = waiting;
    forked_hits = stopped;
    positions.spooled = spooled;
    positions.shipped = shipped;
    positions.applied = applied;
    positions.lost = lost;
    log_count = logs.size();
    // When the last hit was confirmed is told at once; how much waits can wait itself.
    if (waiting == 0 || steady_ms() - measured_ms >= measure_every_ms)
        measure_backlog();
}

void shipper::impl::measure_backlog()
{
    measured_ms = steady_ms();
    std::uint64_t bytes = 0, kept = 0;
    std::int64_t since_ms = 0, begun_ms = 0;
    const auto earlier = [](std::int64_t& first, std::int64_t ms) {
        first = first == 0 ? ms : std::min(first, ms);
    };
    for (const auto& log : logs) {
        const auto& segments = log->reader.segments();
        for (const auto& s : segments)
            if (s.bytes > spool::header_bytes)
                earlier(begun_ms, s.header.begun_ms);
        if (log->forked || !(log->live || log->was_known)) {
            // Of an older log Redis has to say first how much it has: until then it cannot go.
            for (const auto& s : segments)
                kept += s.bytes;
            continue;
        }
        const auto ends = log->spooled.value_or(log->reader.known());
        const auto waiting = unconfirmed_of(segments, ends, log->shipped);
        bytes += waiting.bytes;
        if (waiting.begun_ms == 0)
            continue;
        // Of hits of earlier runs, and of those that Redis has lost again, the segment's age.
        const auto of_segment =
            measured_ms - std::max<std::int64_t>(0, unix_ms() - waiting.begun_ms);
        earlier(since_ms, log->waits.since_ms().value_or(of_segment));
    }
    unshipped_bytes = bytes;
    unshipped_since_ms = since_ms;
    oldest_segment_ms = begun_ms;
    measure_room(bytes + kept);
}

/// What is confirmed is removed when there is no room, so it counts as free; `waiting` cannot go.
void shipper::impl::measure_room(std::uint64_t waiting)
{
    if (measured_ms - room_measured_ms < room_every_ms)
        return;
    room_measured_ms = measured_ms;
    struct statvfs disk {};
    const auto used = std::max<std::uint64_t>(waiting, budget.used_bytes);
    auto most = budget.max_bytes;
    if (::statvfs(options.directory.c_str(), &disk) == 0)
        most = std::min(most, used + std::uint64_t{disk.f_bavail} * disk.f_frsize);
    free_bytes = most - std::min(most, waiting);
}

/// Right behind the answers of a question, which asks for all positions at once.
void shipper::impl::compare_positions()
{
    std::uint64_t count = 0, logs_behind = 0;
    for (const auto& log : logs) {
        if (log->forked)
            continue;
        const auto ends = log->live ? log->live->snapshot().ends : per_partition{};
        for (unsigned p = 0; p < partitions; ++p) {
            // A log of before may have lost its end with the machine (sync = "os").
            const bool is_beyond_the_log = log->live && log->shipped[p] > ends[p];
            if (is_beyond_the_log || log->applied[p] > log->shipped[p] ||
                log->lost[p] > log->shipped[p])
                ++count;
        }
        const bool is_behind = !log->live && log->spooled &&
                               !std::equal(log->shipped.begin(), log->shipped.end(),
                                           log->spooled->begin(), std::less_equal<>{});
        logs_behind += is_behind ? 1 : 0;
        if (is_behind && !std::exchange(log->told_behind, true))
            log::warn("spool_behind",
                      {{"producer", log->name},
                       {"what",
                        "Redis holds hits of this log that this disk does not: the machine lost "
                        "the log's end (sync = \"os\"), or data_dir is a copy of another or "
                        "restored from one. Nothing is counted twice"}});
    }
    behind = logs_behind;
    if (differing.exchange(count) == 0 && count > 0)
        log::error("positions_differ",
                   {{"count", count},
                    {"what",
                     "the spool and Redis cannot both be right: luot verify --positions "
                     "tells where"}});
}

void shipper::impl::stop_forked(shipped_log& log, unsigned partition)
{
    if (std::exchange(log.forked, true))
        return;
    forks.add();
    log::error("spool_forked",
               {{"producer", log.name},
                {"partition", partition},
                {"what",
                 "Redis holds other hits under this log's name: this data_dir is a copy, or "
                 "another process runs on a copy of it. This log is shipped no further; stop "
                 "one of the two and see docs/exactly-once.md"}});
    if (log.live && options.on_live_fork)
        options.on_live_fork();
}

/// Whether Redis has less than before.
bool shipper::impl::take_answer(shipped_log& log, unsigned partition, redis::reply_view shipped,
                                redis::reply_view applied, redis::reply_view chain)
{
    const auto now = static_cast<std::uint64_t>(shipped.count());
    log.applied[partition] = static_cast<std::uint64_t>(applied.count());
    const bool read_to_here = log.known && log.reader.is_at_end();
    const auto end = log.reader.known()[partition];
    if (read_to_here && now > end && log.live) {
        stop_forked(log, partition);
    } else if (read_to_here && now == end && now > 0) {
        const auto mine = log.reader.chain(partition);
        if (mine && !chain.text().empty() && chain.text() != to_hex(*mine))
            stop_forked(log, partition);
    }
    const bool has_less = now < log.shipped[partition];
    if (has_less) {
        fell_back.add();
        if (fall_back_limit.pass())
            log::warn("redis_fell_back", {{"producer", log.name},
                                          {"partition", partition},
                                          {"had", log.shipped[partition]},
                                          {"has", now},
                                          {"held_back", fall_back_limit.held_back()}});
        for (auto& [number, since] : log.confirmed_ms)
            since = -1;
    }
    log.shipped[partition] = now;
    return has_less;
}

/// Asks how far Redis has got with every log, which registers the new ones, moves the watermarks of
/// the idle ones, and tells when Redis has fallen back. False when it did not answer.
asio::awaitable<bool> shipper::impl::ask()
{
    redis::pipeline commands;
    struct question {
        unsigned partition;
        std::vector<shipped_log*> logs;
    };
    std::vector<question> asked;
    const std::string now = std::to_string(unix_ms() - idle_margin_ms);
    // Of a live log what is committed by now, shipped or not: where no hit comes the watermark
    // moves on, whatever comes in other partitions.
    std::map<const shipped_log*, per_partition> live_ends;
    for (const auto& log : logs)
        if (log->live)
            live_ends.emplace(log.get(), log->live->snapshot().ends);
    for (unsigned p = 0; p < partitions; ++p) {
        std::vector<shipped_log*> of_partition;
        for (auto& log : logs) {
            // An old log speaks only for the partitions that it has hits of; the others are taken
            // off Redis, where they would hold the watermark.
            const bool has_hits = log->reader.known()[p] > 0 || log->shipped[p] > 0;
            if (!log->forked && (!log->known || log->live || has_hits))
                of_partition.push_back(log.get());
        }
        for (std::size_t from = 0; from < of_partition.size(); from += logs_per_question) {
            const auto upto = std::min(of_partition.size(), from + logs_per_question);
            auto c = redis::evaluate(ask_script(), 2);
            c.add(std::string_view(keys::producers(p))).add(std::string_view(keys::retired(p)));
            c.add(std::string_view(now));
            question q{p, {}};
            for (auto i = from; i < upto; ++i) {
                auto* log = of_partition[i];
                c.add(std::string_view(log->name));
                if (const auto live = live_ends.find(log); live != live_ends.end())
                    c.add(live->second[p]);
                else if (!log->known || (log->spooled && (*log->spooled)[p] < log->shipped[p]))
                    c.add(std::string_view{"?"});  // or it lost its end, or is a copy
                else if (is_idle(*log))
                    c.add(log->reader.known()[p]);
                else
                    c.add(std::string_view{});
                q.logs.push_back(log);
            }
            commands.add(c);
            asked.push_back(std::move(q));
        }
    }
    last_ask_ms = steady_ms();
    if (commands.size() == 0)
        co_return true;
    const auto answers = co_await exec(commands);
    if (!answers) {
        forget_answers();
        co_return false;
    }
    if (const auto error = answers->first_error(); !error.is_null()) {
        failures.add();
        if (refusal_limit.pass())
            log::warn("redis_refuses", {{"command", "ask.lua"},
                                        {"answer", error.text()},
                                        {"held_back", refusal_limit.held_back()}});
        forget_answers();
        co_return false;
    }
    answered();
    std::vector<shipped_log*> to_seek;
    for (std::size_t i = 0; i < asked.size(); ++i) {
        const auto answer = (*answers)[i];
        for (std::size_t j = 0; j < asked[i].logs.size(); ++j) {
            auto* log = asked[i].logs[j];
            const bool fell_back = take_answer(*log, asked[i].partition, answer[4 * j],
                                               answer[4 * j + 1], answer[4 * j + 2]);
            log->lost[asked[i].partition] = static_cast<std::uint64_t>(answer[4 * j + 3].count());
            if ((fell_back || !log->known) &&
                std::find(to_seek.begin(), to_seek.end(), log) == to_seek.end())
                to_seek.push_back(log);
        }
    }
    for (auto* log : to_seek) {
        log->reader.seek(log->shipped);
        log->before_probe.reset();
        log->known = log->was_known = true;
    }
    compare_positions();
    co_return true;
}

void shipper::impl::count_damage(const shipped_log& log, const spool::damage& before)
{
    const auto& now = log.reader.found();
    damaged_hits.add(now.hits - before.hits);
    damaged_bytes.add(now.bytes - before.bytes);
    torn_bytes.add(now.torn_bytes - before.torn_bytes);
    if (now.bytes > before.bytes || now.hits > before.hits)
        log::warn("spool_damaged", {{"producer", log.name},
                                    {"bytes", now.bytes - before.bytes},
                                    {"hits", now.hits - before.hits},
                                    {"what", "skipped; the missing hits are declared lost"}});
}

/// Ships one round of every log that has something. False when Redis did not answer or refused.
asio::awaitable<bool> shipper::impl::ship_round(bool& more)
{
    struct sent {
        shipped_log* log;
        std::vector<spool::entry> entries;
    };
    std::vector<sent> round;
    std::size_t bytes = 0;
    more = false;
    for (auto& log : logs) {
        if (!log->known || log->forked || !log->reader.has_more())
            continue;
        if (bytes >= round_bytes) {
            more = true;
            break;
        }
        sent next{log.get(), {}};
        const auto before = log->reader.found();
        if (const auto error = log->reader.read(log_bytes, held, next.entries)) {
            read_failures.add();
            if (read_limit.pass())
                log::error("spool_unreadable", {{"producer", log->name}, {"why", error.message()}});
            continue;
        }
        count_damage(*log, before);
        more = more || !log->reader.is_at_end();
        for (const auto& e : next.entries)
            bytes += e.hits.size();
        if (!next.entries.empty())
            round.push_back(std::move(next));
    }
    if (round.empty())
        co_return true;

    redis::pipeline commands;
    for (const auto& s : round)
        for (const auto& e : s.entries)
            commands.add(redis::evaluate(ship_script(), 3)
                             .add(keys::hits(e.partition))
                             .add(keys::producers(e.partition))
                             .add(keys::retired(e.partition))
                             .add(s.log->name)
                             .add(e.prev)
                             .add(e.last)
                             .add(e.lost())
                             .add(text(e.prev_chain))
                             .add(text(e.chain))
                             .add(random_u64() >> (64 - 53))
                             .add(options.queue_bytes)
                             .add(hit_format)
                             .add(e.hits));
    fail_point("ship.before");
    const auto begun_us = steady_us();
    const auto answers = co_await exec(commands);
    fail_point("ship.answered");
    if (!answers) {
        failures.add(commands.size());
        forget_answers();
        co_return false;
    }
    times.observe(steady_us() - begun_us);
    answered();
    bool all_well = true;
    std::size_t at = 0;
    for (auto& s : round) {
        bool step_back = false, is_full = false;
        for (const auto& e : s.entries) {
            const auto answer = (*answers)[at++];
            if (answer.is_error() || answer.size() != 4) {
                failures.add();
                all_well = false;
                step_back = true;
                if (refusal_limit.pass())
                    log::warn("redis_refuses", {{"command", "ship.lua"},
                                                {"answer", answer.text()},
                                                {"held_back", refusal_limit.held_back()}});
                continue;
            }
            const auto status = answer[0].text();
            if (status == "ok") {
                s.log->shipped[e.partition] = e.last;
                s.log->applied[e.partition] = static_cast<std::uint64_t>(answer[2].count());
                shipped_hits.add(e.count);
                entries.add();
                if (e.lost() > 0) {
                    declared.add(e.lost());
                    log::error("hits_lost",
                               {{"producer", s.log->name},
                                {"partition", e.partition},
                                {"hits", e.lost()},
                                {"what", "neither Redis nor the spool has them any more"}});
                }
                continue;
            }
            step_back = true;
            if (status == "forked") {
                stop_forked(*s.log, e.partition);
            } else if (status == "full") {
                full.add();
                held.set(e.partition);
                is_full = true;
                s.log->shipped[e.partition] = static_cast<std::uint64_t>(answer[1].count());
            } else {  // moved: an earlier answer was lost, or Redis fell back
                take_answer(*s.log, e.partition, answer[1], answer[2], answer[3]);
            }
        }
        // Still full: back to where the reader was, rather than through all that is shipped again.
        const bool is_back = is_full && s.log->before_probe &&
                             s.log->reader.go_to(*s.log->before_probe, s.log->shipped);
        if (step_back && !is_back && !s.log->reader.step_back(s.log->shipped))
            s.log->reader.seek(s.log->shipped);
        s.log->before_probe.reset();
        if (is_full) {
            held_until_ms = steady_ms() + held_for_ms;
            held_for_ms = std::min(2 * held_for_ms, longest_held_ms);
        }
    }
    if (held.none())
        held_for_ms = held_back_ms;
    co_return all_well;
}

/// Sends the readers that have passed over hits of full partitions back to these, now and then.
void shipper::impl::probe_full_partitions()
{
    held.reset();
    for (auto& log : logs) {
        if (!log->known || !log->reader.has_passed_over())
            continue;
        log->before_probe = log->reader.place_now();
        log->reader.seek(log->shipped);
    }
}

/// Takes logs off Redis in the partitions where they never had a hit, and off the disk when they
/// had none at all: most starts of a quiet server leave such logs.
asio::awaitable<void> shipper::impl::settle_old_logs()
{
    for (std::size_t i = 0; i < logs.size();) {
        auto& log = *logs[i];
        if (log.live || log.settled || log.forked || !is_idle(log)) {
            ++i;
            continue;
        }
        redis::pipeline commands;
        bool is_empty = true;
        for (unsigned p = 0; p < partitions; ++p) {
            is_empty = is_empty && log.reader.known()[p] == 0 && log.shipped[p] == 0;
            if (log.reader.known()[p] == 0 && log.shipped[p] == 0)
                commands.add(retire_command(p, log.name));
        }
        if (commands.size() > 0) {
            const auto answers = co_await exec(commands);
            if (!answers || !answers->first_error().is_null())
                co_return;
        }
        log.settled = true;
        if (is_empty) {
            while (remove_segment(log)) {
            }
            logs.erase(logs.begin() + static_cast<std::ptrdiff_t>(i));
        } else {
            ++i;
        }
    }
}

/// Removes the first segment of a log from the disk. False when there is none left or it failed.
bool shipper::impl::remove_segment(shipped_log& log)
{
    auto segments = log.reader.segments();
    if (segments.empty())
        return false;
    const auto& first = segments.front();
    if (const auto error = remove_file(first.name); error && error.value() != ENOENT) {
        if (read_limit.pass())
            log::error("spool_remove_failed", {{"why", error.message()}});
        return false;
    }
    fail_point("segment.removed");
    budget.used_bytes -= std::min(budget.used_bytes.load(), first.bytes);
    removed.add();
    if (log.live && segments.size() > 1)
        log.live->forget_before(segments[1].header.number);
    log.confirmed_ms.erase(first.header.number);
    archive.forget(first);
    segments.erase(segments.begin());
    log.reader.set_segments(std::move(segments));
    return true;
}

/// The end of a log: its last file, then its place among those that are asked for (should the file
/// be back after a crash, so is the place). False when it has to be tried again.
asio::awaitable<bool> shipper::impl::retire(shipped_log& log)
{
    while (remove_segment(log)) {
    }
    if (!log.reader.segments().empty())
        co_return false;
    fail_point("log.unlinked");
    redis::pipeline commands;
    for (unsigned p = 0; p < partitions; ++p)
        commands.add(retire_command(p, log.name));
    // Where it fails tidy.lua does it, when nobody has asked for long.
    const auto answers = co_await exec(commands);
    if (answers && !answers->first_error().is_null() && refusal_limit.pass())
        log::warn("redis_refuses", {{"command", "retire.lua"},
                                    {"answer", answers->first_error().text()},
                                    {"held_back", refusal_limit.held_back()}});
    co_return true;
}

/// Makes a log's only segment its tombstone, where the disk has no room for another file. Should
/// its hits outlive a crash in between, the header says that they are none of this segment's.
bool shipper::impl::empty_in_place(shipped_log& log, spool::segment tombstone)
{
    const auto& last = log.reader.segments().back();
    tombstone.header.number = last.header.number;
    tombstone.name = last.name;
    std::string head;
    spool::encode_header(tombstone.header, head);
    if (overwrite_file(tombstone.name, head))
        return false;
    tombstone.bytes = spool::header_bytes;
    budget.used_bytes -= std::min(budget.used_bytes.load(), last.bytes - tombstone.bytes);
    removed.add();
    archive.forget(last);
    log.confirmed_ms.erase(tombstone.header.number);
    log.reader.set_segments({std::move(tombstone)});
    log.reader.seek(log.shipped);
    return true;
}

/// Whether the archive has the first segment of a log, or there is none; with `is_urgent` it goes
/// without.
bool shipper::impl::may_go(const shipped_log& log, bool is_urgent)
{
    const auto& segments = log.reader.segments();
    const auto& first = segments.front();
    if (!archive.is_on() || first.bytes <= spool::header_bytes)
        return true;
    const auto& ends = segments.size() > 1 ? segments[1].header.offsets : log.reader.known();
    if (archive.take(first, ends, is_urgent))
        return true;
    if (is_urgent)
        archive.give_up(first, ends);
    return is_urgent;
}

/// Removes the first segment of a log; when it holds an old log's last hits, a tombstone keeps the
/// log's name and offsets.
bool shipper::impl::drop_first(shipped_log& log, bool is_urgent)
{
    if (waits_for_redis && !log.live)
        return false;  // the reader's place is what the answer is about
    const bool is_last = log.reader.segments().size() == 1;
    if (is_last) {
        if (!log.reader.is_at_end())
            return false;  // its end is not known: it is read to it first
    }
    if (!may_go(log, is_urgent))
        return false;
    if (is_last) {
        const auto& last = log.reader.segments().back().header;
        spool::segment tombstone;
        tombstone.header = {last.producer, last.number + 1, unix_ms(), log.reader.known(), {}};
        for (unsigned p = 0; p < partitions; ++p)
            tombstone.header.chains[p] = log.reader.chain(p).value_or(0);
        tombstone.name =
            options.directory + '/' + spool::segment_name(last.producer, last.number + 1);
        std::string head;
        spool::encode_header(tombstone.header, head);
        if (replace_file(tombstone.name, head))
            return empty_in_place(log, std::move(tombstone));
        fail_point("segment.tombstone");
        tombstone.bytes = spool::header_bytes;
        budget.used_bytes += spool::header_bytes;
        auto segments = log.reader.segments();
        segments.push_back(std::move(tombstone));
        log.reader.set_segments(std::move(segments));
    }
    if (!remove_segment(log))
        return false;
    if (is_last)
        log.reader.seek(log.shipped);  // the tombstone
    return true;
}

/// Removes segments that Redis has confirmed for `retain`; when space is short also younger ones,
/// the oldest first. Never one that holds a hit which Redis has not confirmed, and one that the
/// archive could not take only when space is short.
void shipper::impl::keep_disk_bounded()
{
    // A write that failed for want of room says more than the budget does: the disk may be smaller.
    const bool has_failed = budget.short_of_space.exchange(false);
    const auto used = budget.used_bytes.load();
    const bool is_short = has_failed || is_filling();
    const auto wanted =
        std::min(budget.max_bytes / 10 * 7, has_failed ? used / 10 * 9 : budget.max_bytes);
    std::multimap<std::int64_t, shipped_log*> younger;  // confirmed, by the time they were begun
    const auto taken_before = archive.taken_bytes();
    for (auto& log : logs) {
        if (!log->was_known || log->forked)
            continue;
        std::vector<std::int64_t> overdue;  // when they were begun
        const auto& segments = log->reader.segments();
        for (std::size_t i = 0; i < segments.size(); ++i) {
            const auto& s = segments[i];
            const bool is_last = i + 1 == segments.size();
            if (is_last &&
                (log->live || s.bytes <= spool::header_bytes || !log->reader.is_at_end()))
                break;  // being written, a tombstone, or its end is not known yet
            const auto& ends = is_last ? log->reader.known() : segments[i + 1].header.offsets;
            auto& since = log->confirmed_ms.try_emplace(s.header.number, -1).first->second;
            if (!std::equal(ends.begin(), ends.end(), log->shipped.begin(), std::less_equal<>{})) {
                since = -1;
                break;
            }
            if (since < 0)
                since = answered_ms;
            if (answered_ms - since > options.retain.count())
                overdue.push_back(s.header.begun_ms);
            else
                younger.emplace(s.header.begun_ms, log.get());
        }
        std::size_t gone = 0;
        while (gone < overdue.size() &&
               archive.taken_bytes() - taken_before < most_archived_bytes &&
               drop_first(*log, false))
            ++gone;
        for (; gone < overdue.size(); ++gone)
            younger.emplace(overdue[gone], log.get());
    }
    // Confirmed segments of one log lie in this order on the disk, so its first is the one named.
    for (const auto& [begun_ms, log] : younger)
        if (!is_short || budget.used_bytes < wanted || !drop_first(*log, true))
            break;
}

bool shipper::impl::all_live_shipped() const
{
    return std::all_of(logs.begin(), logs.end(), [this](const auto& log) {
        return !log->live || log->forked || is_idle(*log);
    });
}

asio::awaitable<void> shipper::impl::run()
{
    const auto self = shared_from_this();
    asio::co_spawn(context, watch_disk(), asio::detached);
    for (;;) {
        if (!told.exchange(false)) {
            wake.expires_after(std::chrono::milliseconds(stop_at_ms ? 20 : 1000));
            if (!told)
                co_await wake.async_wait(as_result);
            told = false;
        }
        refresh();
        const auto now = steady_ms();
        if (stop_at_ms && (all_live_shipped() || now > stop_at_ms)) {
            has_ended = true;
            co_return;
        }
        const auto now_connected = redis.connection();
        if (now_connected == 0 || std::exchange(connection, now_connected) != now_connected)
            forget_answers();  // another connection may be one to an earlier state
        if (now_connected == 0) {
            told = true;  // what came meanwhile is not told again
            co_await redis.wait_connected(std::chrono::milliseconds(100));
            continue;
        }
        if (now - last_upkeep_ms >= upkeep_every_ms)
            co_await upkeep();
        const bool any_unknown = std::any_of(
            logs.begin(), logs.end(), [](const auto& log) { return !log->known && !log->forked; });
        if (any_unknown || now - last_ask_ms >= ask_every_ms) {
            const bool answered = co_await ask();
            if (!answered) {
                told = true;
                co_await rest(100'000);
                continue;
            }
        }
        if (held.any() && now >= held_until_ms)
            probe_full_partitions();
        const auto begun_us = steady_us();
        bool more = false;
        const bool well = co_await ship_round(more);
        told = told || more || !well;
        if (more && well) {  // go on at once, but let others of this thread have their turn
            co_await asio::post(context, asio::use_awaitable);
        } else {
            co_await rest(well ? std::clamp(rest_times * (steady_us() - begun_us), shortest_rest_us,
                                            longest_rest_us)
                               : 100'000);
        }
    }
}

asio::awaitable<void> shipper::impl::rest(std::int64_t us)
{
    asio::steady_timer pause(context, std::chrono::microseconds(us));
    co_await pause.async_wait(as_result);
}

/// While this waits for Redis, only watch_disk() is at work, which keeps off what the wait is
/// about.
asio::awaitable<result<redis::replies>> shipper::impl::exec(const redis::pipeline& commands)
{
    waits_for_redis = true;
    auto answers = co_await redis.exec(commands);
    waits_for_redis = false;
    co_return answers;
}

/// Makes room on the disk, whatever Redis does.
asio::awaitable<void> shipper::impl::watch_disk()
{
    const auto self = shared_from_this();
    while (!has_ended) {
        keep_disk_bounded();
        archive.remove_old(unix_ms());
        for (std::int64_t ms = 0; ms < disk_every_ms && !has_ended; ms += hurried_disk_ms) {
            co_await rest(hurried_disk_ms * 1000);
            if (is_filling() || budget.short_of_space)
                break;
        }
    }
}

/// What is done every second.
asio::awaitable<void> shipper::impl::upkeep()
{
    last_upkeep_ms = steady_ms();
    co_await settle_old_logs();
    for (auto log = logs.begin(); log != logs.end();) {
        const auto& segments = (*log)->reader.segments();
        const bool is_tombstone = !(*log)->live && segments.size() == 1 &&
                                  segments[0].bytes <= spool::header_bytes && is_idle(**log) &&
                                  (*log)->applied == (*log)->shipped && (*log)->settled;
        bool is_retired = false;
        if (is_tombstone && unix_ms() - segments[0].header.begun_ms > options.name_is_kept.count())
            is_retired = co_await retire(**log);
        log = is_retired ? logs.erase(log) : std::next(log);
    }
}

shipper::shipper(asio::io_context& context, redis::client& redis, shipper_options options,
                 spool::disk_budget& budget, metrics_registry& metrics)
    : impl_(std::make_shared<impl>(context, redis, std::move(options), budget, metrics))
{
}

shipper::~shipper() = default;

std::vector<const redis::script*> shipper::scripts()
{
    return {&ship_script(), &ask_script(), &retire_script()};
}

void shipper::find_old_logs()
{
    const auto& directory = impl_->options.directory;
    auto names = list_directory(directory);
    if (!names)
        throw boost::system::system_error(names.error(), "cannot read " + directory);
    std::map<std::uint64_t, std::vector<spool::segment>> found;
    for (const auto& name : *names) {
        std::uint64_t producer = 0, number = 0;
        if (!spool::parse_segment_name(name, producer, number))
            continue;
        spool::segment s;
        s.name = directory + '/' + name;
        auto opened = file::open(s.name);
        std::string head;
        if (!opened || opened->read_at(0, spool::header_bytes, head)) {
            impl_->read_failures.add();
            log::error("spool_unreadable", {{"file", name}});
            continue;
        }
        auto error = spool::decode_header(head, s.header);
        const auto size = opened->size();
        s.bytes = size ? *size : 0;
        if (error == errc::newer_format) {
            impl_->read_failures.add();
            log::error(
                "spool_newer_format",
                {{"file", name},
                 {"what", "written by a newer luot; left alone: start that version to ship it"}});
            continue;
        }
        if (error || s.header.producer != producer || s.header.number != number) {
            if (s.bytes <= spool::header_bytes) {  // a crash while it was begun: nothing is in it
                (void)remove_file(s.name);
                continue;
            }
            // Its records are good by themselves.
            const auto& before = found[producer];
            impl_->rebuild_header(s, producer, number, before.empty() ? nullptr : &before.back());
        }
        impl_->budget.used_bytes += s.bytes;
        found[producer].push_back(std::move(s));
    }
    std::erase_if(found, [](const auto& log) { return log.second.empty(); });
    for (auto& [producer, segments] : found) {
        auto log = std::make_unique<shipped_log>(producer, nullptr);
        log->reader.set_segments(std::move(segments));
        impl_->logs.push_back(std::move(log));
    }
    if (!found.empty())
        log::info("old_logs", {{"logs", found.size()}, {"bytes", impl_->budget.used_bytes.load()}});
}

void shipper::impl::rebuild_header(spool::segment& s, std::uint64_t producer, std::uint64_t number,
                                   const spool::segment* before)
{
    const auto bytes_of = [this](const spool::segment& from) {
        auto content = read_file(from.name, from.bytes);
        if (!content)
            read_failures.add();
        return content ? std::move(*content) : std::string{};
    };
    const auto ends =
        before ? spool::ends_of(before->header, bytes_of(*before)) : spool::per_partition{};
    s.header = spool::rebuilt_header(producer, number, bytes_of(s), ends);
    const auto modified = modified_ms(s.name);
    s.header.begun_ms = modified ? *modified : unix_ms();
    damaged_bytes.add(spool::header_bytes);
    log::warn("spool_header_damaged",
              {{"producer", to_hex(producer)},
               {"segment", number},
               {"what", "put together again from its records; what is missing is declared lost"}});
}

void shipper::add(std::shared_ptr<spool::live_log> log)
{
    impl_->logs.push_back(std::make_unique<shipped_log>(log->producer(), log));
}

asio::awaitable<void> shipper::run()
{
    return impl_->run();
}

void shipper::notify()
{
    if (impl_->told.exchange(true))
        return;
    asio::post(impl_->context, [self = impl_] { self->wake.cancel(); });
}

void shipper::stop(std::chrono::milliseconds most)
{
    asio::post(impl_->context, [self = impl_, most] {
        self->stop_at_ms = steady_ms() + most.count();
        self->wake.cancel();
    });
}

}  // namespace luot::collector
