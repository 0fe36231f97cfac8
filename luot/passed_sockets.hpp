// Listening sockets that the program which started luot has opened (socket activation, as systemd
// does it: sd_listen_fds(3)). They outlive luot, so that clients who come between its end and its
// next start wait instead of being refused.

#pragma once

#include <string>
#include <vector>

namespace luot {

class passed_sockets {
public:
    /// Takes those that LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES name, and the variables out of
    /// the environment: they are not for child processes. A socket is named "public" or "admin";
    /// where none has such a name, the first is public and the second admin. Throws
    /// std::runtime_error, with a line for the operator, when one is no listening TCP socket or
    /// nobody knows what it is for. Call it before the first thread.
    passed_sockets();
    ~passed_sockets();
    passed_sockets(const passed_sockets&) = delete;
    passed_sockets& operator=(const passed_sockets&) = delete;

    /// Its descriptor, which stays open as long as this; -1 when none was passed.
    [[nodiscard]] int public_port() const noexcept { return public_; }
    [[nodiscard]] int admin_port() const noexcept { return admin_; }

private:
    void take(int descriptor, const std::string& name);

    std::vector<int> descriptors_;
    int public_ = -1, admin_ = -1;
};

}  // namespace luot
