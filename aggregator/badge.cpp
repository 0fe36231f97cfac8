#include "aggregator/badge.hpp"

#include "core/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utf8proc.h>
#include <utility>
#include <vector>

namespace luot::aggregator {

namespace {

constexpr double font_pixels = 11;
constexpr int padding = 6;
constexpr int digit_width = 12, separator_width = 6, frame = 2;
constexpr std::size_t most_marks = 2;  ///< ệ has as many, when it is not composed
constexpr std::string_view fonts = "Verdana,'DejaVu Sans',Geneva,sans-serif";
constexpr std::string_view digit_fonts = "'DejaVu Sans Mono',Menlo,Consolas,monospace";

/// Of the characters from ' ' to '~' in Verdana, in thousandths of the size of the font.
constexpr std::array<std::uint16_t, 95> widths{
    352,  394, 459, 818, 636, 1076, 727, 269, 454, 454, 636, 818, 364, 454, 364, 454,  // ' ' to /
    636,  636, 636, 636, 636, 636,  636, 636, 636, 636, 454, 454, 818, 818, 818, 545,  // 0 to ?
    1000, 684, 686, 698, 771, 632,  575, 775, 751, 421, 455, 693, 557, 843, 748, 787,  // @ to O
    603,  787, 695, 684, 616, 732,  684, 989, 685, 615, 685, 454, 454, 454, 818, 636,  // P to _
    636,  601, 623, 521, 623, 596,  352, 623, 633, 274, 344, 592, 274, 973, 633, 607,  // ` to o
    623,  623, 427, 521, 394, 633,  592, 818, 592, 592, 525, 635, 454, 635, 818,       // p to ~
};
constexpr std::uint16_t other_width = 700, wide_width = 1000;

bool is_mark(char32_t point)
{
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(point));
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME;
}

/// Controls, formats (all that change the direction, joiners), private use, what is no character.
bool is_taken_out(char32_t point)
{
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(point))) {
        case UTF8PROC_CATEGORY_CC:
        case UTF8PROC_CATEGORY_CF:
        case UTF8PROC_CATEGORY_CS:
        case UTF8PROC_CATEGORY_CO:
        case UTF8PROC_CATEGORY_CN:
            return true;
        default:
            return false;
    }
}

bool is_space(char32_t point)
{
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(point))) {
        case UTF8PROC_CATEGORY_ZS:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP:
            return true;
        default:
            return point >= '\t' && point <= '\r';
    }
}

std::string composed(const std::string& text)
{
    const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> out{
        utf8proc_NFC(reinterpret_cast<const utf8proc_uint8_t*>(text.c_str())), &std::free};
    return out ? reinterpret_cast<const char*>(out.get()) : std::string{};
}

/// In thousandths; marks have none of their own. 0 where the table does not know better than to
/// guess.
std::uint16_t known_width(char32_t point)
{
    std::array<utf8proc_int32_t, 8> parts{};
    const auto count = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(point), parts.data(), parts.size(),
        static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE), nullptr);
    if (count > 0)
        point = static_cast<char32_t>(parts[0]);
    if (point >= ' ' && point <= '~')
        return widths[point - ' '];
    switch (point) {
        case U'đ':
            return 623;
        case U'Đ':
            return 775;
        case U'–':
        case U'·':
            return 636;
        case U'…':
            return 818;
        default:
            return 0;
    }
}

/// Calls `with` for each code point of well-formed UTF-8.
template <class With>
void each_point(std::string_view text, const With& with)
{
    while (!text.empty()) {
        const auto bytes = std::max<std::size_t>(utf8::sequence_bytes(text), 1);
        with(utf8::code_point(text, bytes), text.substr(0, bytes));
        text.remove_prefix(bytes);
    }
}

/// Whether the browser may be told to draw it exactly as wide as estimated.
bool is_known(std::string_view text)
{
    bool known = true;
    each_point(text,
               [&](char32_t point, std::string_view) { known = known && known_width(point) > 0; });
    return known;
}

std::string escaped(std::string_view text)
{
    std::string out;
    for (const char c : text) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '"')
            out += "&quot;";
        else
            out += c;
    }
    return out;
}

/// Root element and name of a picture.
std::string opened(int width, std::string_view label, std::string_view number)
{
    const auto name =
        escaped(label.empty() ? std::string(number) : fmt::format("{}: {}", label, number));
    return fmt::format(
        R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="20" viewBox="0 0 {0} 20" )"
        R"(role="img" aria-label="{1}"><title>{1}</title>)",
        width, name);
}

struct badge_part {
    std::string_view text, color;
    int width = 0;

    badge_part(std::string_view t, std::string_view c)
        : text(t), color(c), width(static_cast<int>(std::ceil(text_width(t))) + 2 * padding)
    {
    }
};

}  // namespace

std::string clean_label(std::string_view label)
{
    std::string whole;
    while (!label.empty()) {
        const auto bytes = utf8::sequence_bytes(label);
        const auto point = bytes == 0 ? U'\uFFFD' : utf8::code_point(label, bytes);
        if (bytes == 0)
            whole += "\uFFFD";
        else if (is_space(point))
            whole += ' ';
        else if (!is_taken_out(point))
            whole += label.substr(0, bytes);
        label.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    std::string out;
    std::size_t characters = 0, marks = 0;
    bool space_is_owed = false, is_cut = false;
    each_point(composed(whole), [&](char32_t point, std::string_view bytes) {
        if (is_cut)
            return;
        if (point == ' ') {
            space_is_owed = !out.empty();
            return;
        }
        marks = is_mark(point) ? marks + 1 : 0;
        if (marks > 0 && (out.empty() || space_is_owed || marks > most_marks))
            return;
        characters += (marks > 0 ? 0 : 1) + (space_is_owed ? 1 : 0);
        if (characters > most_label_characters) {
            out += "…";
            is_cut = true;
            return;
        }
        if (std::exchange(space_is_owed, false))
            out += ' ';
        out += bytes;
    });
    return out;
}

double text_width(std::string_view text)
{
    unsigned thousandths = 0;
    each_point(text, [&](char32_t point, std::string_view) {
        if (is_mark(point))
            return;
        if (const auto known = known_width(point); known > 0)
            thousandths += known;
        else
            thousandths += utf8proc_charwidth(static_cast<utf8proc_int32_t>(point)) > 1
                               ? wide_width
                               : other_width;
    });
    return thousandths * font_pixels / 1000;
}

std::string badge_svg(std::string_view label, std::string_view number)
{
    const auto name = clean_label(label);
    std::vector<badge_part> parts;
    if (!name.empty())
        parts.emplace_back(name, "#555");
    parts.emplace_back(number, "#0b5fa5");
    int width = 0;
    for (const auto& part : parts)
        width += part.width;

    auto out = opened(width, name, number);
    out += fmt::format(R"(<clipPath id="c"><rect width="{}" height="20" rx="3"/></clipPath>)"
                       R"x(<g clip-path="url(#c)">)x",
                       width);
    int at = 0;
    for (const auto& part : parts) {
        out += fmt::format(R"(<rect x="{}" width="{}" height="20" fill="{}"/>)", at, part.width,
                           part.color);
        at += part.width;
    }
    out += fmt::format(R"(</g><g fill="#fff" font-family="{}" font-size="{}" )"
                       R"(text-anchor="middle" aria-hidden="true">)",
                       fonts, font_pixels);
    at = 0;
    for (const auto& part : parts) {
        // Another font than Verdana must not run over the edge.
        const auto length = is_known(part.text)
                                ? fmt::format(R"( textLength="{:.1f}")", text_width(part.text))
                                : std::string{};
        out += fmt::format(R"(<text x="{:.1f}" y="14"{}>{}</text>)", at + part.width / 2.0, length,
                           escaped(part.text));
        at += part.width;
    }
    return out + "</g></svg>\n";
}

std::string count_svg(std::string_view label, std::string_view number)
{
    std::string fields, places;
    int at = frame;
    each_point(number, [&](char32_t point, std::string_view) {
        const bool is_separator = point == '.' || point == ',';
        const int width = is_separator ? separator_width : digit_width;
        if (!is_separator)
            fields +=
                fmt::format(R"(<rect x="{}" y="2" width="{}" height="16" rx="1"/>)", at, width - 1);
        places += fmt::format("{}{:.1f}", places.empty() ? "" : " ", at + (width - 1) / 2.0);
        at += width;
    });
    const int width = at + frame - 1;
    return opened(width, clean_label(label), number) +
           fmt::format(R"(<rect width="{}" height="20" rx="3" fill="#111"/><g fill="#333">{}</g>)"
                       R"(<text x="{}" y="15" fill="#fff" font-family="{}" font-size="14" )"
                       R"(text-anchor="middle" aria-hidden="true">{}</text></svg>)"
                       "\n",
                       width, fields, places, digit_fonts, number);
}

}  // namespace luot::aggregator
