#include "luot/private_redis.hpp"

#include "core/clock.hpp"
#include "core/file.hpp"
#include "core/local_time.hpp"
#include "core/log.hpp"
#include "core/metrics.hpp"
#include "luot/data_lock.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <signal.h>
#include <sstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace luot {

namespace {

constexpr int exec_failed = 127;
constexpr std::int64_t early_ms = 5'000;  ///< an end so soon after the start makes the pause longer
constexpr std::int64_t longest_pause_ms = 10'000;

std::string socket_of(const std::string& data_dir)
{
    return std::filesystem::absolute(data_dir).lexically_normal().string() + "/redis/redis.sock";
}

/// Runs a program to its end, with `input` on its standard input and its output thrown away. -1: it
/// could not be started.
int run(const std::vector<std::string>& arguments, std::string_view input)
{
    int pipe_ends[2];
    if (::pipe(pipe_ends) != 0)
        return -1;
    std::vector<char*> argv;
    for (const auto& a : arguments)
        argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(pipe_ends[0], STDIN_FILENO);
        ::close(pipe_ends[0]);
        ::close(pipe_ends[1]);
        if (std::freopen("/dev/null", "w", stdout) == nullptr)
            ::_exit(exec_failed);
        ::execvp(argv[0], argv.data());
        ::_exit(exec_failed);
    }
    ::close(pipe_ends[0]);
    if (child > 0)
        (void)!::write(pipe_ends[1], input.data(), input.size());
    ::close(pipe_ends[1]);
    if (child < 0)
        return -1;
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// The incremental file that Redis writes now, by the manifest; empty when there is none.
std::string current_append_only_file(const std::string& directory)
{
    const auto manifest = read_file(directory + "/appendonlydir/appendonly.aof.manifest");
    if (!manifest)
        return {};
    std::istringstream lines(*manifest);
    std::string line, newest;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string file_word, name, seq_word, number, type_word, type;
        if (words >> file_word >> name >> seq_word >> number >> type_word >> type && type == "i")
            newest = name;
    }
    return newest.empty() ? std::string{} : directory + "/appendonlydir/" + newest;
}

bool ends_in_zeros(const std::string& name)
{
    auto opened = file::open(name);
    if (!opened)
        return false;
    const auto size = opened->size();
    std::string tail;
    if (!size || *size == 0 || opened->read_at(*size > 16 ? *size - 16 : 0, 16, tail))
        return false;
    return tail.ends_with('\0');  // a complete file ends in a line break
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
      data_dir_(std::filesystem::absolute(c.data_dir).lexically_normal().string()),
      restarts_(metrics.add_counter("luot_private_redis_restarts_total",
                                    "Times that the private redis-server ended by itself.")),
      mended_(metrics.add_counter("luot_private_redis_mended_total",
                                  "Times that its append-only file was mended."))
{
    const auto socket = socket_of(c.data_dir);
    if (socket.size() >= sizeof(sockaddr_un::sun_path))
        throw std::runtime_error(
            "data_dir " + c.data_dir +
            " is too long a path for the private Redis' socket: use a shorter one");
    arguments_ = {
        "redis-server", "--port", "0", "--unixsocket", socket, "--unixsocketperm", "600", "--dir",
        directory(), "--logfile", directory() + "/redis.log", "--daemonize", "no",
        // Counts are data, not a cache: everything is written, nothing is ever evicted. The
        // last second that a power loss may take is shipped again from the spool.
        "--appendonly", "yes", "--appendfsync", "everysec", "--aof-load-truncated", "yes", "--save",
        "", "--maxmemory-policy", "noeviction", "--databases", "1", "--always-show-logo", "no"};
}

private_redis::~private_redis()
{
    stop(std::chrono::seconds(2));
}

void private_redis::start()
{
    if (const auto error = make_directory(directory()))
        throw std::runtime_error("cannot make " + directory() + ": " + error.message());
    spawn();
}

void private_redis::mend_append_only_file()
{
    const auto damaged = current_append_only_file(directory());
    if (damaged.empty() || !ends_in_zeros(damaged))
        return;
    const auto aside = directory() + "/damaged-" + std::to_string(unix_ms() / 1000);
    std::error_code error;
    std::filesystem::copy(directory() + "/appendonlydir", aside, error);
    if (error) {
        log::error("redis_file_not_mended",
                   {{"file", damaged}, {"why", "no room for a copy: " + error.message()}});
        return;
    }
    const int status =
        run({"redis-check-aof", "--fix", directory() + "/appendonlydir/appendonly.aof.manifest"},
            "y\n");
    mended_.add();
    log::warn("redis_file_mended",
              {{"file", damaged},
               {"copy", aside},
               {"status", status},
               {"what",
                "its end was zeros, as after a power loss; what it lost is shipped again "
                "from the spool. Remove the copy when the counts look right"}});
}

void private_redis::spawn()
{
    mend_append_only_file();
    std::vector<char*> argv;
    for (const auto& a : arguments_)
        argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0)
        throw std::runtime_error(std::string("cannot fork for redis-server: ") +
                                 std::strerror(errno));
    if (child == 0) {
        // Only calls that are safe between fork and exec.
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (::getppid() != parent)  // it died before prctl
            ::_exit(0);
        ::setpgid(0, 0);  // Ctrl-C is for luot, which still ships its last hits
        // Not one of our sockets may live on in it; the lock shall.
        ::close_range(3, static_cast<unsigned>(lock_) - 1, 0);
        ::close_range(static_cast<unsigned>(lock_) + 1, ~0U, 0);
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        ::execvp(argv[0], argv.data());
        ::_exit(exec_failed);
    }
    child_ = child;
    started_ms_ = steady_ms();
    log::info("redis_started", {{"pid", child}, {"directory", directory()}});
}

void private_redis::look_after()
{
    if (child_ < 0) {
        if (start_again_ms_ != 0 && steady_ms() >= start_again_ms_) {
            start_again_ms_ = 0;
            spawn();
        }
        return;
    }
    int status = 0;
    if (::waitpid(child_, &status, WNOHANG) != child_)
        return;
    child_ = -1;
    restarts_.add();
    early_ends_ = steady_ms() - started_ms_ < early_ms ? early_ends_ + 1 : 0;
    const auto pause = early_ends_ == 0 ? 0
                                        : std::min<std::int64_t>(longest_pause_ms,
                                                                 100LL << std::min(early_ends_, 7));
    start_again_ms_ = steady_ms() + pause;
    const bool is_missing = WIFEXITED(status) && WEXITSTATUS(status) == exec_failed;
    log::error("redis_ended",
               {{"status", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status)},
                {"start_again_ms", pause},
                {"what", is_missing ? "redis-server is not installed: apt-get install redis-server"
                         : early_ends_ > 2 ? "it keeps ending: see " + directory() +
                                                 "/redis.log; hits are kept in the spool meanwhile"
                                           : std::string("it is started again")}});
    if (pause == 0)
        look_after();
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
