// Named places in the way of a hit at which a test may end the process.

#pragma once

namespace luot {

/// Does nothing. The program that the fault suite runs (tests/fault/fail_points.cpp) has another
/// definition in its place, which ends or freezes the process when the place is passed for the n-th
/// time. Called once a turn, a batch or a segment, never once a hit. Thread-safe.
void fail_point(const char* name) noexcept;

}  // namespace luot
