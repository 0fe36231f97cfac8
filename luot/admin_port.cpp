#include "luot/admin_port.hpp"

#include "core/clock.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace luot {

namespace {

constexpr std::size_t most_bytes = 16 << 20;

class descriptor {
public:
    explicit descriptor(int fd) : fd_(fd) {}
    ~descriptor()
    {
        if (fd_ >= 0)
            ::close(fd_);
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    [[nodiscard]] int get() const noexcept { return fd_; }

private:
    int fd_;
};

struct socket_address {
    sockaddr_storage bytes{};
    socklen_t size = 0;
};

socket_address address_of(const listen_address& a)
{
    socket_address out;
    const bool is_v6 = a.host.find(':') != std::string::npos;
    if (is_v6) {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(out.bytes);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(a.port);
        if (::inet_pton(AF_INET6, a.host == "::" ? "::1" : a.host.c_str(), &v6.sin6_addr) == 1)
            out.size = sizeof v6;
    } else {
        auto& v4 = reinterpret_cast<sockaddr_in&>(out.bytes);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(a.port);
        if (::inet_pton(AF_INET, a.host == "0.0.0.0" ? "127.0.0.1" : a.host.c_str(),
                        &v4.sin_addr) == 1)
            out.size = sizeof v4;
    }
    return out;
}

/// Whether the socket is ready by then.
bool wait_for(int fd, short events, std::int64_t until_ms)
{
    for (;;) {
        const auto left = until_ms - steady_ms();
        if (left <= 0)
            return false;
        pollfd wanted{fd, events, 0};
        const int ready = ::poll(&wanted, 1, static_cast<int>(left));
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
    }
}

}  // namespace

std::optional<listen_address> parse_listen_address(std::string_view text)
{
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos)
        return std::nullopt;
    auto host = text.substr(0, colon);
    const auto port = text.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']'))
        host = host.substr(1, host.size() - 2);
    listen_address out;
    out.host = host;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    const bool is_port = error == std::errc{} && end == port.data() + port.size() && out.port != 0;
    return is_port && address_of(out).size != 0 ? std::optional(out) : std::nullopt;
}

std::string text_of(const listen_address& address)
{
    const bool is_v6 = address.host.find(':') != std::string::npos;
    return (is_v6 ? '[' + address.host + ']' : address.host) + ':' + std::to_string(address.port);
}

std::vector<listen_address> admin_ports(const config& c, const std::vector<std::string>& told)
{
    std::vector<listen_address> out;
    for (const auto& text : told)
        if (const auto address = parse_listen_address(text))
            out.push_back(*address);
    if (out.empty())
        out.push_back(c.listen.admin_port);
    return out;
}

http_answer ask(const listen_address& address, const std::string& path,
                std::chrono::milliseconds most)
{
    http_answer out;
    const auto failed = [&out](std::string why) {
        out.status = 0;
        out.trouble = std::move(why);
        return out;
    };
    const auto to = address_of(address);
    if (to.size == 0 || address.port == 0)
        return failed("no address with a port");
    const auto until_ms = steady_ms() + most.count();
    const descriptor socket(
        ::socket(to.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (socket.get() < 0)
        return failed(std::strerror(errno));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to.bytes), to.size) != 0) {
        if (errno != EINPROGRESS)
            return failed(std::strerror(errno));
        if (!wait_for(socket.get(), POLLOUT, until_ms))
            return failed("no answer in time");
        int error = 0;
        socklen_t size = sizeof error;
        (void)::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0)
            return failed(std::strerror(error));
    }
    const auto request = "GET " + path + " HTTP/1.1\r\nHost: " + text_of(address) +
                         "\r\nUser-Agent: luot\r\nConnection: close\r\n\r\n";
    for (std::size_t sent = 0; sent < request.size();) {
        const auto n =
            ::send(socket.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += static_cast<std::size_t>(n);
        else if (errno == EAGAIN && !wait_for(socket.get(), POLLOUT, until_ms))
            return failed("no answer in time");
        else if (errno != EAGAIN && errno != EINTR)
            return failed(std::strerror(errno));
    }
    std::string bytes;
    char buffer[65536];
    while (bytes.size() < most_bytes) {
        if (!wait_for(socket.get(), POLLIN, until_ms))
            return failed("no answer in time");
        const auto n = ::recv(socket.get(), buffer, sizeof buffer, 0);
        if (n == 0)
            break;
        if (n > 0)
            bytes.append(buffer, static_cast<std::size_t>(n));
        else if (errno != EAGAIN && errno != EINTR)
            return failed(std::strerror(errno));
    }
    const auto end = bytes.find("\r\n\r\n");
    if (end == std::string::npos || !bytes.starts_with("HTTP/1.") || bytes.size() < 12)
        return failed("what answers does not speak HTTP");
    const auto* digits = bytes.data() + 9;
    (void)std::from_chars(digits, digits + 3, out.status);
    out.head = bytes.substr(0, end);
    out.body = bytes.substr(end + 4);
    if (out.status == 0)
        return failed("what answers does not speak HTTP");
    return out;
}

scraped_metrics::scraped_metrics(std::string_view text)
{
    while (!text.empty()) {
        auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        if (line.empty() || line.front() == '#')
            continue;
        const auto name = line.substr(0, line.find_first_of("{ "));
        line.remove_prefix(name.size());
        series s;
        bool is_whole = !name.empty();
        if (line.starts_with('{')) {
            line.remove_prefix(1);
            while (is_whole && !line.empty() && !line.starts_with('}')) {
                const auto equals = line.find("=\"");
                is_whole = equals != std::string_view::npos;
                if (!is_whole)
                    break;
                auto& value = s.labels[std::string(line.substr(0, equals))];
                std::size_t at = equals + 2;
                for (; at < line.size() && line[at] != '"'; ++at) {
                    if (line[at] == '\\' && at + 1 < line.size())
                        value += line[++at] == 'n' ? '\n' : line[at];
                    else
                        value += line[at];
                }
                is_whole = at < line.size();
                line.remove_prefix(std::min(at + 1, line.size()));
                if (line.starts_with(','))
                    line.remove_prefix(1);
            }
            is_whole = is_whole && line.starts_with('}');
            line.remove_prefix(std::min<std::size_t>(1, line.size()));
        }
        while (line.starts_with(' '))
            line.remove_prefix(1);
        const auto number = line.substr(0, line.find(' '));
        const auto [end, error] =
            std::from_chars(number.data(), number.data() + number.size(), s.value);
        if (is_whole && error == std::errc{} && end == number.data() + number.size() &&
            std::isfinite(s.value))
            all_[std::string(name)].push_back(std::move(s));
    }
}

bool scraped_metrics::has(std::string_view name) const
{
    return all_.find(name) != all_.end();
}

double scraped_metrics::sum(std::string_view name) const
{
    double total = 0;
    if (const auto found = all_.find(name); found != all_.end())
        for (const auto& s : found->second)
            total += s.value;
    return total;
}

double scraped_metrics::sum(std::string_view name, std::string_view label,
                            std::string_view value) const
{
    const auto sums = by(name, label);
    const auto found = sums.find(std::string(value));
    return found == sums.end() ? 0 : found->second;
}

std::map<std::string, double> scraped_metrics::by(std::string_view name,
                                                  std::string_view label) const
{
    std::map<std::string, double> out;
    if (const auto found = all_.find(name); found != all_.end())
        for (const auto& s : found->second)
            if (const auto of = s.labels.find(std::string(label)); of != s.labels.end())
                out[of->second] += s.value;
    return out;
}

}  // namespace luot
