// luot import log: the options, the order of the files, their way into Redis, and what is said of
// it. The protocol is import/log_shipper's.

#include "core/clock.hpp"
#include "core/config.hpp"
#include "core/file.hpp"
#include "core/local_time.hpp"
#include "import/hit_maker.hpp"
#include "import/import_salt.hpp"
#include "import/log_check.hpp"
#include "import/log_follower.hpp"
#include "import/log_shipper.hpp"
#include "luot/commands.hpp"
#include "luot/data_lock.hpp"
#include "luot/import_progress.hpp"
#include "luot/on_redis.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace luot {

namespace asio = boost::asio;
using importer::line_fate;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
/// Redis may lose its last second, and a little more: what it still has then it keeps.
constexpr std::chrono::seconds between_checks{3};
constexpr int checks = 2;
/// So long an aggregator may take over from one that died before nobody is waited for.
constexpr std::int64_t applies_within_ms = 20'000;
constexpr std::chrono::milliseconds look_every{100};
constexpr std::chrono::milliseconds look_again_every{500};

/// A wrong option. what() is one line that says what is right.
class usage_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

importer::log_syntax syntax_of(const import_log_options& options)
{
    auto syntax = importer::find_syntax(options.format).value_or(importer::log_syntax{});
    syntax.host_names = options.takes_host_names;
    for (const auto& field : options.fields) {
        const auto at = field.find('=');
        if (syntax.format != importer::log_format::json)
            throw usage_error("--field is for JSON: --format json, caddy or traefik");
        const auto name = field.substr(0, at);
        if (at == std::string::npos || at + 1 == field.size() ||
            !syntax.fields.set(name == "path" ? "target" : name, field.substr(at + 1)))
            throw usage_error("--field " + field +
                              ": must be one of host, client, time, request, method, path, "
                              "protocol, status, bytes, referrer and user_agent, =, and the name "
                              "that it has in the log");
    }
    return syntax;
}

/// "200-299" or "304".
importer::page_options::range range_of(const std::string& text)
{
    const auto* end = text.data() + text.size();
    importer::page_options::range range{};
    auto read = std::from_chars(text.data(), end, range.first);
    range.last = range.first;
    if (read.ec == std::errc{} && read.ptr != end && *read.ptr == '-')
        read = std::from_chars(read.ptr + 1, end, range.last);
    if (read.ec != std::errc{} || read.ptr != end || range.last > 999 || range.last < range.first)
        throw usage_error("--status " + text + ": must be status codes, such as 200-299,304");
    return range;
}

importer::page_options pages_of(const import_log_options& options)
{
    importer::page_options pages;
    if (!options.methods.empty())
        pages.methods = options.methods;
    if (!options.static_extensions.empty())
        pages.static_extensions = options.static_extensions;
    if (!options.statuses.empty()) {
        pages.statuses.clear();
        for (const auto& text : options.statuses)
            pages.statuses.push_back(range_of(text));
    }
    return pages;
}

/// A log, and when it begins.
struct input {
    std::string file;
    std::int64_t first_ms = std::numeric_limits<std::int64_t>::max();  ///< not known: last
    std::uint64_t bytes = 0;                                           ///< on the disk; 0: a pipe
    std::unique_ptr<importer::line_reader> reader;  ///< of what cannot be opened again
    bool is_pipe = false;                           ///< nor read twice
    bool is_checked = false;                        ///< false: its first lines tell nothing so far
};

importer::line_reader open_log(const std::string& file)
{
    auto reader = importer::line_reader::open(file);
    if (!reader)
        throw importer::import_error("cannot read " + file + ": " + reader.error().message());
    return std::move(*reader);
}

/// The logs in the order of their first lines' times, so that visits go on from one to the next.
std::vector<input> inputs_of(const import_log_options& options, const importer::log_syntax& syntax)
{
    std::vector<input> inputs;
    importer::line_parser parser(syntax);
    for (const auto& file : options.files) {
        auto& in = inputs.emplace_back();
        in.file = file;
        auto reader = open_log(file);
        struct stat status {};
        const bool is_file = ::fstat(reader.descriptor(), &status) == 0 && S_ISREG(status.st_mode);
        if (is_file) {
            in.bytes = static_cast<std::uint64_t>(status.st_size);
            importer::raw_line line;
            importer::log_line parsed;
            if (options.files.size() > 1 &&
                reader.next(line) == importer::line_reader::outcome::line &&
                parser.parse(line.text, parsed) == importer::line_fault::none)
                in.first_ms = parsed.time_ms;
        }
        if (!is_file || file == "-") {
            // Standard input may be a file in which somebody has read already.
            if (is_file && reader.rewind())
                throw importer::import_error("cannot read standard input from its beginning");
            in.reader = std::make_unique<importer::line_reader>(std::move(reader));
            in.is_pipe = !is_file;
        }
    }
    std::stable_sort(inputs.begin(), inputs.end(),
                     [](const input& a, const input& b) { return a.first_ms < b.first_ms; });
    return inputs;
}

std::uint64_t bytes_of(const std::vector<input>& inputs)
{
    std::uint64_t sum = 0;
    for (const auto& in : inputs) {
        if (in.bytes == 0 && in.reader)
            return 0;
        sum += in.bytes;
    }
    return sum;
}

/// What stops an import before anything of it is shipped.
importer::import_error nothing_imported(const std::string& why)
{
    return importer::import_error(why + ". Nothing was imported");
}

/// Looks at the first lines of a log. `may_come`: it grows, so that a line may come that fits.
/// Throws import_error when none does; another error when there are no lines to look at.
void check_log(input& in, importer::log_check& check, bool may_come)
{
    auto opened = in.reader ? std::optional<importer::line_reader>{} : open_log(in.file);
    auto& reader = in.reader ? *in.reader : *opened;
    if (in.is_pipe)
        reader.hold();
    const auto found = check.look(reader, in.is_pipe);
    if (const auto unpack = importer::reader_of(reader.error()); !unpack.empty())
        throw std::runtime_error(in.file + " " + reader.error().message() +
                                 ": pipe it: " + std::string(unpack) + ' ' +
                                 (in.file == "-" ? "FILE" : in.file) + " | luot import log - ...");
    if (in.is_pipe)
        reader.replay();
    else if (in.reader && reader.rewind())
        throw importer::import_error("cannot read standard input from its beginning");
    in.is_checked = found == importer::log_check::verdict::fits;
    if (found == importer::log_check::verdict::damaged || !may_come)
        if (const auto wrong = in.is_checked ? std::string{} : check.what_is_wrong(in.file);
            !wrong.empty())
            throw nothing_imported(wrong);
}

/// Looks at the first lines of all logs. Throws import_error with what is wrong.
void check_logs(std::vector<input>& inputs, importer::log_check& check, bool follows,
                import_progress& progress)
{
    for (auto& in : inputs)
        check_log(in, check, follows && &in == &inputs.back());
    const auto foreign = check.foreign_hosts();
    if (foreign.empty())
        return;
    const auto why =
        inputs.front().file + (inputs.size() > 1 ? " and the others: " : ": ") + foreign;
    if (!follows)
        throw nothing_imported(
            why + ": is the host missing in the site's hosts, or is it another --site");
    progress.say(why + " so far");  // its readers may be to come
}

void print_row(const char* name, std::uint64_t lines)
{
    std::printf("  %-18s %12s\n", name, grouped(lines).c_str());
}

void print_summary(const importer::import_counts& counts, const site_config& site,
                   std::size_t files, double seconds, bool is_dry_run)
{
    std::printf(
        "%s: %s lines of %zu %s in %.1f s (%s lines/s)\n", site.id.c_str(),
        grouped(counts.lines).c_str(), files, files == 1 ? "log" : "logs", seconds,
        grouped(static_cast<std::uint64_t>(static_cast<double>(counts.lines) / seconds)).c_str());
    print_row(is_dry_run ? "pages" : "pages shipped", counts.of(line_fate::hit));
    if (!is_dry_run)
        print_row("imported before", counts.before);
    print_row("static files", counts.of(line_fate::static_file));
    print_row("not found", counts.of(line_fate::not_found));
    print_row("other status", counts.of(line_fate::status));
    print_row("other methods", counts.of(line_fate::method));
    print_row("no request", counts.of(line_fate::no_request));
    print_row("other hosts", counts.of(line_fate::other_host));
    print_row("no page address", counts.of(line_fate::bad_address));
    print_row("damaged", counts.of(line_fate::damaged));
    for (const auto& d : counts.samples)
        std::printf("    %s:%llu: %s: %s\n", d.file.c_str(),
                    static_cast<unsigned long long>(d.number),
                    std::string(importer::describe(d.fault)).c_str(), d.text.c_str());
    if (counts.first_ms > 0)
        std::printf("  from %s to %s\n", utc_text(counts.first_ms).c_str(),
                    utc_text(counts.last_ms).c_str());
}

/// Reads the logs and ships nothing.
void read_only(std::vector<input>& inputs, importer::hit_maker& maker,
               importer::import_counts& counts, import_progress& progress)
{
    std::uint64_t bytes_before = 0;
    for (auto& in : inputs) {
        auto reader = in.reader ? std::move(*in.reader) : open_log(in.file);
        importer::raw_line line;
        std::string hits;
        while (reader.next(line) == importer::line_reader::outcome::line) {
            hits.clear();
            ++counts.lines;
            const auto fate = maker.make(line.text, hits);
            counts.add(in.file, line, fate, maker);
            if (counts.lines % 1024 == 0)
                progress.show(counts.lines, bytes_before + reader.input_bytes());
        }
        if (reader.error())
            throw importer::import_error(in.file + ": " + reader.error().message());
        bytes_before += in.bytes;
    }
}

/// One run of the command against Redis.
class log_import {
public:
    log_import(const import_log_options& options, std::vector<input>& inputs,
               importer::log_check& check, import_progress& progress)
        : options_(options), inputs_(inputs), check_(check), progress_(progress)
    {
    }

    asio::awaitable<void> work(redis::client& redis, const site_config& site,
                               importer::hit_maker& maker)
    {
        run_ = std::make_unique<importer::import_run>(
            importer::import_run{co_await asio::this_coro::executor,
                                 redis,
                                 site,
                                 maker,
                                 {},
                                 {},
                                 {},
                                 false,
                                 options_.round});
        run_->say = [this](const std::string& line) { progress_.say(line); };
        run_->progress = [this] {
            const auto* reader = at_ ? at_->reader() : nullptr;
            progress_.show(run_->counts.lines, bytes_ + (reader ? reader->input_bytes() : 0));
        };
        asio::signal_set signals(run_->executor, SIGINT, SIGTERM);
        signals.async_wait([this](boost::system::error_code error, int) {
            if (!error)
                run_->stopping = true;
        });
        try {
            co_await ship_all();
            if (options_.follows && !logs_.empty()) {
                progress_.clear();
                co_await importer::follow(*run_, std::move(logs_.back()));
            }
        } catch (const importer::import_stopped&) {
            is_stopped_ = true;
        }
    }

    [[nodiscard]] const importer::import_counts& counts() const { return run_->counts; }
    [[nodiscard]] bool is_stopped() const { return is_stopped_; }
    /// Until all was in Redis, without what is waited for then.
    [[nodiscard]] double seconds() const { return seconds_ > 0 ? seconds_ : progress_.seconds(); }
    /// Lines that Redis has and no aggregator has counted yet.
    [[nodiscard]] std::uint64_t waiting() const { return waiting_; }

private:
    asio::awaitable<void> sleep(std::chrono::milliseconds most)
    {
        asio::steady_timer timer(run_->executor);
        const auto until = steady_ms() + most.count();
        while (!run_->stopping && steady_ms() < until) {
            timer.expires_after(std::min<std::chrono::milliseconds>(
                look_every, std::chrono::milliseconds(until - steady_ms() + 1)));
            co_await timer.async_wait(as_result);
        }
        if (run_->stopping)
            throw importer::import_stopped();
    }

    asio::awaitable<void> ship(importer::log_shipper& log)
    {
        while (true) {
            const bool is_done = co_await log.ship();
            if (is_done)
                co_return;
            co_await sleep(std::chrono::milliseconds(20));
        }
    }

    /// Until a line of the log that is followed says that it is of its format.
    asio::awaitable<void> await_format(input& in)
    {
        bool was_said = false;
        while (true) {
            check_log(in, check_, true);
            if (in.is_checked)
                co_return;
            const auto wrong = check_.what_is_wrong(in.file);
            if (!wrong.empty() && !std::exchange(was_said, true))
                run_->say(wrong + ". Waiting for one that is");
            for (auto& log : logs_)  // they hold nothing back
                (void)co_await log->check();
            co_await sleep(look_again_every);
        }
    }

    asio::awaitable<void> ship_all()
    {
        for (auto& in : inputs_) {
            const bool is_followed = options_.follows && &in == &inputs_.back();
            if (is_followed && !in.is_checked)
                co_await await_format(in);
            logs_.push_back(in.reader ? std::make_unique<importer::log_shipper>(
                                            *run_, in.file, std::move(*in.reader))
                                      : std::make_unique<importer::log_shipper>(*run_, in.file));
            at_ = logs_.back().get();
            co_await ship(*at_);
            if (at_->has_rest())
                run_->say(in.file +
                          ": its last line has no line feed yet and is left for the next run");
            at_ = nullptr;
            bytes_ += in.bytes;
            if (!is_followed)
                logs_.back()->close();
        }
        seconds_ = progress_.seconds();
        co_await confirm();
        co_await settle();
    }

    /// Ends when Redis has had everything for a while.
    asio::awaitable<void> confirm()
    {
        for (int seen = 0; seen < checks; ++seen) {
            if (seen > 0)
                co_await sleep(between_checks);
            for (auto& log : logs_) {
                const bool is_there = co_await log->check();
                if (is_there)
                    continue;
                run_->say("Redis lost what came last: it is shipped again");
                co_await ship(*log);
                seen = -1;
            }
        }
    }

    /// Waits until all is counted, as long as somebody counts; then nothing is held back for these
    /// logs any more.
    asio::awaitable<void> settle()
    {
        std::uint64_t applied_before = 0;
        auto moved_ms = steady_ms();
        while (true) {
            std::uint64_t applied = 0;
            waiting_ = 0;
            for (auto& log : logs_) {
                (void)co_await log->check();
                applied += log->applied();
                waiting_ += log->lines() - std::min(log->lines(), log->applied());
            }
            if (waiting_ == 0)
                break;
            if (applied != applied_before) {
                applied_before = applied;
                moved_ms = steady_ms();
            }
            if (steady_ms() - moved_ms > applies_within_ms)
                co_return;
            co_await sleep(look_every);
        }
        for (auto& log : logs_)
            if (!(options_.follows && log == logs_.back()))
                (void)co_await log->retire();
    }

    const import_log_options& options_;
    std::vector<input>& inputs_;
    importer::log_check& check_;
    import_progress& progress_;
    std::unique_ptr<importer::import_run> run_;
    std::vector<std::unique_ptr<importer::log_shipper>> logs_;
    importer::log_shipper* at_ = nullptr;
    std::uint64_t bytes_ = 0, waiting_ = 0;
    double seconds_ = 0;
    bool is_stopped_ = false;
};

std::shared_ptr<const collector::country_db> countries_of(const config& c)
{
    return c.collector.country_db.empty()
               ? nullptr
               : std::make_shared<const collector::country_db>(c.collector.country_db);
}

int import_logs(const config& c, const site_config& site, const import_log_options& options)
{
    const auto syntax = syntax_of(options);
    const auto pages = pages_of(options);
    if (options.is_dry_run && options.follows)
        throw usage_error("--follow ends when it is stopped: not with --dry-run");
    if (std::count(options.files.begin(), options.files.end(), "-") > 1)
        throw usage_error("standard input (-) can be read once");
    if (options.follows && std::count(options.files.begin(), options.files.end(), "-") > 0)
        throw usage_error("standard input (-) is read to its end in any case: without --follow");
    auto inputs = inputs_of(options, syntax);
    import_progress progress(!options.is_quiet && ::isatty(STDERR_FILENO) != 0, bytes_of(inputs));
    const importer::hit_maker_options making{syntax, pages, countries_of(c)};
    importer::log_check check(site, making, options.format);

    if (options.is_dry_run) {
        std::string wrong;
        try {
            check_logs(inputs, check, false, progress);
        } catch (const importer::import_error& e) {
            wrong = e.what();  // which lines it is of the summary tells
        }
        const importer::import_salt salt;
        importer::hit_maker maker(site, making, salt);
        importer::import_counts counts;
        read_only(inputs, maker, counts, progress);
        progress.clear();
        print_summary(counts, site, inputs.size(), progress.seconds(), true);
        if (!wrong.empty())
            progress.say(wrong);
        return wrong.empty() ? 0 : 1;
    }
    check_logs(inputs, check, options.follows, progress);
    if (const auto error = make_directory(c.data_dir))
        throw std::runtime_error("cannot make data_dir " + c.data_dir + ": " + error.message());
    refuse_for_another_user(c.data_dir);
    const importer::import_salt salt(c.data_dir + "/import.salt", unix_ms());
    importer::hit_maker maker(site, making, salt);
    log_import running(options, inputs, check, progress);
    const auto work = [&](redis::client& redis) { return running.work(redis, site, maker); };
    run_on_redis(c, "luot-import", importer::log_shipper::scripts(), work);
    progress.clear();
    if (!options.is_quiet) {
        print_summary(running.counts(), site, inputs.size(), running.seconds(), false);
        if (running.counts().lines > 0 && running.counts().before == running.counts().lines)
            std::printf(
                "  all of it was imported before. Only if its counts were deleted since, or its "
                "lines came to nothing: --round %u counts it again\n",
                options.round + 1);
    }
    if (running.is_stopped() && !options.follows) {
        progress.say("stopped: run it again, it goes on where it was");
        return 1;
    }
    if (running.waiting() > 0)
        progress.say(grouped(running.waiting()) +
                     " lines wait to be counted: no aggregator has taken any for 20 s (is luot "
                     "serve or luot aggregator running?)");
    return 0;
}

}  // namespace

int import_log_files(const std::string& config_file, const import_log_options& options)
{
    config c;
    const auto* site = load_with_site(config_file, options.site, c);
    if (!site)
        return 2;
    try {
        return import_logs(c, *site, options);
    } catch (const usage_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 2;
    }
}

}  // namespace luot
