// The private Redis of `luot serve`: a redis-server child with its append-only file in
// data_dir/redis and a unix socket that only luot can open. Started again when it dies; gone when
// luot is gone.

#pragma once

#include "core/config.hpp"

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
    /// Throws std::runtime_error when that cannot even be tried (path too long, fork failed).
    void start();

    /// Looks whether the child has ended (after SIGCHLD, or now and then), and starts it again
    /// after a pause that grows while it keeps dying.
    void look_after();

    /// Asks it to write its last lines and end; kills it after `most`.
    void stop(std::chrono::milliseconds most);

private:
    void spawn();
    void mend_append_only_file();
    [[nodiscard]] std::string directory() const { return data_dir_ + "/redis"; }

    int lock_;
    std::string data_dir_;
    std::vector<std::string> arguments_;
    pid_t child_ = -1;
    std::int64_t started_ms_ = 0;
    std::int64_t start_again_ms_ = 0;
    int early_ends_ = 0;
    counter &restarts_, &mended_;
};

}  // namespace luot
