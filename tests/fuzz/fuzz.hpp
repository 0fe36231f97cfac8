// What the fuzz targets share: the entry point, checks of promises, and inputs taken apart. A
// target is one file in targets/ that defines try_input(); tests/fuzz/run.sh runs it.
// docs/testing.md.

#pragma once

#include "core/bytes.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace luot::fuzz {

/// Tries one input: any bytes. Defined by each target; must depend on nothing but the input, so
/// that what was found is found again.
void try_input(std::string_view input);

/// Ends the process, which the fuzzer reports with the input, when `promise` does not hold.
void check(bool holds, const char* promise, const char* file = __builtin_FILE(),
           int line = __builtin_LINE());

/// Takes what stands before the next line feed (or everything) off the front of `input`, with the
/// line feed: for inputs that a person can write as text.
[[nodiscard]] std::string_view take_line(std::string_view& input);

/// Small numbers that steer a target: a pseudo-random row that follows from its seed alone.
class numbers {
public:
    explicit numbers(std::uint64_t seed) : state_(seed) {}

    /// From 0 to below `end`, which must not be 0.
    [[nodiscard]] std::uint64_t below(std::uint64_t end);

private:
    std::uint64_t state_;
};

}  // namespace luot::fuzz
