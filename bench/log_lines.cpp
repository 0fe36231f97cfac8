// How many lines of an access log a core reads, takes apart and judges in a second, beside GoAccess
// on the same file, on the same core, in the same run. README.md has figures.
//
//     log_lines [LOG [LINES [ROUNDS]]]
//
// LOG (../shared/data/apache_access_2015.log) is repeated to LINES (1,000,000) in a file below
// /tmp. GoAccess 1.7 (Debian's package) is left out where it is not installed.

#include "import/line_reader.hpp"
#include "import/log_line.hpp"
#include "import/page_rule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <string>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace luot::importer;
using std::chrono::steady_clock;

struct taken {
    double wall = 0, cpu = 0;  // seconds
    long peak_kib = 0;         // of resident memory
};

double seconds(const timeval& t)
{
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

double cpu_seconds(const rusage& used)
{
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double since(steady_clock::time_point start)
{
    return std::chrono::duration<double>(steady_clock::now() - start).count();
}

long resident_kib()
{
    long pages = 0, ignored = 0;
    std::ifstream("/proc/self/statm") >> ignored >> pages;
    return pages * (::sysconf(_SC_PAGESIZE) / 1024);
}

/// All of what happens to a line but its shipping.
struct counts {
    std::uint64_t lines = 0;
    std::array<std::uint64_t, line_faults> faults{};
    std::array<std::uint64_t, page_verdicts> verdicts{};
    long first_kib = 0, last_kib = 0;  // resident after a tenth of the lines, and at the end
};

counts read_all(const std::string& name, std::uint64_t lines)
{
    counts c;
    auto reader = line_reader::open(name);
    if (!reader) {
        fmt::print(stderr, "log_lines: {}: {}\n", name, reader.error().message());
        std::exit(1);
    }
    line_parser parser{{}};
    const page_rule rule;
    raw_line raw;
    log_line line;
    while (reader->next(raw) == line_reader::outcome::line) {
        const auto fault = parser.parse(raw.text, line);
        ++c.faults[static_cast<std::size_t>(fault)];
        if (fault == line_fault::none)
            ++c.verdicts[static_cast<std::size_t>(rule.judge(line))];
        if (++c.lines == lines / 10)
            c.first_kib = resident_kib();
    }
    c.last_kib = resident_kib();
    return c;
}

/// A command's time and memory; false when it did not end well.
bool run(const std::vector<std::string>& command, taken& out)
{
    std::vector<char*> arguments;
    for (const auto& a : command)
        arguments.push_back(const_cast<char*>(a.c_str()));
    arguments.push_back(nullptr);
    const auto start = steady_clock::now();
    const pid_t child = ::fork();
    if (child == 0) {
        const int nowhere = ::open("/dev/null", O_RDWR);
        for (const int descriptor : {0, 1, 2})
            ::dup2(nowhere, descriptor);
        ::execvp(arguments[0], arguments.data());
        ::_exit(127);
    }
    int status = 0;
    rusage used{};
    if (child < 0 || ::wait4(child, &status, 0, &used) != child)
        return false;
    out = {since(start), cpu_seconds(used), used.ru_maxrss};
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string repeated(const std::string& log, std::uint64_t lines)
{
    std::ifstream in(log, std::ios::binary);
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);)
        all.push_back(line);
    if (all.empty()) {
        fmt::print(stderr, "log_lines: {} cannot be read or is empty\n", log);
        std::exit(2);
    }
    auto name = fmt::format("/tmp/luot-log-lines.{}", ::getpid());
    std::ofstream out(name, std::ios::binary);
    for (std::uint64_t i = 0; i < lines; ++i)
        out << all[i % all.size()] << '\n';
    return name;
}

void print_row(std::string_view what, std::uint64_t lines, const taken& t)
{
    fmt::print("{:<24} {:>12.0f} {:>12.0f} {:>10.1f}\n", what, static_cast<double>(lines) / t.cpu,
               static_cast<double>(lines) / t.wall, static_cast<double>(t.peak_kib) / 1024);
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv)
{
    const std::string log = argc > 1 ? argv[1] : "../shared/data/apache_access_2015.log";
    const std::uint64_t lines = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000;
    const int rounds = argc > 3 ? std::atoi(argv[3]) : 5;

    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(::sysconf(_SC_NPROCESSORS_ONLN) - 1, &cores);
    if (::sched_setaffinity(0, sizeof cores, &cores) != 0)
        fmt::print(stderr, "log_lines: not pinned to a core\n");

    const auto file = repeated(log, lines);
    const auto json = file + ".json";
    fmt::print("{:<24} {:>12} {:>12} {:>10}\n", "", "lines/s CPU", "lines/s wall", "peak MiB");
    std::vector<double> ratios;
    counts c;
    for (int i = 0; i < rounds; ++i) {
        const auto start = steady_clock::now();
        rusage before{}, after{};
        ::getrusage(RUSAGE_SELF, &before);
        c = read_all(file, lines);
        ::getrusage(RUSAGE_SELF, &after);
        const taken luot{since(start), cpu_seconds(after) - cpu_seconds(before), after.ru_maxrss};
        print_row("luot", c.lines, luot);

        taken goaccess;
        if (run({"goaccess", file, "--log-format=COMBINED", "--no-progress", "-o", json},
                goaccess)) {
            print_row("goaccess", lines, goaccess);
            ratios.push_back(goaccess.cpu / luot.cpu);
        }
    }
    std::filesystem::remove(file);
    std::filesystem::remove(json);

    fmt::print("\nluot, lines by fault:");
    for (std::size_t i = 0; i < line_faults; ++i)
        if (c.faults[i] > 0)
            fmt::print(" {} {},", describe(static_cast<line_fault>(i)), c.faults[i]);
    fmt::print("\nluot, lines by verdict:");
    for (std::size_t i = 0; i < page_verdicts; ++i)
        fmt::print(" {} {},", describe(static_cast<page_verdict>(i)), c.verdicts[i]);
    fmt::print("\nluot, resident after a tenth of the lines and at the end: {} KiB, {} KiB\n",
               c.first_kib, c.last_kib);
    if (ratios.empty()) {
        fmt::print("goaccess is not installed, or failed\n");
        return 0;
    }
    std::sort(ratios.begin(), ratios.end());
    fmt::print("luot's lines per second of CPU, x goaccess: {:.1f} (median; {:.1f}-{:.1f})\n",
               ratios[ratios.size() / 2], ratios.front(), ratios.back());
    return 0;
}
