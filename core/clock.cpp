#include "core/clock.hpp"

#include <chrono>

namespace luot {

namespace {

template <class Clock, class Unit>
std::int64_t now_in() noexcept
{
    return std::chrono::duration_cast<Unit>(Clock::now().time_since_epoch()).count();
}

}  // namespace

std::int64_t unix_ms() noexcept
{
    return now_in<std::chrono::system_clock, std::chrono::milliseconds>();
}

std::int64_t steady_ms() noexcept
{
    return now_in<std::chrono::steady_clock, std::chrono::milliseconds>();
}

std::int64_t steady_us() noexcept
{
    return now_in<std::chrono::steady_clock, std::chrono::microseconds>();
}

}  // namespace luot
