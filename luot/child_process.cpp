#include "luot/child_process.hpp"

#include "core/clock.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

namespace luot {

namespace {

constexpr std::size_t most_output_bytes = 1 << 20;

}  // namespace

bool is_installed(const std::string& program)
{
    const char* path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "/usr/bin:/bin");
    for (std::string folder; std::getline(folders, folder, ':');)
        if (::access(((folder.empty() ? "." : folder) + '/' + program).c_str(), X_OK) == 0)
            return true;
    return false;
}

std::vector<char*> argv_of(const std::vector<std::string>& arguments)
{
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (const auto& a : arguments)
        argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    return argv;
}

child_output run_child(const std::vector<std::string>& arguments, std::size_t most_bytes,
                       std::chrono::milliseconds most)
{
    child_output out;
    int output[2], errors[2];
    if (::pipe2(output, O_CLOEXEC) != 0)
        return out;
    if (::pipe2(errors, O_CLOEXEC) != 0) {
        ::close(output[0]);
        ::close(output[1]);
        return out;
    }
    const auto argv = argv_of(arguments);
    const pid_t child = ::fork();
    if (child == 0) {
        // Only calls that are safe between fork and exec.
        ::dup2(::open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
        ::dup2(output[1], STDOUT_FILENO);
        ::dup2(errors[1], STDERR_FILENO);
        ::close_range(3, ~0U, 0);
        ::execvp(argv[0], argv.data());
        ::_exit(exec_failed);
    }
    ::close(output[1]);
    ::close(errors[1]);
    const auto until_ms = steady_ms() + most.count();
    pollfd open[2] = {{output[0], POLLIN, 0}, {errors[0], POLLIN, 0}};
    std::string* texts[2] = {&out.output, &out.errors};
    char buffer[65536];
    while (child > 0 && (open[0].fd >= 0 || open[1].fd >= 0) && !out.is_cut) {
        const auto left = until_ms - steady_ms();
        const int ready = left > 0 ? ::poll(open, 2, static_cast<int>(left)) : 0;
        if (ready == 0) {
            out.is_late = true;
            break;
        }
        for (int i = 0; i < 2 && ready > 0; ++i) {
            if (open[i].fd < 0 || open[i].revents == 0)
                continue;
            const auto got = ::read(open[i].fd, buffer, sizeof buffer);
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0) {
                open[i].fd = -1;
                continue;
            }
            const auto room = most_bytes - texts[i]->size();
            texts[i]->append(buffer, std::min(static_cast<std::size_t>(got), room));
            out.is_cut = out.is_cut || static_cast<std::size_t>(got) > room;
        }
    }
    ::close(output[0]);
    ::close(errors[0]);
    if (child <= 0)
        return out;
    if (out.is_cut || out.is_late)
        ::kill(child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    out.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return out;
}

std::string output_of(const std::vector<std::string>& arguments)
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return {};
    const auto argv = argv_of(arguments);
    const pid_t child = ::fork();
    if (child == 0) {
        // Only calls that are safe between fork and exec.
        const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        ::dup2(nothing, STDIN_FILENO);
        ::dup2(ends[1], STDOUT_FILENO);
        ::dup2(nothing, STDERR_FILENO);
        ::close_range(3, ~0U, 0);  // none of our ports may live on in it
        ::execvp(argv[0], argv.data());
        ::_exit(exec_failed);
    }
    ::close(ends[1]);
    std::string output;
    char buffer[4096];
    while (child > 0) {
        const auto got = ::read(ends[0], buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        if (output.size() < most_output_bytes)
            output.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
    while (child > 0 && ::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return output;
}

}  // namespace luot
