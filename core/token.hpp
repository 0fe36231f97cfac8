// The token that an accepted hit is answered with: where the hit stands, so that a read can wait
// for it.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace luot {

/// "<producer>.<partition>.<offset>": 16 hex digits, two decimal digits, a decimal number.
struct hit_token {
    std::uint64_t producer = 0;
    unsigned partition = 0;
    std::uint64_t offset = 0;
};

void append(std::string& out, const hit_token& token);

/// nullopt when it is malformed.
[[nodiscard]] std::optional<hit_token> parse_token(std::string_view text) noexcept;

}  // namespace luot
