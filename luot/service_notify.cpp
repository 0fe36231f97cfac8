#include "luot/service_notify.hpp"

#include "core/clock.hpp"
#include "core/log.hpp"

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace luot {

namespace {

/// The other end may be busy, or stopped; a message is worth so much waiting.
constexpr timeval patience{1, 0};

std::string take_variable(const char* name)
{
    const char* value = std::getenv(name);
    std::string text = value != nullptr ? value : "";
    ::unsetenv(name);
    return text;
}

std::int64_t number_in(std::string_view text)
{
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() ? number : 0;
}

}  // namespace

service_notify::service_notify() : address_(take_variable("NOTIFY_SOCKET"))
{
    const auto watchdog_us = number_in(take_variable("WATCHDOG_USEC"));
    const auto watched = take_variable("WATCHDOG_PID");
    if (address_.size() < 2 || (address_[0] != '/' && address_[0] != '@'))
        return;  // none, or of a kind that systemd uses for virtual machines only
    if (address_.size() >= sizeof(sockaddr_un::sun_path)) {
        log::error("notify_socket_unusable", {{"what", "the path in NOTIFY_SOCKET is too long"}});
        return;
    }
    if (address_[0] == '@')
        address_[0] = '\0';
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0)
        return;
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (watchdog_us > 0 && (watched.empty() || number_in(watched) == ::getpid()))
        watchdog_ms_ = watchdog_us / 1000;
}

service_notify::~service_notify()
{
    if (socket_ >= 0)
        ::close(socket_);
}

void service_notify::ready(std::string_view status)
{
    tell("READY=1\nSTATUS=" + std::string(status));
}

void service_notify::reloading()
{
    // The time lets newer systemds (Type=notify-reload) tell this reload from an earlier one.
    tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(steady_us()));
}

void service_notify::stopping()
{
    tell("STOPPING=1");
}

void service_notify::is_well(std::int64_t now_steady_ms)
{
    if (watchdog_ms_ == 0 || now_steady_ms - told_ms_ < watchdog_ms_ / 4)
        return;
    told_ms_ = now_steady_ms;
    tell("WATCHDOG=1");
}

void service_notify::tell(const std::string& message)
{
    if (socket_ < 0)
        return;
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, address_.data(), address_.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    ssize_t sent;
    do
        sent = ::sendto(socket_, message.data(), message.size(), MSG_NOSIGNAL,
                        reinterpret_cast<const sockaddr*>(&to), size);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        log::error("service_manager_not_told", {{"message", message.substr(0, message.find('\n'))},
                                                {"why", std::strerror(errno)}});
}

}  // namespace luot
