// Preloaded (LD_PRELOAD), this adds to the time of day what LUOT_CLOCK_FILE holds: nanoseconds, 8
// bytes in the machine's order, which may change while the process runs. Where 8 bytes follow that
// are not 0, the clock stands: the nanoseconds are the time itself. The monotonic clock stays as it
// is, as it does when an administrator sets the clock.

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

constexpr std::int64_t second = 1'000'000'000;

struct setting {
    std::int64_t nanoseconds = 0;
    std::int64_t stands = 0;  ///< in a file of 8 bytes the rest of the page, which is 0
};

const volatile setting* find_setting()
{
    static const setting none;
    const char* name = std::getenv("LUOT_CLOCK_FILE");
    const int file = name ? ::open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return &none;
    void* at = ::mmap(nullptr, sizeof(setting), PROT_READ, MAP_SHARED, file, 0);
    ::close(file);
    return at == MAP_FAILED ? &none : static_cast<const volatile setting*>(at);
}

std::int64_t shifted_now()
{
    static const auto real =
        reinterpret_cast<int (*)(clockid_t, timespec*)>(::dlsym(RTLD_NEXT, "clock_gettime"));
    static const volatile setting* const set = find_setting();
    if (set->stands)
        return set->nanoseconds;
    timespec now{};
    real(CLOCK_REALTIME, &now);
    return now.tv_sec * second + now.tv_nsec + set->nanoseconds;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* out) noexcept
{
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        const auto now = shifted_now();
        *out = {static_cast<time_t>(now / second), static_cast<long>(now % second)};
        return 0;
    }
    static const auto real =
        reinterpret_cast<int (*)(clockid_t, timespec*)>(::dlsym(RTLD_NEXT, "clock_gettime"));
    return real(clock, out);
}

int gettimeofday(timeval* out, void*) noexcept
{
    const auto now = shifted_now();
    *out = {static_cast<time_t>(now / second), static_cast<suseconds_t>(now % second / 1000)};
    return 0;
}

time_t time(time_t* out) noexcept
{
    const auto now = static_cast<time_t>(shifted_now() / second);
    if (out)
        *out = now;
    return now;
}

}  // extern "C"
