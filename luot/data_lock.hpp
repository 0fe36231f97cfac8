// The lock on data_dir: two luots, or a luot and the Redis of one that died, must never share it.

#pragma once

#include "core/config.hpp"

#include <string>

namespace luot {

class data_lock {
public:
    /// Makes the directory where it is missing, and the file to be locked in it.
    /// Throws std::runtime_error with a line for the operator.
    explicit data_lock(const std::string& data_dir);
    ~data_lock();
    data_lock(const data_lock&) = delete;
    data_lock& operator=(const data_lock&) = delete;

    /// Takes the lock if no other process holds it: a private Redis may still be writing its last
    /// lines. The descriptor is inherited by child processes, so the lock lasts until the last of
    /// them has gone. Throws std::runtime_error when it can never be had.
    [[nodiscard]] bool try_lock();

    /// A name for this data_dir on this machine, the same for each run.
    [[nodiscard]] std::string identity() const;

    [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

private:
    const std::string name_;
    int descriptor_ = -1;
};

/// For commands that make files in it: those of root could not be used by luot. Throws
/// std::runtime_error with a line for the operator when it belongs to somebody else.
void refuse_for_another_user(const std::string& data_dir);

/// For root, who can read all: a secret of the configuration that the user to whom data_dir belongs
/// cannot read, with what to do, in one line; empty: there is none.
[[nodiscard]] std::string secret_out_of_reach(const config& c);

}  // namespace luot
