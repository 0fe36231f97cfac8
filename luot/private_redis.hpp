// The private Redis of `luot serve`: a redis-server child with its append-only file in
// data_dir/redis and a unix socket that only luot can open. Started again when it dies; gone when
// luot is gone.

#pragma once

#include "core/config.hpp"
#include "core/error.hpp"
#include "luot/append_only_file.hpp"

#include <chrono>
#include <string>
#include <sys/types.h>
#include <vector>

namespace luot {

class counter;
class data_lock;
class metrics_registry;

/// Where Redis is for this configuration: as configured, else the private one's socket.
[[nodiscard]] redis_address redis_of(const config& c);

/// Use it from the main thread only: the child is told of our death by PR_SET_PDEATHSIG, which
/// follows the thread that forked it.
class private_redis {
public:
    /// `lock` must outlive it: the child inherits it.
    private_redis(const config& c, const data_lock& lock, metrics_registry& metrics);
    ~private_redis();
    private_redis(const private_redis&) = delete;
    private_redis& operator=(const private_redis&) = delete;

    /// Starts the server; mends its append-only file first if a power loss left zeros at its end.
    /// Throws std::runtime_error, with a line for the operator, when that cannot even be tried.
    void start();

    /// Looks whether the child has ended (after SIGCHLD, or now and then), and starts it again
    /// after a pause that grows while it keeps dying, or cannot be started.
    void look_after();

    /// Asks it to write its last lines and end; kills it after `most`.
    void stop(std::chrono::milliseconds most);

private:
    [[nodiscard]] error_code spawn();
    void start_again();
    [[nodiscard]] std::int64_t wait_before_start();
    [[nodiscard]] std::string what_to_do(bool is_missing) const;
    [[nodiscard]] std::string last_words() const;
    [[nodiscard]] std::string log_file() const { return directory_ + "/redis.log"; }
    [[nodiscard]] std::string output_file() const { return directory_ + "/redis.out"; }

    int lock_;
    std::string directory_;
    std::vector<std::string> arguments_;
    pid_t child_ = -1;
    std::int64_t started_ms_ = 0;
    std::int64_t start_again_ms_ = 0;
    int early_ends_ = 0;
    std::uint64_t log_from_ = 0;  ///< size of its log when it was started last
    counter& restarts_;
    append_only_file append_only_file_;
};

}  // namespace luot
