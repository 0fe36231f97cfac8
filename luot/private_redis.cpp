#include "luot/private_redis.hpp"

#include "core/clock.hpp"
#include "core/fail_point.hpp"
#include "core/file.hpp"
#include "core/log.hpp"
#include "core/metrics.hpp"
#include "luot/child_process.hpp"
#include "luot/data_lock.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <signal.h>
#include <sstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace luot {

namespace {

constexpr std::int64_t early_ms = 5'000;  ///< an end so soon after the start makes the pause longer
constexpr std::int64_t longest_pause_ms = 10'000;

std::string socket_of(const std::string& data_dir)
{
    return data_dir + "/redis/redis.sock";
}

/// The first thing below `directory` that this user cannot write; empty when there is none.
std::string not_writable(const std::string& directory)
{
    namespace fs = std::filesystem;
    if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0)
        return directory;
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(
             directory, fs::directory_options::skip_permission_denied, error)) {
        const bool is_directory = entry.is_directory(error);
        const int wanted = R_OK | W_OK | (is_directory ? X_OK : 0);
        if ((is_directory || entry.is_regular_file(error)) &&
            ::access(entry.path().c_str(), wanted) != 0)
            return entry.path().string();
    }
    return {};
}

/// At most the last 64 KiB of a file behind `from`.
std::string tail_of(const std::string& name, std::uint64_t from)
{
    constexpr std::uint64_t most = 64 << 10;
    const auto opened = file::open(name);
    if (!opened)
        return {};
    const auto size = opened->size();
    std::string text;
    if (!size || *size <= from ||
        opened->read_at(std::max(from, *size - std::min(*size, most)), most, text))
        return {};
    return text;
}

std::uint64_t size_of(const std::string& name)
{
    std::error_code error;
    const auto size = std::filesystem::file_size(name, error);
    return error ? 0 : size;
}

}  // namespace

redis_address redis_of(const config& c)
{
    if (c.redis.configured)
        return c.redis;
    redis_address address;
    address.socket_path = socket_of(c.data_dir);
    return address;
}

private_redis::private_redis(const config& c, const data_lock& lock, metrics_registry& metrics)
    : lock_(lock.descriptor()),
      directory_(c.data_dir + "/redis"),
      restarts_(metrics.add_counter(
          "luot_private_redis_restarts_total",
          "Times that the private redis-server ended by itself, or could not be started again.")),
      append_only_file_(directory_,
                        metrics.add_counter("luot_private_redis_mended_total",
                                            "Times that its append-only file was mended."))
{
    const auto socket = socket_of(c.data_dir);
    if (socket.size() >= sizeof(sockaddr_un::sun_path))
        throw std::runtime_error(
            "data_dir " + c.data_dir +
            " is too long a path for the private Redis' socket: use a shorter one");
    arguments_ = {"redis-server", "--port", "0", "--unixsocket", socket, "--unixsocketperm", "600",
                  "--dir", directory_, "--logfile", log_file(), "--daemonize", "no",
                  // Counts are data, not a cache: everything is written, nothing is ever evicted.
                  // The last second that a power loss may take is shipped again from the spool.
                  "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
                  "--maxmemory-policy", "noeviction", "--databases", "1", "--always-show-logo",
                  "no"};
}

private_redis::~private_redis()
{
    stop(std::chrono::seconds(2));
}

void private_redis::start()
{
    if (const auto error = make_directory(directory_))
        throw std::runtime_error("cannot make " + directory_ + ": " + error.message());
    if (const auto name = not_writable(directory_); !name.empty())
        throw std::runtime_error(name +
                                 " cannot be written by this user: luot has run as another one; "
                                 "give it back with chown -R");
    if (!is_installed(arguments_.front()))
        throw std::runtime_error(
            "redis-server is not installed: apt-get install redis-server, or set redis.url");
    if (const auto error = spawn())
        throw std::runtime_error("cannot fork for redis-server: " + error.message());
}

error_code private_redis::spawn()
{
    const bool is_sound = append_only_file_.mend();
    auto arguments = arguments_;
    arguments.insert(arguments.end(), {"--aof-load-truncated", is_sound ? "yes" : "no"});
    const auto argv = argv_of(arguments);
    // What it says before it has opened its log, and ours is no place for it.
    const int out = ::open(output_file().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    log_from_ = size_of(log_file());
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    const int fork_error = errno;
    if (child == 0) {
        // Only calls that are safe between fork and exec.
        ::signal(SIGTERM, SIG_DFL);  // else our handler swallows it until there is another program
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (::getppid() != parent)  // it died before prctl
            ::_exit(0);
        fail_point("redis.forked");
        ::setpgid(0, 0);  // Ctrl-C is for luot, which still ships its last hits
        ::umask(077);
        ::dup2(out, STDOUT_FILENO);
        ::dup2(out, STDERR_FILENO);
        // Not one of our sockets may live on in it; the lock shall.
        ::close_range(3, static_cast<unsigned>(lock_) - 1, 0);
        ::close_range(static_cast<unsigned>(lock_) + 1, ~0U, 0);
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        ::execvp(argv[0], argv.data());
        ::_exit(exec_failed);
    }
    if (out >= 0)
        ::close(out);
    if (child < 0)
        return {fork_error, boost::system::system_category()};
    child_ = child;
    started_ms_ = steady_ms();
    log::info("redis_started", {{"pid", child}, {"directory", directory_}});
    return {};
}

void private_redis::look_after()
{
    if (child_ < 0) {
        if (start_again_ms_ != 0 && steady_ms() >= start_again_ms_)
            start_again();
        return;
    }
    int status = 0;
    if (::waitpid(child_, &status, WNOHANG) != child_)
        return;
    child_ = -1;
    restarts_.add();
    early_ends_ = steady_ms() - started_ms_ < early_ms ? early_ends_ + 1 : 0;
    const auto pause = wait_before_start();
    log::error("redis_ended",
               {{"status", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status)},
                {"start_again_ms", pause},
                {"said", early_ends_ > 0 ? last_words() : std::string{}},
                {"what", what_to_do(WIFEXITED(status) && WEXITSTATUS(status) == exec_failed)}});
    if (pause == 0)
        look_after();
}

void private_redis::start_again()
{
    start_again_ms_ = 0;
    const auto error = spawn();
    if (!error)
        return;
    restarts_.add();
    ++early_ends_;
    log::error("redis_not_started",
               {{"why", error.message()},
                {"start_again_ms", wait_before_start()},
                {"what",
                 "no process can be made: look at free memory and TasksMax (ulimit -u); hits are "
                 "kept in the spool meanwhile"}});
}

/// The pause before the next start, which it begins: none at first, longer while Redis keeps
/// ending.
std::int64_t private_redis::wait_before_start()
{
    const auto pause = early_ends_ == 0 ? 0
                                        : std::min<std::int64_t>(longest_pause_ms,
                                                                 100LL << std::min(early_ends_, 7));
    start_again_ms_ = steady_ms() + pause;
    return pause;
}

std::string private_redis::what_to_do(bool is_missing) const
{
    if (is_missing)
        return "redis-server is not installed: apt-get install redis-server";
    if (early_ends_ <= 2)
        return "it is started again";
    const std::string kept = "it keeps ending; hits are kept in the spool meanwhile. ";
    if (last_words().find("append only file") != std::string::npos)
        return kept + "Its data is damaged: " + append_only_file_.fix_by_hand();
    return kept + "Look with: tail -n 50 " + log_file();
}

/// The last of what it found worth a warning in its log since it was started (but for advice on the
/// system's settings), else its last line of output. Without what stands in quotes: only there
/// could anything of a client be.
std::string private_redis::last_words() const
{
    std::string last;
    std::istringstream lines(tail_of(log_file(), log_from_));
    for (std::string line; std::getline(lines, line);)
        if (const auto at = line.find(" # ");
            at != std::string::npos && line.compare(at + 3, 8, "WARNING ") != 0)
            last = line.substr(at + 3);
    if (last.empty()) {
        std::istringstream output(tail_of(output_file(), 0));
        for (std::string line; std::getline(output, line);)
            if (!line.empty())
                last = line;
    }
    return last.substr(0, std::min({last.find(" '"), last.find(" \""), std::size_t{200}}));
}

void private_redis::stop(std::chrono::milliseconds most)
{
    start_again_ms_ = 0;
    if (child_ < 0)
        return;
    ::kill(child_, SIGTERM);
    const auto until = steady_ms() + most.count();
    int status = 0;
    while (::waitpid(child_, &status, WNOHANG) == 0) {
        if (steady_ms() > until) {
            log::warn("redis_killed", {{"what", "it did not end in time"}});
            ::kill(child_, SIGKILL);
            ::waitpid(child_, &status, 0);
            break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    child_ = -1;
}

}  // namespace luot
