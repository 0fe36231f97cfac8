// The floor under every figure of bench/run.sh: a bare epoll loop that answers each read with a GIF
// and parses nothing. What it costs is the kernel's TCP. Companion of bench.py; not part of luot.
//
// usage: epoll_gif     listens on 127.0.0.1, prints the port that the system picked

#include <arpa/inet.h>
#include <cstdio>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr char answer[] =
    "HTTP/1.1 200 OK\r\nServer: bare\r\nDate: Mon, 26 Jul 2021 08:31:00 GMT\r\nContent-Type: "
    "image/gif\r\nContent-Length: 43\r\nLast-Modified: Mon, 28 Sep 1970 06:00:00 "
    "GMT\r\nConnection: keep-alive\r\n\r\n"
    "GIF89a\x01\x00\x01\x00\x80\x01\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x01\x00\x00\x01\x00"
    "\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x4c\x01\x00\x3b";

int fail(const char* what)
{
    std::perror(what);
    return 1;
}

}  // namespace

int main()
{
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener, 4096) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return fail("epoll_gif: cannot listen");
    std::printf("%d\n", ntohs(address.sin_port));
    std::fflush(stdout);

    const int queue = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = listener;
    ::epoll_ctl(queue, EPOLL_CTL_ADD, listener, &event);
    epoll_event ready[512];
    static char request[64 * 1024];
    for (;;) {
        const int count = ::epoll_wait(queue, ready, 512, -1);
        for (int i = 0; i < count; ++i) {
            const int from = ready[i].data.fd;
            if (from == listener) {
                const int client =
                    ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (client < 0)
                    continue;
                const int on = 1;
                ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                event.data.fd = client;
                ::epoll_ctl(queue, EPOLL_CTL_ADD, client, &event);
            } else if (::read(from, request, sizeof request) <= 0 ||
                       ::write(from, answer, sizeof answer - 1) <= 0) {
                ::close(from);
            }
        }
    }
}
