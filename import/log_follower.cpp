#include "import/log_follower.hpp"

#include "core/clock.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <utility>
#include <vector>

namespace luot::importer {

namespace asio = boost::asio;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds look_every{200};
constexpr std::int64_t ask_every_ms = 2000;
/// A server goes on with the old file until it is told of the new one.
constexpr std::int64_t quiet_ms = 3000;
constexpr int checks = 2;

/// A log that has been followed: it leaves once Redis has it for good.
struct former_log {
    std::unique_ptr<log_shipper> log;
    bool is_there;  ///< its text is: else it was cut
    int seen = 0;
};

/// A log beside `file` that was written after `before`, which stood under that name: it came before
/// the one that stands there now. By the names that rotations give (access.log.1, access.log-DATE);
/// what a compressor wrote has the time of its text. Empty: there is none.
std::string log_between(const std::string& file, const struct stat& before, const struct stat& now)
{
    namespace fs = std::filesystem;
    const fs::path path(file);
    const auto name = path.filename().string();
    const auto folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
        const auto other = at->path().filename().string();
        struct stat found {};
        const auto rest = other.starts_with(name) ? other.substr(name.size()) : std::string{};
        if (rest.size() < 2 || (rest[0] != '.' && rest[0] != '-') || rest[1] < '0' ||
            rest[1] > '9' || ::stat(at->path().c_str(), &found) != 0 || !S_ISREG(found.st_mode) ||
            found.st_size == 0 || found.st_ino == before.st_ino || found.st_ino == now.st_ino)
            continue;
        const auto &is = found.st_mtim, &was = before.st_mtim;
        if (is.tv_sec != was.tv_sec ? is.tv_sec > was.tv_sec : is.tv_nsec > was.tv_nsec)
            return at->path().string();
    }
    return {};
}

class follower {
public:
    follower(import_run& run, std::unique_ptr<log_shipper> log)
        : run_(run), log_(std::move(log)), prefix_(log_->prefix())
    {
    }

    asio::awaitable<void> work()
    {
        asio::steady_timer timer(run_.executor);
        while (!run_.stopping) {
            look();  // first: what is read of a file that was cut is no line of it
            (void)co_await log_->ship();
            if (steady_ms() - asked_ms_ > ask_every_ms) {
                asked_ms_ = steady_ms();
                co_await ask();
            }
            timer.expires_after(look_every);
            co_await timer.async_wait(as_result);
        }
    }

private:
    enum class place { same, renamed, cut };

    /// What has become of the file under its name.
    [[nodiscard]] place find()
    {
        auto* reader = log_->reader();
        struct stat here {
        }, named{};
        if (reader == nullptr || ::fstat(reader->descriptor(), &here) != 0)
            return place::same;
        const auto prefix = prefix_of(reader->descriptor());
        if (prefix_.size() < log_->prefix().size())
            prefix_ = log_->prefix();
        if (static_cast<std::uint64_t>(here.st_size) < reader->input_bytes() ||
            !prefix.starts_with(prefix_))
            return place::cut;
        prefix_ = prefix;
        if (::stat(log_->file().c_str(), &named) != 0)
            return place::same;  // not there yet
        return here.st_ino == named.st_ino && here.st_dev == named.st_dev ? place::same
                                                                          : place::renamed;
    }

    void look()
    {
        const auto now = steady_ms();
        if (log_->lines() != lines_) {
            lines_ = log_->lines();
            grown_ms_ = now;
        }
        const auto where = find();
        if (where == place::same || (where == place::renamed && now - grown_ms_ < quiet_ms)) {
            if (where == place::same)
                grown_ms_ = std::max(grown_ms_, now - quiet_ms / 2);
            return;
        }
        auto opened = line_reader::open(log_->file());
        if (!opened)
            return;  // it is tried again
        if (where == place::renamed)
            say_what_came_between(opened->descriptor());
        former_.push_back({std::move(log_), where == place::renamed});
        auto file = former_.back().log->file();
        prefix_.clear();
        log_ = std::make_unique<log_shipper>(run_, std::move(file), std::move(*opened));
        lines_ = 0;
    }

    /// Of a log that was rotated twice before it was looked at again the middle one is not
    /// followed.
    void say_what_came_between(int opened)
    {
        struct stat before {
        }, now{};
        if (::fstat(log_->reader()->descriptor(), &before) != 0 || ::fstat(opened, &now) != 0)
            return;
        if (const auto other = log_between(log_->file(), before, now); !other.empty())
            run_.say("was " + log_->file() + " rotated twice? " + other +
                     " was not followed: import it, what was imported is not counted twice");
    }

    asio::awaitable<void> ask()
    {
        const bool is_there = co_await log_->check();
        if (!is_there)
            run_.say("Redis lost what came last: it is shipped again");
        for (auto& former : former_) {
            if (former.is_there)
                (void)co_await former.log->ship();  // a server may have been late to be told
            const bool has_all = co_await former.log->check();
            if (has_all) {
                ++former.seen;
                continue;
            }
            former.seen = 0;
            if (!former.is_there) {
                run_.say(
                    "Redis lost the end of a log that was copied and cut since: import its "
                    "copy, what is there is not counted twice");
                former.seen = checks;
            }
        }
        for (auto at = former_.begin(); at != former_.end();) {
            bool is_retired = false;
            if (at->seen >= checks)
                is_retired = co_await at->log->retire();
            at = is_retired ? former_.erase(at) : at + 1;
        }
    }

    import_run& run_;
    std::unique_ptr<log_shipper> log_;
    std::vector<former_log> former_;
    std::string prefix_;
    std::uint64_t lines_ = 0;
    std::int64_t grown_ms_ = steady_ms(), asked_ms_ = 0;
};

}  // namespace

asio::awaitable<void> follow(import_run& run, std::unique_ptr<log_shipper> log)
{
    follower work(run, std::move(log));
    co_await work.work();
}

}  // namespace luot::importer
