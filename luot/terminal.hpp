// Texts of strangers (titles, paths, pages that were fetched) on an operator's terminal.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace luot {

/// One line that is only text, whatever `text` holds: control characters, characters that turn the
/// direction of writing or that nobody sees, and malformed bytes become '?'. At most so many
/// characters; a longer text ends with "...".
[[nodiscard]] std::string shown(std::string_view text, std::size_t most_characters = 200);

/// A JSON text in which such characters are escaped, and malformed bytes are U+FFFD: the same to
/// programs.
[[nodiscard]] std::string safe_json(std::string_view json);

/// shown(), filled with spaces up to that width or cut to it. Counts characters: wide ones of East
/// Asia take more room than that.
[[nodiscard]] std::string in_column(std::string_view text, std::size_t characters);

/// "3 s", "4 min", "2 h", "5 d".
[[nodiscard]] std::string duration_text(double seconds);

/// "512 B", "3.4 MiB".
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);

}  // namespace luot
