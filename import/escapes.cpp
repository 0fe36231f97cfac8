#include "import/escapes.hpp"

#include <cstring>

namespace luot::importer {
namespace {

int hex_value(char c) noexcept
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// The number in the first `digits` hex digits of `text`; -1 when they are not there.
int hex_number(std::string_view text, std::size_t digits) noexcept
{
    if (text.size() < digits)
        return -1;
    int number = 0;
    for (const char c : text.substr(0, digits)) {
        const int value = hex_value(c);
        if (value < 0)
            return -1;
        number = number * 16 + value;
    }
    return number;
}

char* put_utf8(char* out, unsigned point) noexcept
{
    const auto put = [&](unsigned byte) { *out++ = static_cast<char>(byte); };
    if (point < 0x80) {
        put(point);
    } else if (point < 0x800) {
        put(0xC0 | point >> 6);
        put(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
        put(0xE0 | point >> 12);
        put(0x80 | (point >> 6 & 0x3F));
        put(0x80 | (point & 0x3F));
    } else {
        put(0xF0 | point >> 18);
        put(0x80 | (point >> 12 & 0x3F));
        put(0x80 | (point >> 6 & 0x3F));
        put(0x80 | (point & 0x3F));
    }
    return out;
}

/// `in` begins with \u. Answers how many bytes were taken: 0 when it is no escape.
std::size_t undo_unicode(std::string_view in, char*& out) noexcept
{
    const int first = hex_number(in.substr(2), 4);
    if (first < 0)
        return 0;
    auto point = static_cast<unsigned>(first);
    std::size_t taken = 6;
    if (point >= 0xD800 && point <= 0xDFFF) {
        const auto rest = in.substr(6);
        const int second = rest.substr(0, 2) == "\\u" ? hex_number(rest.substr(2), 4) : -1;
        if (point < 0xDC00 && second >= 0xDC00 && second <= 0xDFFF) {
            point = 0x10000 + ((point - 0xD800) << 10) + (static_cast<unsigned>(second) - 0xDC00);
            taken = 12;
        } else {
            point = 0xFFFD;
        }
    }
    out = put_utf8(out, point);
    return taken;
}

/// `in` begins with a backslash. Answers how many bytes were taken: 0 when it is no escape.
std::size_t undo_one(std::string_view in, escapes kind, char*& out) noexcept
{
    const auto put = [&](char c) {
        *out++ = c;
        return std::size_t{2};
    };
    if (in.size() < 2)
        return 0;
    switch (in[1]) {
        case '"':
        case '\\':
            return put(in[1]);
        case 'n':
            return put('\n');
        case 't':
            return put('\t');
        case 'r':
            return put('\r');
        case 'b':
            return put('\b');
        case 'v':
            return put('\v');
        case 'f':
            return put('\f');
        case 'x': {
            const int byte = hex_number(in.substr(2), 2);
            if (byte < 0)
                return 0;
            put(static_cast<char>(byte));
            return 4;
        }
        case '/':
            return kind == escapes::json ? put('/') : 0;
        case 'u':
            return kind == escapes::json ? undo_unicode(in, out) : 0;
        default:
            return 0;
    }
}

}  // namespace

unescaper::unescaper(std::size_t max_line_bytes) : room_(new char[max_line_bytes]) {}

std::string_view unescaper::undo(std::string_view in, escapes kind) noexcept
{
    auto at = in.find('\\');
    if (at == std::string_view::npos)
        return in;
    char* const begin = room_.get() + used_;
    char* out = begin;
    while (true) {
        const auto plain = in.substr(0, at);
        if (!plain.empty())
            std::memcpy(out, plain.data(), plain.size());
        out += plain.size();
        if (at == std::string_view::npos)
            break;
        in.remove_prefix(at);
        auto taken = undo_one(in, kind, out);
        if (taken == 0) {
            *out++ = '\\';
            taken = 1;
        }
        in.remove_prefix(taken);
        at = in.find('\\');
    }
    const auto size = static_cast<std::size_t>(out - begin);
    used_ += size;
    return {begin, size};
}

}  // namespace luot::importer
