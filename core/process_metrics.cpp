#include "core/process_metrics.hpp"

#include "core/bytes.hpp"
#include "core/file.hpp"
#include "core/metrics.hpp"

#include <cstdint>
#include <dirent.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

namespace luot {

namespace {

/// One of the fields of a text that are divided by spaces; 0 is the first.
std::optional<std::uint64_t> field_of(std::string_view text, int number)
{
    for (; number > 0; --number) {
        const auto space = text.find(' ');
        if (space == std::string_view::npos)
            return std::nullopt;
        text.remove_prefix(space + 1);
    }
    std::uint64_t value = 0;
    return parse_number(text.substr(0, text.find_first_of(" \n")), value) ? std::optional(value)
                                                                          : std::nullopt;
}

/// Of /proc/self/statm (proc(5)): 0 all of the address space, 1 what of it is in memory.
std::optional<double> memory_bytes(int field)
{
    const auto text = read_file("/proc/self/statm", 4096);
    const auto pages = text ? field_of(*text, field) : std::nullopt;
    if (!pages)
        return std::nullopt;
    return static_cast<double>(*pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double cpu_seconds()
{
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::optional<double> open_files()
{
    DIR* listed = ::opendir("/proc/self/fd");
    if (!listed)
        return std::nullopt;
    int count = -3;  // ".", "..", and the one that lists them
    while (::readdir(listed))
        ++count;
    ::closedir(listed);
    return count;
}

std::optional<double> most_files()
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return std::nullopt;
    return static_cast<double>(limit.rlim_cur);
}

/// Unix time: when the machine was started, and how long after that this process was.
std::optional<double> start_seconds()
{
    const auto own = read_file("/proc/self/stat"), all = read_file("/proc/stat");
    if (!own || !all)
        return std::nullopt;
    const auto behind_name = own->rfind(") ");
    const auto boot = all->find("\nbtime ");
    if (behind_name == std::string::npos || boot == std::string::npos)
        return std::nullopt;
    // The 22nd field of proc(5), starttime; behind the name is the third.
    const auto ticks = field_of(std::string_view(*own).substr(behind_name + 2), 19);
    const auto boot_seconds = field_of(std::string_view(*all).substr(boot + 7), 0);
    if (!ticks || !boot_seconds)
        return std::nullopt;
    return static_cast<double>(*boot_seconds) +
           static_cast<double>(*ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

void add_process_metrics(metrics_registry& metrics)
{
    metrics.add_total("process_cpu_seconds_total", "CPU time that this process has used.",
                      cpu_seconds);
    metrics.add_optional_gauge("process_resident_memory_bytes", "Memory of this process.",
                               [] { return memory_bytes(1); });
    metrics.add_optional_gauge("process_virtual_memory_bytes", "Address space of this process.",
                               [] { return memory_bytes(0); });
    metrics.add_optional_gauge("process_open_fds", "Open files and connections.", open_files);
    metrics.add_optional_gauge("process_max_fds", "Files and connections that may be open.",
                               most_files);
    metrics.add_optional_gauge("process_start_time_seconds",
                               "Unix time at which this process was started.",
                               [at = start_seconds()] { return at; });
}

}  // namespace luot
