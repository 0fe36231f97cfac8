// One access log into the stream, by the protocol of docs/exactly-once.md: its producer is named
// by its first line, its offsets are the numbers of its lines, its chained checksum covers all
// lines up to an offset. So it goes on where Redis has it, whatever became of the file's name.

#pragma once

#include "collector/scripts.hpp"
#include "core/config.hpp"
#include "core/redis/client.hpp"
#include "import/hit_maker.hpp"
#include "import/line_reader.hpp"
#include "import/text_digest.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace luot::importer {

/// A log that cannot be imported. what() is one line that says what to do.
class import_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// import_run::stopping was set.
class import_stopped : public std::exception {};

struct damaged_line {
    std::string file;
    std::uint64_t number = 0;
    line_fault fault{};
    std::string text;  ///< sample_of()
};

/// What was read, of all logs of one run.
struct import_counts {
    static constexpr std::size_t most_samples = 5;

    std::uint64_t lines = 0;                        ///< complete ones
    std::uint64_t before = 0;                       ///< of them those that Redis had already
    std::array<std::uint64_t, line_fates> fates{};  ///< the others
    std::int64_t first_ms = 0, last_ms = 0;         ///< times of the others; 0: there are none
    std::vector<damaged_line> samples;

    [[nodiscard]] std::uint64_t of(line_fate fate) const noexcept
    {
        return fates[static_cast<std::size_t>(fate)];
    }
    /// Of a line that Redis did not have.
    void add(const std::string& file, const raw_line& line, line_fate fate, const hit_maker& maker);
};

/// What the logs of one run share. Must outlive them.
struct import_run {
    boost::asio::any_io_executor executor;  ///< of one thread
    redis::client& redis;                   ///< of its context, with log_shipper::scripts()
    const site_config& site;
    hit_maker& maker;
    import_counts counts;
    /// Something that the person in front of it should know now.
    std::function<void(const std::string&)> say;
    /// Called again and again while there is work.
    std::function<void()> progress;
    bool stopping = false;
    std::uint32_t round = 1;  ///< text_digest.hpp: producer_of()
};

/// The first bytes of a file: it is another one when they change.
[[nodiscard]] std::string prefix_of(int descriptor);

/// Ships one log. All on the thread of one io_context.
class log_shipper {
public:
    /// Bytes that may wait in the stream of the site's partition: few, for the hits of readers who
    /// are here now go behind them.
    static constexpr std::uint64_t queue_bytes = 4 << 20;

    log_shipper(import_run& run, std::string file);
    /// With the file opened already, at its beginning.
    log_shipper(import_run& run, std::string file, line_reader opened);

    /// The scripts that the client must load.
    [[nodiscard]] static std::vector<const redis::script*> scripts();

    /// Ships the complete lines that there are, from where Redis has it on. False: whoever writes
    /// into a pipe has written no more yet. Throws import_error, import_stopped.
    [[nodiscard]] boost::asio::awaitable<bool> ship();

    /// Asks Redis, which also says that nothing older than now is to come while that is so. False:
    /// it has less than was shipped (it fell back); ship() again.
    [[nodiscard]] boost::asio::awaitable<bool> check();

    /// Takes the log off those that hold the watermark; its position stays. False: lines of it are
    /// not applied yet.
    [[nodiscard]] boost::asio::awaitable<bool> retire();

    /// How many of its lines have been applied, as of the last answer.
    [[nodiscard]] std::uint64_t applied() const noexcept { return applied_; }
    /// How many it has.
    [[nodiscard]] std::uint64_t lines() const noexcept { return number_; }
    /// Whether there is an incomplete line behind them. Of an open file.
    [[nodiscard]] bool has_rest() const noexcept { return reader_ && reader_->has_rest(); }

    [[nodiscard]] const std::string& file() const noexcept { return file_; }
    /// How it began when it was opened.
    [[nodiscard]] const std::string& prefix() const noexcept { return prefix_; }
    /// Null when it is closed.
    [[nodiscard]] line_reader* reader() noexcept { return reader_ ? &*reader_ : nullptr; }
    /// Its memory is given back; where it has to be read again it is opened by its name.
    void close() { reader_.reset(); }

private:
    struct entry {
        std::uint64_t prev = 0, last = 0;
        std::string prev_chain, chain;
        std::string hits;
        std::size_t count = 0;
    };
    struct position {
        std::uint64_t shipped = 0, applied = 0;
        std::string chain;
    };
    enum class found : std::uint8_t { more, end, waits };

    boost::asio::awaitable<void> begin();
    boost::asio::awaitable<bool> announce();
    boost::asio::awaitable<void> read_and_send();
    boost::asio::awaitable<void> pass_over(const position& there);
    boost::asio::awaitable<void> restore_seen(std::uint64_t shipped);
    boost::asio::awaitable<void> send();
    boost::asio::awaitable<bool> send_some();
    boost::asio::awaitable<position> ask(std::string ending);
    boost::asio::awaitable<redis::replies> answer_to(const redis::pipeline& commands);
    boost::asio::awaitable<void> wait_for_redis();
    boost::asio::awaitable<void> wait_for_input();
    boost::asio::awaitable<void> pause(std::chrono::milliseconds most);
    void open();
    [[nodiscard]] bool next(raw_line& line);
    [[nodiscard]] found fill(entry& e);
    line_fate take(const raw_line& line, std::string& hits);
    [[nodiscard]] std::size_t sendable() const;
    void set_applied(std::uint64_t offset);
    void go_on_from(const position& there);
    void refused(const redis::reply_view& answer, const char* command);
    [[noreturn]] void differs(const std::string& how) const;

    import_run& run_;
    const std::string file_;
    const unsigned partition_;
    std::optional<line_reader> reader_;
    bool is_pipe_ = false;
    std::string prefix_;

    std::string producer_;  // empty: its first line is not known yet
    text_digest digest_;
    std::uint64_t number_ = 0;          // of the last line that was read
    std::uint64_t counted_ = 0;         // lines up to it are in the counts
    std::uint64_t shipped_before_ = 0;  // when this run began
    std::uint64_t applied_ = 0;
    bool has_begun_ = false;     // it was read up to where Redis has it
    bool is_announced_ = false;  // Redis was told that there is more of it
    bool is_touched_ = false;    // this run has shipped some of it
    found last_found_ = found::more;

    std::deque<entry> queue_;
    /// Shipped entries that have not been applied: up to which line, and their hits' bytes.
    std::deque<std::pair<std::uint64_t, std::size_t>> waiting_;
    std::size_t waiting_bytes_ = 0;
    bool is_closing_ = false, is_sending_ = false, must_rewind_ = false;
    std::exception_ptr failure_;
    boost::asio::steady_timer reader_wake_, sender_wake_;
    std::int64_t full_pause_ms_ = 0;
    std::int64_t said_ms_ = -1'000'000;

    // Of the lines that Redis has: when their visitors were last seen.
    std::unordered_map<std::uint64_t, std::int64_t> seen_;
    std::int64_t newest_ms_ = 0;
    std::size_t seen_bound_ = 0;
};

}  // namespace luot::importer
