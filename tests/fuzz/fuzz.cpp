#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace luot::fuzz {

namespace {

/// CPU time, not time on the clock: on a busy machine a process may wait for a second or more.
constexpr double most_cpu_seconds = 1;

double cpu_seconds()
{
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

/// Tells at the end of a run what the slowest input took.
class stopwatch {
public:
    ~stopwatch() { std::fprintf(stderr, "slowest input: %.0f ms of CPU time\n", slowest_ * 1000); }

    void note(double seconds)
    {
        slowest_ = std::max(slowest_, seconds);
        check(seconds < most_cpu_seconds, "an input takes less than a second of CPU time");
    }

private:
    double slowest_ = 0;
};

}  // namespace

void check(bool holds, const char* promise, const char* file, int line)
{
    if (holds)
        return;
    std::fprintf(stderr, "%s:%d: broken promise: %s\n", file, line, promise);
    std::abort();
}

std::string_view take_line(std::string_view& input)
{
    const auto size = std::min(input.find('\n'), input.size());
    const auto line = input.substr(0, size);
    input.remove_prefix(std::min(size + 1, input.size()));
    return line;
}

std::uint64_t numbers::below(std::uint64_t end)
{
    state_ += 0x9E3779B97F4A7C15;
    auto z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return (z ^ (z >> 31)) % end;
}

}  // namespace luot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace luot::fuzz;
    static stopwatch watch;
    const auto begun = cpu_seconds();
    try_input({reinterpret_cast<const char*>(data), size});
    watch.note(cpu_seconds() - begun);
    return 0;
}
