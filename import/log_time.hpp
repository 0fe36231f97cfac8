// The times of access logs, with any zone offset, to Unix milliseconds.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace luot::importer {

/// Reads times. Remembers the day of the last one, as lines follow each other in time; what it
/// answers depends on the text alone. From 1970 to 9999. One thread at a time.
class time_reader {
public:
    static constexpr std::size_t clf_bytes = 26;

    /// "17/May/2015:10:05:03 +0700": Apache's %t and nginx's $time_local. False for anything else.
    [[nodiscard]] bool read_clf(std::string_view text, std::int64_t& unix_ms) noexcept;

    /// That form, also in brackets; ISO 8601 with a zone ("2015-05-17T10:05:03.123+07:00", "Z", a
    /// space for the T, any fraction); or the time since 1970 as a decimal number, in seconds, or
    /// (from 10^11 on) milliseconds, (10^14) microseconds, (10^17) nanoseconds. What is finer than
    /// a millisecond is cut off. False for anything else.
    [[nodiscard]] bool read(std::string_view text, std::int64_t& unix_ms) noexcept;

private:
    // The last time that was read, and the Unix second at which its local day began.
    char last_[clf_bytes] = {};
    std::int64_t last_ms_ = 0;
    std::int64_t midnight_ = 0;
};

}  // namespace luot::importer
