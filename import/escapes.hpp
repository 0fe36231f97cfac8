// What a log writer did to the bytes that would break its line, undone.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace luot::importer {

enum class escapes : std::uint8_t {
    text,  ///< Apache: \" \\ \n \t \r \b \v \f \xhh; nginx: \xHH
    json,  ///< these, \/ and \uXXXX: nginx with escape=default writes \xHH into JSON, too
};

/// Undoes the escapes of the fields of one line at a time. One thread at a time.
class unescaper {
public:
    /// No line that it meets is longer than this.
    explicit unescaper(std::size_t max_line_bytes);

    /// Forgets the line before: what was answered for it is no longer valid.
    void begin_line() noexcept { used_ = 0; }

    /// The field without its escapes: `in` itself when it has none, else valid until begin_line().
    /// What is no escape stays as it is, half a surrogate pair becomes U+FFFD. The fields of a line
    /// must not overlap: there is room for its bytes once, and undoing makes nothing longer.
    [[nodiscard]] std::string_view undo(std::string_view in, escapes kind) noexcept;

private:
    std::unique_ptr<char[]> room_;
    std::size_t used_ = 0;
};

}  // namespace luot::importer
