// Wall-clock time, in the one unit that is stored everywhere.

#pragma once

#include <cstdint>

namespace luot {

/// Milliseconds of Unix time, now. Pure functions take times as arguments instead of calling this.
[[nodiscard]] std::int64_t unix_ms() noexcept;

/// Milliseconds of a clock that never goes back (for pauses and time-outs, never stored).
[[nodiscard]] std::int64_t steady_ms() noexcept;
/// The same in microseconds.
[[nodiscard]] std::int64_t steady_us() noexcept;

}  // namespace luot
