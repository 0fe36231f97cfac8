// Preloaded (LD_PRELOAD), this adds to the time of day what LUOT_CLOCK_FILE holds: nanoseconds, 8
// bytes in the machine's order, which may change while the process runs. The monotonic clock stays
// as it is, as it does when an administrator sets the clock.

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

const volatile std::int64_t* find_shift()
{
    static const std::int64_t none = 0;
    const char* name = std::getenv("LUOT_CLOCK_FILE");
    const int file = name ? ::open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return &none;
    void* at = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, file, 0);
    ::close(file);
    return at == MAP_FAILED ? &none : static_cast<const volatile std::int64_t*>(at);
}

std::int64_t shifted_now()
{
    static const auto real =
        reinterpret_cast<int (*)(clockid_t, timespec*)>(::dlsym(RTLD_NEXT, "clock_gettime"));
    static const volatile std::int64_t* const shift = find_shift();
    timespec now{};
    real(CLOCK_REALTIME, &now);
    return now.tv_sec * second + now.tv_nsec + *shift;
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
