// UTF-8 as untrusted bytes: what is well-formed, and where a text may be cut. Normal forms are the
// business of path.cpp.

#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace luot::utf8 {

/// The length (1 to 4) of the well-formed sequence at the beginning of `text`; 0 when there is
/// none. Overlong forms, surrogates and code points above U+10FFFF are not well-formed.
[[nodiscard]] inline std::size_t sequence_bytes(std::string_view text) noexcept
{
    if (text.empty())
        return 0;
    const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
        return i < text.size() && at(i) >= low && at(i) <= high;
    };
    const unsigned lead = at(0);
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return follows(1) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        const bool second = follows(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF);
        return second && follows(2) ? 3 : 0;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        const bool second = follows(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF);
        return second && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

/// The code point of a sequence whose length sequence_bytes() gave.
[[nodiscard]] inline char32_t code_point(std::string_view text, std::size_t bytes) noexcept
{
    const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    constexpr unsigned lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    char32_t point = at(0) & lead_bits[bytes];
    for (std::size_t i = 1; i < bytes; ++i)
        point = point << 6 | (at(i) & 0x3F);
    return point;
}

[[nodiscard]] inline bool valid(std::string_view text) noexcept
{
    while (!text.empty()) {
        const std::size_t bytes = sequence_bytes(text);
        if (bytes == 0)
            return false;
        text.remove_prefix(bytes);
    }
    return true;
}

/// At most `max_bytes` from the beginning of `text`, without half a sequence at the end.
[[nodiscard]] inline std::string_view cut(std::string_view text, std::size_t max_bytes) noexcept
{
    if (text.size() <= max_bytes)
        return text;
    std::size_t end = max_bytes;
    // A sequence has three continuation bytes at most; more of them are broken anyway.
    for (int back = 0; back < 3 && end > 0; ++back) {
        if ((static_cast<unsigned char>(text[end]) & 0xC0) != 0x80)
            break;
        --end;
    }
    return text.substr(0, end);
}

/// Whether a terminal or who reads by lines may take it for more than text: control characters (C0,
/// DEL, C1) and the separators of lines and paragraphs.
[[nodiscard]] constexpr bool is_control(char32_t point) noexcept
{
    return point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0x2028 || point == 0x2029;
}

/// One line of well-formed text whatever `text` holds: what is none becomes '?'.
[[nodiscard]] inline std::string one_line(std::string_view text)
{
    std::string out;
    while (!text.empty()) {
        const auto bytes = sequence_bytes(text);
        const auto sequence = text.substr(0, std::max<std::size_t>(bytes, 1));
        if (bytes == 0 || is_control(code_point(text, bytes)))
            out += '?';
        else
            out += sequence;
        text.remove_prefix(sequence.size());
    }
    return out;
}

}  // namespace luot::utf8
