#include "luot/child_process.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
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
