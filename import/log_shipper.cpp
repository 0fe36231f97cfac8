#include "import/log_shipper.hpp"

#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/fail_point.hpp"
#include "core/keys.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace luot::embedded {
extern const std::string_view seen_lua;
}

namespace luot::importer {

namespace asio = boost::asio;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
/// As the entries of the spool are.
constexpr std::size_t most_hits = 128, most_bytes = 64 * 1024;
/// Of lines without hits: a log of pictures only moves on, too.
constexpr std::uint64_t most_lines = 8192;
constexpr std::size_t most_queued = 32, most_sent = 16;
constexpr std::size_t prefix_bytes = 512;
constexpr std::size_t lines_per_turn = 1024;
constexpr std::int64_t visit_gap_ms = 30 * 60 * 1000;
/// What was seen since then nobody has forgotten; and who is online is nobody's to say but theirs.
constexpr std::int64_t fresh_ms = 5 * 60 * 1000;
constexpr std::size_t seen_at_once = 500, least_seen_bound = 10'000;
/// Servers write a line when the answer is sent, with the time at which the request came.
constexpr std::int64_t idle_margin_ms = 10 * 60 * 1000;
/// An aggregator takes more than 40 ms for what may wait in the stream.
constexpr std::int64_t shortest_pause_ms = 2, longest_pause_ms = 40;
constexpr std::int64_t say_every_ms = 10'000;

const redis::script& seen_script()
{
    static const redis::script s{embedded::seen_lua};
    return s;
}

/// Answers of a Redis that will do it later.
bool will_pass(const redis::reply_view& answer)
{
    constexpr std::array<std::string_view, 8> words{
        "OOM", "LOADING", "READONLY", "NOSCRIPT", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN"};
    return std::any_of(words.begin(), words.end(),
                       [&answer](std::string_view word) { return answer.is_error(word); });
}

}  // namespace

void import_counts::add(const std::string& file, const raw_line& line, line_fate fate,
                        const hit_maker& maker)
{
    ++fates[static_cast<std::size_t>(fate)];
    if (fate == line_fate::damaged) {
        if (samples.size() < most_samples)
            samples.push_back({file, line.number, maker.fault(), sample_of(line.text)});
        return;
    }
    const auto time = maker.time_ms();
    first_ms = first_ms == 0 ? time : std::min(first_ms, time);
    last_ms = std::max(last_ms, time);
}

std::string prefix_of(int descriptor)
{
    std::string bytes(prefix_bytes, '\0');
    const auto got = ::pread(descriptor, bytes.data(), bytes.size(), 0);
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
}

log_shipper::log_shipper(import_run& run, std::string file)
    : run_(run),
      file_(std::move(file)),
      partition_(partition_of(run.site.id)),
      reader_wake_(run.executor),
      sender_wake_(run.executor)
{
}

log_shipper::log_shipper(import_run& run, std::string file, line_reader opened)
    : log_shipper(run, std::move(file))
{
    reader_.emplace(std::move(opened));
}

std::vector<const redis::script*> log_shipper::scripts()
{
    return {&collector::ship_script(), &collector::ask_script(), &collector::retire_script(),
            &seen_script()};
}

void log_shipper::differs(const std::string& how) const
{
    throw import_error(file_ +
                       " is not the log that was imported before: it has the same first "
                       "line, but " +
                       how +
                       ". Nothing of it was imported this time. A log may grow, be renamed or "
                       "compressed; one that was edited, filtered or cut cannot go on: import the "
                       "whole log as it was written");
}

/// Opens the file, or goes back to its beginning.
void log_shipper::open()
{
    if (!reader_) {
        auto opened = line_reader::open(file_);
        if (!opened)
            throw import_error("cannot read " + file_ + ": " + opened.error().message());
        reader_.emplace(std::move(*opened));
    } else if (number_ > 0) {
        if (const auto error = reader_->rewind())
            throw import_error(
                "Redis has lost what came last, and " + (file_ == "-" ? "standard input" : file_) +
                " cannot be read again: run the import again, it goes on where Redis is");
    }
    struct stat status {};
    is_pipe_ = ::fstat(reader_->descriptor(), &status) == 0 && !S_ISREG(status.st_mode);
    prefix_ = prefix_of(reader_->descriptor());
    digest_.reset();
    number_ = 0;
    queue_.clear();
    waiting_.clear();
    waiting_bytes_ = 0;
    seen_.clear();
    newest_ms_ = 0;
    seen_bound_ = least_seen_bound;
}

bool log_shipper::next(raw_line& line)
{
    switch (reader_->next(line)) {
        case line_reader::outcome::line:
            return true;
        case line_reader::outcome::end:
            return false;
        case line_reader::outcome::failed:
            break;
    }
    throw import_error(fmt::format(
        "{}: {}, behind line {}. What stands before it is imported; once the file is whole, run "
        "it again",
        file_, reader_->error().message(), number_));
}

line_fate log_shipper::take(const raw_line& line, std::string& hits)
{
    digest_.add(line.text);
    number_ = line.number;
    const auto fate = run_.maker.make(line.text, hits);
    if (number_ > counted_) {
        counted_ = number_;
        ++run_.counts.lines;
        if (number_ <= shipped_before_)
            ++run_.counts.before;
        else
            run_.counts.add(file_, line, fate, run_.maker);
    }
    return fate;
}

asio::awaitable<bool> log_shipper::ship()
{
    while (true) {
        if (!has_begun_ || must_rewind_) {
            must_rewind_ = has_begun_ = is_announced_ = false;
            co_await begin();
            if (!has_begun_)
                co_return true;
        }
        if (!is_announced_) {
            is_announced_ = co_await announce();
            if (!is_announced_)
                co_return true;
        }
        co_await read_and_send();
        if (!must_rewind_)
            co_return last_found_ == found::end;
    }
}

/// Goes to the line behind those that Redis has; has_begun_ is false when there is none at all.
asio::awaitable<void> log_shipper::begin()
{
    open();
    raw_line line;
    co_await wait_for_input();
    if (!next(line))
        co_return;
    const auto producer = to_hex(producer_of(run_.site.id, line.text, run_.round));
    if (!producer_.empty() && producer != producer_)
        throw import_error(file_ +
                           " became another file while it was imported: run the import again "
                           "with both, what was imported is not counted twice");
    producer_ = producer;
    reader_->put_back();
    const auto there = co_await ask("?");
    if (counted_ == 0)
        shipped_before_ = there.shipped;
    co_await pass_over(there);
    has_begun_ = true;
}

/// Says that there is more to come before any of it does: from here on nobody forgets what its
/// lines need. False when there is no more.
asio::awaitable<bool> log_shipper::announce()
{
    raw_line line;
    co_await wait_for_input();
    if (!next(line))
        co_return false;
    reader_->put_back();
    (void)co_await ask(std::to_string(number_ + 1));
    if (number_ > 0)
        co_await restore_seen(number_);
    co_return true;
}

/// Ships what there is to read. must_rewind_: Redis is elsewhere than was thought.
asio::awaitable<void> log_shipper::read_and_send()
{
    is_closing_ = false;
    failure_ = nullptr;
    is_sending_ = true;
    asio::co_spawn(run_.executor, send(), [this](std::exception_ptr e) {
        failure_ = std::move(e);
        is_sending_ = false;
        reader_wake_.cancel();
    });
    last_found_ = found::more;
    std::exception_ptr unreadable;
    while (last_found_ == found::more && is_sending_ && !must_rewind_ && !run_.stopping) {
        run_.progress();
        if (queue_.size() >= most_queued) {
            reader_wake_.expires_at(asio::steady_timer::time_point::max());
            co_await reader_wake_.async_wait(as_result);
            continue;
        }
        entry e;
        try {
            last_found_ = fill(e);
        } catch (const import_error&) {
            unreadable = std::current_exception();  // what came before it is good
            last_found_ = found::end;
        }
        if (e.last > e.prev) {
            is_touched_ = true;
            queue_.push_back(std::move(e));
            sender_wake_.cancel();
        }
        co_await asio::post(asio::use_awaitable);
    }
    is_closing_ = true;
    sender_wake_.cancel();
    while (is_sending_) {
        run_.progress();
        reader_wake_.expires_at(asio::steady_timer::time_point::max());
        co_await reader_wake_.async_wait(as_result);
    }
    if (failure_)
        std::rethrow_exception(failure_);
    if (run_.stopping)
        throw import_stopped();
    if (unreadable && !must_rewind_)
        std::rethrow_exception(unreadable);
}

/// Reads the lines that Redis has, and compares.
asio::awaitable<void> log_shipper::pass_over(const position& there)
{
    std::string hits;
    raw_line line;
    while (number_ < there.shipped) {
        if (is_pipe_)
            co_await wait_for_input();
        if (!next(line))
            differs(
                fmt::format("{} lines, and {} of it have been imported", number_, there.shipped));
        hits.clear();
        if (take(line, hits) == line_fate::hit) {
            const auto time = run_.maker.time_ms();
            newest_ms_ = std::max(newest_ms_, time);
            auto& last = seen_[run_.maker.visitor()];
            last = std::max(last, time);
            if (seen_.size() > seen_bound_) {
                std::erase_if(
                    seen_, [this](const auto& v) { return v.second <= newest_ms_ - visit_gap_ms; });
                seen_bound_ = std::max(least_seen_bound, 2 * seen_.size());
            }
        }
        if (number_ % lines_per_turn == 0) {
            run_.progress();
            if (run_.stopping)
                throw import_stopped();
            co_await asio::post(asio::use_awaitable);
        }
    }
    if (there.shipped > 0 && !there.chain.empty() && to_hex(digest_.value()) != there.chain)
        differs(fmt::format("its first {} lines, which have been imported, are not the same",
                            there.shipped));
}

/// Visits that went on when the lines before ended may go on now.
asio::awaitable<void> log_shipper::restore_seen(std::uint64_t shipped)
{
    const auto until = std::min(newest_ms_, unix_ms() - fresh_ms);
    std::string times, visitors;
    redis::pipeline commands;
    const auto add = [&] {
        if (visitors.empty())
            return;
        commands.add(redis::evaluate(seen_script(), 2)
                         .add(std::string_view(keys::producers(partition_)))
                         .add(std::string_view(keys::seen(run_.site.id)))
                         .add(std::string_view(producer_))
                         .add(shipped)
                         .add(std::string_view(times))
                         .add(std::string_view(visitors)));
        times.clear();
        visitors.clear();
    };
    for (const auto& [visitor, time] : seen_) {
        if (time <= newest_ms_ - visit_gap_ms || time > until)
            continue;
        fmt::format_to(std::back_inserter(times), "{:016}", time);
        put_u64(visitors, visitor);
        if (visitors.size() >= 8 * seen_at_once)
            add();
    }
    add();
    seen_.clear();
    if (commands.size() > 0)
        (void)co_await answer_to(commands);
}

/// Reads lines until the entry is full. It is good also when that fails.
log_shipper::found log_shipper::fill(entry& e)
{
    e.prev = e.last = number_;
    e.prev_chain = number_ > 0 ? to_hex(digest_.value()) : std::string{};
    raw_line line;
    const auto close = [&](found outcome) {
        e.last = number_;
        e.chain = to_hex(digest_.value());
        return outcome;
    };
    while (e.count < most_hits && e.hits.size() < most_bytes && number_ - e.prev < most_lines) {
        if (is_pipe_ && reader_->would_wait())
            return close(found::waits);
        try {
            if (!next(line))
                return close(found::end);
        } catch (const import_error&) {
            (void)close(found::end);
            throw;
        }
        if (take(line, e.hits) == line_fate::hit)
            ++e.count;
    }
    return close(found::more);
}

asio::awaitable<void> log_shipper::send()
{
    while (!run_.stopping && !must_rewind_) {
        if (queue_.empty()) {
            if (is_closing_)
                co_return;
            sender_wake_.expires_at(asio::steady_timer::time_point::max());
            co_await sender_wake_.async_wait(as_result);
            continue;
        }
        const bool has_answered = co_await send_some();
        if (!has_answered) {
            co_await wait_for_redis();
            const auto there = co_await ask("?");
            go_on_from(there);
        }
        reader_wake_.cancel();
    }
}

/// How many entries of the queue to send at once. A full stream refuses each of them by itself: no
/// more than there is room for behind those that wait, or one that asks whether there is room
/// again.
std::size_t log_shipper::sendable() const
{
    const auto most = full_pause_ms_ > 0 ? 1 : std::min(queue_.size(), most_sent);
    auto bytes = waiting_bytes_ + queue_.front().hits.size();
    std::size_t count = 1;
    while (count < most && bytes + queue_[count].hits.size() <= queue_bytes)
        bytes += queue_[count++].hits.size();
    return count;
}

/// False when Redis did not answer.
asio::awaitable<bool> log_shipper::send_some()
{
    const auto count = sendable();
    redis::pipeline commands;
    for (std::size_t i = 0; i < count; ++i) {
        const auto& e = queue_[i];
        commands.add(redis::evaluate(collector::ship_script(), 3)
                         .add(std::string_view(keys::hits(partition_)))
                         .add(std::string_view(keys::producers(partition_)))
                         .add(std::string_view(keys::retired(partition_)))
                         .add(std::string_view(producer_))
                         .add(e.prev)
                         .add(e.last)
                         .add(0)
                         .add(std::string_view(e.prev_chain))
                         .add(std::string_view(e.chain))
                         .add(random_u64() >> (64 - 53))
                         .add(queue_bytes)
                         .add(hit_format)
                         .add(std::string_view(e.hits)));
    }
    fail_point("import.before");
    const auto answers = co_await run_.redis.exec(commands);
    fail_point("import.answered");
    if (!answers)
        co_return false;
    for (std::size_t i = 0; i < count; ++i) {
        const auto answer = (*answers)[i];
        if (answer.is_error() || answer.size() != 4) {
            refused(answer, "ship.lua");
            co_await pause(std::chrono::milliseconds(500));
            co_return true;
        }
        const auto status = answer[0].text();
        set_applied(static_cast<std::uint64_t>(answer[2].count()));
        if (status == "ok") {
            const auto& e = queue_.front();
            if (!e.hits.empty())
                waiting_.emplace_back(e.last, e.hits.size());
            waiting_bytes_ += e.hits.size();
            queue_.pop_front();
            full_pause_ms_ = 0;
            continue;
        }
        if (status == "forked")
            differs(fmt::format("its first {} lines, which have been imported, are not the same",
                                answer[1].text()));
        if (status == "full") {
            full_pause_ms_ = std::clamp(2 * full_pause_ms_, shortest_pause_ms, longest_pause_ms);
            co_await pause(std::chrono::milliseconds(full_pause_ms_));
        } else {  // moved: an answer was lost, Redis fell back, or somebody else imports it, too
            go_on_from({static_cast<std::uint64_t>(answer[1].count()), applied_,
                        std::string(answer[3].text())});
        }
        co_return true;
    }
    co_return true;
}

void log_shipper::set_applied(std::uint64_t offset)
{
    applied_ = offset;
    while (!waiting_.empty() && waiting_.front().first <= offset) {
        waiting_bytes_ -= waiting_.front().second;
        waiting_.pop_front();
    }
}

/// Drops what Redis has. Where that is not between two entries the log is read again.
void log_shipper::go_on_from(const position& there)
{
    while (!queue_.empty() && queue_.front().last <= there.shipped)
        queue_.pop_front();
    const bool is_known = queue_.empty()
                              ? there.shipped == number_ && there.chain == to_hex(digest_.value())
                              : there.shipped == queue_.front().prev;
    must_rewind_ = must_rewind_ || !is_known;
}

void log_shipper::refused(const redis::reply_view& answer, const char* command)
{
    const std::string text(answer.text());
    if (!will_pass(answer))
        throw import_error("Redis refuses " + std::string(command) + ": " + text);
    if (steady_ms() - said_ms_ < say_every_ms)
        return;
    said_ms_ = steady_ms();
    run_.say("Redis takes nothing now (" + text + "): waiting");
}

asio::awaitable<void> log_shipper::pause(std::chrono::milliseconds most)
{
    asio::steady_timer timer(run_.executor, most);
    co_await timer.async_wait(as_result);
}

asio::awaitable<void> log_shipper::wait_for_redis()
{
    bool was_said = false;
    while (true) {
        if (run_.stopping)
            throw import_stopped();
        const bool is_there = co_await run_.redis.wait_connected(std::chrono::milliseconds(200));
        if (is_there)
            break;
        if (!std::exchange(was_said, true))
            run_.say("Redis is away (" + run_.redis.trouble() + "): waiting for it");
    }
    if (was_said)
        run_.say("Redis is back");
}

asio::awaitable<void> log_shipper::wait_for_input()
{
    while (is_pipe_ && reader_->would_wait()) {
        if (run_.stopping)
            throw import_stopped();
        run_.progress();
        co_await pause(std::chrono::milliseconds(20));
    }
}

/// Until Redis answers, and without an error.
asio::awaitable<redis::replies> log_shipper::answer_to(const redis::pipeline& commands)
{
    while (true) {
        if (run_.stopping)
            throw import_stopped();
        auto answers = co_await run_.redis.exec(commands);
        if (!answers) {
            co_await wait_for_redis();
            continue;
        }
        const auto error = answers->first_error();
        if (error.is_null())
            co_return std::move(*answers);
        refused(error, "the import");
        co_await pause(std::chrono::milliseconds(500));
    }
}

asio::awaitable<log_shipper::position> log_shipper::ask(std::string ending)
{
    redis::pipeline commands;
    commands.add(redis::evaluate(collector::ask_script(), 2)
                     .add(std::string_view(keys::producers(partition_)))
                     .add(std::string_view(keys::retired(partition_)))
                     .add(unix_ms() - idle_margin_ms)
                     .add(std::string_view(producer_))
                     .add(std::string_view(ending)));
    const auto answers = co_await answer_to(commands);
    const auto answer = answers[0];
    position there{static_cast<std::uint64_t>(answer[0].count()),
                   static_cast<std::uint64_t>(answer[1].count()), std::string(answer[2].text())};
    set_applied(there.applied);
    co_return there;
}

asio::awaitable<bool> log_shipper::check()
{
    if (producer_.empty())
        co_return true;
    const std::string ending = is_touched_ ? std::to_string(number_) : "?";
    const auto there = co_await ask(ending);
    const bool has_less = there.shipped < number_ ||
                          (there.shipped == number_ && there.chain != to_hex(digest_.value()));
    must_rewind_ = must_rewind_ || has_less;
    co_return !has_less;
}

asio::awaitable<bool> log_shipper::retire()
{
    if (producer_.empty())
        co_return true;
    redis::pipeline commands;
    commands.add(collector::retire_command(partition_, producer_));
    const auto answers = co_await answer_to(commands);
    co_return answers[0].text() != "waits";
}

}  // namespace luot::importer
