// How luot is, told to the program that started it (systemd's Type=notify, WatchdogSec= and reload:
// sd_notify(3)). Without one, nothing is told.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace luot {

/// For one thread.
class service_notify {
public:
    /// Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and these out of the environment: child
    /// processes are not to speak for luot. Call it before the first thread.
    service_notify();
    ~service_notify();
    service_notify(const service_notify&) = delete;
    service_notify& operator=(const service_notify&) = delete;

    /// It works (again); `status` is a line for people, such as `systemctl status` shows.
    void ready(std::string_view status);
    void reloading();
    void stopping();

    /// To be called a few times a second while all is well: the watchdog is told four times in its
    /// interval.
    void is_well(std::int64_t now_steady_ms);

private:
    void tell(const std::string& message);

    int socket_ = -1;
    std::string address_;           ///< of the other end; a leading 0 is an abstract name
    std::int64_t watchdog_ms_ = 0;  ///< 0: there is none
    std::int64_t told_ms_ = -1'000'000'000;
};

}  // namespace luot
