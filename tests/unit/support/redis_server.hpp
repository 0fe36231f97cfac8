// A redis-server of a test's own: a temporary directory, a unix socket, nothing saved.

#pragma once

#include "core/config.hpp"
#include "tests/unit/support/temp_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace luot::testing {

/// Whether a redis-server can be started. Used as a precondition: without one a test is skipped,
/// with a message.
inline boost::test_tools::assertion_result has_redis_server(boost::unit_test::test_unit_id)
{
    if (std::system("redis-server --version >/dev/null 2>&1") == 0)
        return true;
    boost::test_tools::assertion_result no(false);
    no.message() << "redis-server is not installed: tests against a real Redis are skipped";
    return no;
}

class redis_server {
public:
    explicit redis_server(std::vector<std::string> more = {}) : more_(std::move(more)) { start(); }
    ~redis_server() { stop(); }
    redis_server(const redis_server&) = delete;
    redis_server& operator=(const redis_server&) = delete;

    void start()
    {
        std::vector<std::string> words{
            "redis-server", "--port", "0",     "--unixsocket", socket(),     "--save", "",
            "--appendonly", "no",     "--dir", dir_.name(),    "--loglevel", "warning"};
        words.insert(words.end(), more_.begin(), more_.end());
        std::vector<char*> argv;
        for (auto& w : words)
            argv.push_back(w.data());
        argv.push_back(nullptr);
        child_ = ::fork();
        BOOST_REQUIRE(child_ >= 0);
        if (child_ == 0) {
            const int log = ::open(dir_.file("log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
            ::dup2(log, 1);
            ::dup2(log, 2);
            ::execvp(argv[0], argv.data());
            ::_exit(127);
        }
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!answers()) {
            BOOST_REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until,
                                  "redis-server does not start: " << content_of(dir_.file("log")));
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }

    /// Ends it as a crash would.
    void stop()
    {
        if (child_ <= 0)
            return;
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
        child_ = -1;
        ::unlink(socket().c_str());
    }

    void freeze() { ::kill(child_, SIGSTOP); }
    void thaw() { ::kill(child_, SIGCONT); }

    [[nodiscard]] std::string socket() const { return dir_.file("s"); }

    [[nodiscard]] redis_address address() const
    {
        redis_address a;
        a.configured = true;
        a.socket_path = socket();
        return a;
    }

private:
    [[nodiscard]] bool answers() const
    {
        const int s = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un to{};
        to.sun_family = AF_UNIX;
        std::strncpy(to.sun_path, socket().c_str(), sizeof to.sun_path - 1);
        const bool connected = ::connect(s, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
        ::close(s);
        return connected;
    }

    temp_dir dir_;
    std::vector<std::string> more_;
    pid_t child_ = -1;
};

}  // namespace luot::testing
