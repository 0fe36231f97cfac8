#include "luot/terminal.hpp"

#include "core/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace luot {

namespace {

/// Marks of direction, joiners, fillers and the byte order mark: a text looks another than it is.
bool is_unseen(char32_t point)
{
    return (point >= 0x200B && point <= 0x200F) || (point >= 0x202A && point <= 0x202E) ||
           (point >= 0x2060 && point <= 0x206F) || point == 0x061C || point == 0xFEFF ||
           point == 0xAD || (point >= 0xE0000 && point <= 0xE0FFF);
}

}  // namespace

std::string shown(std::string_view text, std::size_t most_characters)
{
    std::string out;
    for (std::size_t count = 0; !text.empty(); ++count) {
        if (count == most_characters)
            return out + "...";
        const auto bytes = utf8::sequence_bytes(text);
        const auto point = bytes == 0 ? char32_t{0} : utf8::code_point(text, bytes);
        if (bytes == 0 || utf8::is_control(point) || is_unseen(point))
            out += '?';
        else
            out += text.substr(0, bytes);
        text.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    return out;
}

std::string safe_json(std::string_view json)
{
    std::string out;
    while (!json.empty()) {
        const auto bytes = utf8::sequence_bytes(json);
        const auto point = bytes == 0 ? char32_t{0xFFFD} : utf8::code_point(json, bytes);
        const bool is_safe = bytes != 0 && !utf8::is_control(point) && !is_unseen(point);
        if (is_safe || json[0] == '\n')
            out += json.substr(0, bytes);
        else if (point < 0x10000)
            out += fmt::format("\\u{:04X}", static_cast<unsigned>(point));
        else
            out += fmt::format("\\u{:04X}\\u{:04X}",
                               static_cast<unsigned>(0xD800 + ((point - 0x10000) >> 10)),
                               static_cast<unsigned>(0xDC00 + ((point - 0x10000) & 0x3FF)));
        json.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    return out;
}

std::string in_column(std::string_view text, std::size_t characters)
{
    auto out = shown(text, characters);
    const auto count = [](std::string_view s) {
        return static_cast<std::size_t>(std::count_if(s.begin(), s.end(), [](char c) {
            return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
        }));
    };
    if (count(out) > characters)  // with its dots
        out = shown(text, characters - std::min<std::size_t>(characters, 3));
    for (auto there = count(out); there < characters; ++there)
        out += ' ';
    return out;
}

std::string duration_text(double seconds)
{
    if (seconds > 0 && seconds < 0.01)
        return fmt::format("{:.1f} ms", seconds * 1000);
    if (seconds < 1)
        return fmt::format("{:.0f} ms", seconds * 1000);
    if (seconds < 120)
        return fmt::format("{:.0f} s", seconds);
    if (seconds < 7200)
        return fmt::format("{:.0f} min", seconds / 60);
    if (seconds < 172'800)
        return fmt::format("{:.0f} h", seconds / 3600);
    return fmt::format("{:.0f} d", seconds / 86'400);
}

std::string bytes_text(std::uint64_t bytes)
{
    constexpr std::array<const char*, 5> units{"KiB", "MiB", "GiB", "TiB", "PiB"};
    if (bytes < 1024)
        return fmt::format("{} B", bytes);
    auto size = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    for (; size >= 1024 && unit + 1 < units.size(); ++unit)
        size /= 1024;
    return fmt::format("{:.1f} {}", size, units[unit]);
}

}  // namespace luot
