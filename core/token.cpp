#include "core/token.hpp"

#include "core/bytes.hpp"
#include "core/hit.hpp"

#include <charconv>

namespace luot {

void append(std::string& out, const hit_token& token)
{
    out += to_hex(token.producer);
    out += '.';
    out += static_cast<char>('0' + token.partition / 10);
    out += static_cast<char>('0' + token.partition % 10);
    out += '.';
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, token.offset).ptr;
    out.append(digits, end);
}

std::optional<hit_token> parse_token(std::string_view text) noexcept
{
    hit_token token;
    std::uint64_t partition = 0;
    if (text.size() < 21 || text[16] != '.' || text[19] != '.' ||
        !from_hex(text.substr(0, 16), token.producer) ||
        !parse_number(text.substr(17, 2), partition) || partition >= partitions ||
        !parse_number(text.substr(20), token.offset) || token.offset == 0)
        return std::nullopt;
    token.partition = static_cast<unsigned>(partition);
    return token;
}

}  // namespace luot
