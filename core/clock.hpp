// Wall-clock time, in the one unit that is stored everywhere.

#pragma once

#include <cstdint>

namespace luot {

inline constexpr std::int64_t hour_ms = 3'600'000;
/// Of Unix time, which knows no leap seconds.
inline constexpr std::int64_t day_ms = 24 * hour_ms;

/// Milliseconds of Unix time, now. Pure functions take times as arguments instead of calling this.
[[nodiscard]] std::int64_t unix_ms() noexcept;

/// Milliseconds of a clock that never goes back (for pauses and time-outs, never stored).
[[nodiscard]] std::int64_t steady_ms() noexcept;
/// The same in microseconds.
[[nodiscard]] std::int64_t steady_us() noexcept;

}  // namespace luot
