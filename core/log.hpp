// The log: one line an event, on standard error, as `time level event key=value ...` or as JSON. No
// client address, no path, no other text of a client ever goes in.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace luot::log {

enum class level { debug, info, warn, error };

/// A named value of a line. Text is escaped, so that no value can forge a line.
struct field {
    field(std::string_view n, std::string_view v) : name(n), value(v), is_text(true) {}
    field(std::string_view n, const char* v) : name(n), value(v), is_text(true) {}
    template <class T>
    requires std::is_arithmetic_v<T> field(std::string_view n, T v)
        : name(n), value(std::to_string(v))
    {
    }

    std::string_view name;
    std::string value;
    bool is_text = false;
};

using fields = std::initializer_list<field>;

/// A text as it stands in a line: a JSON string whose every character is printable, on one line,
/// and well-formed UTF-8 (malformed bytes become U+FFFD).
[[nodiscard]] std::string quoted(std::string_view text);

/// Before the first thread; also initialises the output. `as_json`: one JSON object a line.
void set_up(level least, bool as_json);

void debug(std::string_view event, fields values = {});
void info(std::string_view event, fields values = {});
/// Only for what an operator must act on; every warning has a counter beside it.
void warn(std::string_view event, fields values = {});
void error(std::string_view event, fields values = {});

/// Lets one line through per `every_seconds`; the next line tells how many were held back.
/// Thread-safe as the log itself is not needed for it: one object a thread.
class limiter {
public:
    explicit limiter(int every_seconds = 10) : every_ms_(std::int64_t{1000} * every_seconds) {}

    /// Whether to log now.
    [[nodiscard]] bool pass();
    /// Lines held back since the last one that passed.
    [[nodiscard]] std::uint64_t held_back() const { return reported_; }

private:
    std::int64_t every_ms_;
    std::int64_t last_ms_ = -1'000'000'000;
    std::uint64_t held_back_ = 0;
    std::uint64_t reported_ = 0;
};

}  // namespace luot::log
