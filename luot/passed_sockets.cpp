#include "luot/passed_sockets.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fcntl.h>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

namespace luot {

namespace {

constexpr int first_descriptor = 3;  // of the protocol
constexpr int most_sockets = 64;     // more are a mistake

/// The variable's value, which is forgotten.
std::string take_variable(const char* name)
{
    const char* value = std::getenv(name);
    std::string text = value != nullptr ? value : "";
    ::unsetenv(name);
    return text;
}

/// -1 when it is no number.
long number_in(std::string_view text)
{
    long number = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() ? number : -1;
}

std::vector<std::string> names_in(const std::string& text)
{
    std::vector<std::string> names;
    std::istringstream in(text);
    for (std::string name; std::getline(in, name, ':');)
        names.push_back(name);
    return names;
}

bool is_ours(const std::string& name)
{
    return name == "public" || name == "admin";
}

int option_of(int descriptor, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(descriptor, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/// Not taken on trust: an accept loop on anything else would only spin.
bool is_listening_tcp(int descriptor)
{
    const int family = option_of(descriptor, SO_DOMAIN);
    return (family == AF_INET || family == AF_INET6) &&
           option_of(descriptor, SO_TYPE) == SOCK_STREAM &&
           option_of(descriptor, SO_ACCEPTCONN) == 1;
}

}  // namespace

passed_sockets::passed_sockets()
{
    const auto process = number_in(take_variable("LISTEN_PID"));
    const auto count = number_in(take_variable("LISTEN_FDS"));
    auto names = names_in(take_variable("LISTEN_FDNAMES"));
    if (process != ::getpid() || count <= 0)
        return;  // none, or meant for another process
    if (count > most_sockets)
        throw std::runtime_error("LISTEN_FDS names " + std::to_string(count) +
                                 " sockets: pass two at most, named public and admin");
    names.resize(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        descriptors_.push_back(first_descriptor + i);
        ::fcntl(first_descriptor + i, F_SETFD, FD_CLOEXEC);
    }
    if (std::none_of(names.begin(), names.end(), is_ours)) {
        if (count > 2)
            throw std::runtime_error(std::to_string(count) +
                                     " sockets were passed without names: name them public and "
                                     "admin (FileDescriptorName= of the socket unit)");
        names = {"public", "admin"};
    }
    for (int i = 0; i < count; ++i)
        take(first_descriptor + i, names[static_cast<std::size_t>(i)]);
}

passed_sockets::~passed_sockets()
{
    for (const int descriptor : descriptors_)
        ::close(descriptor);
}

void passed_sockets::take(int descriptor, const std::string& name)
{
    const auto what = "the passed socket " + std::to_string(descriptor) + " (\"" + name + "\") ";
    if (!is_ours(name))
        throw std::runtime_error(what +
                                 "is neither public nor admin: set FileDescriptorName= of its "
                                 "socket unit to one of them");
    if (!is_listening_tcp(descriptor))
        throw std::runtime_error(what +
                                 "is no listening TCP socket: its socket unit needs "
                                 "ListenStream=ADDRESS:PORT and Accept=no");
    int& mine = name == "public" ? public_ : admin_;
    if (mine >= 0)
        throw std::runtime_error(what +
                                 "is the second of this name: pass one, for all addresses "
                                 "ListenStream=[::]:PORT with BindIPv6Only=both");
    mine = descriptor;
}

}  // namespace luot
