#include "core/clock.hpp"

#include <chrono>

namespace luot {

namespace {

template <class Clock>
std::int64_t milliseconds_of() noexcept
{
    using namespace std::chrono;
    return duration_cast<milliseconds>(Clock::now().time_since_epoch()).count();
}

}  // namespace

std::int64_t unix_ms() noexcept
{
    return milliseconds_of<std::chrono::system_clock>();
}

std::int64_t steady_ms() noexcept
{
    return milliseconds_of<std::chrono::steady_clock>();
}

}  // namespace luot
