#include "import/log_line.hpp"

#include "core/http/address.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace luot::importer {
namespace {

constexpr std::pair<std::string_view, log_format> formats[] = {
    {"common", log_format::common},
    {"combined", log_format::combined},
    {"vhost_combined", log_format::vhost_combined},
    {"json", log_format::json},
};

constexpr std::string_view descriptions[line_faults] = {
    "undamaged",  "empty",     "too long", "not JSON",    "no client address", "no time",
    "no request", "no status", "no bytes", "no referrer", "no user agent",
};

constexpr std::size_t npos = std::string_view::npos;

bool is_digit(char c) noexcept
{
    return c >= '0' && c <= '9';
}

bool all_digits(std::string_view text) noexcept
{
    return std::all_of(text.begin(), text.end(), is_digit);
}

bool is_absent(std::string_view text) noexcept
{
    return text.empty() || text == "-";
}

std::string_view absent_is_empty(std::string_view text) noexcept
{
    return text == "-" ? std::string_view{} : text;
}

/// What stands before the next space (or everything), off the front with that space.
std::string_view take_word(std::string_view& rest) noexcept
{
    const auto end = std::min(rest.find(' '), rest.size());
    const auto word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return word;
}

/// "example.vn:443" to "example.vn"; IPv6 keeps its brackets, and without these it has no port.
std::string_view without_port(std::string_view text) noexcept
{
    const auto colon = text.rfind(':');
    if (colon == npos || !all_digits(text.substr(colon + 1)))
        return text;
    const bool bracketed = text.front() == '[' && colon > 0 && text[colon - 1] == ']';
    return bracketed || text.find(':') == colon ? text.substr(0, colon) : text;
}

std::string_view without_brackets(std::string_view text) noexcept
{
    return text.size() >= 2 && text.front() == '[' && text.back() == ']'
               ? text.substr(1, text.size() - 2)
               : text;
}

/// The usual client, told without a call: as inet_pton(3) takes it, so without leading zeros.
bool is_ipv4(std::string_view text) noexcept
{
    int parts = 0, digits = 0, value = 0;
    for (const char c : text) {
        if (is_digit(c)) {
            if (digits++ > 0 && value == 0)
                return false;
            value = value * 10 + (c - '0');
            if (value > 255)
                return false;
        } else if (c == '.' && digits > 0) {
            ++parts;
            digits = value = 0;
        } else {
            return false;
        }
    }
    return parts == 3 && digits > 0;
}

bool is_host_name(std::string_view text) noexcept
{
    constexpr std::size_t max_bytes = 253;
    return !is_absent(text) && text.size() <= max_bytes &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
                      c == '-' || c == '_';
           });
}

bool is_method(std::string_view text) noexcept
{
    constexpr std::size_t max_bytes = 24;
    return !text.empty() && text.size() <= max_bytes &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; });
}

/// Digits, or "-" for 0. False for anything else.
template <class Number>
bool read_number(std::string_view text, std::size_t max_digits, Number& out) noexcept
{
    out = 0;
    if (text == "-")
        return true;
    if (text.empty() || text.size() > max_digits || !all_digits(text))
        return false;
    for (const char c : text)
        out = static_cast<Number>(out * 10 + static_cast<Number>(c - '0'));
    return true;
}

constexpr std::size_t max_status_digits = 3, max_bytes_digits = 19;

/// "GET /a b HTTP/1.1" to its parts: the target may have spaces.
void split_request(std::string_view request, log_line& out) noexcept
{
    const auto space = request.find(' ');
    const auto method = request.substr(0, space);
    if (space == npos || !is_method(method)) {
        out.target = absent_is_empty(request);
        return;
    }
    out.method = method;
    out.target = request.substr(space + 1);
    const auto last = out.target.rfind(' ');
    if (last != npos && out.target.substr(last + 1).starts_with("HTTP/")) {
        out.protocol = out.target.substr(last + 1);
        out.target = out.target.substr(0, last);
    }
}

enum class quoted : std::uint8_t {
    request,  ///< a status comes next
    text,
    last,  ///< may end with the line
};

/// A text between quotes off the front, with the space behind it; its escapes stay. False when
/// there is none.
bool take_quoted(std::string_view& rest, quoted kind, std::string_view& out) noexcept
{
    if (rest.empty() || rest.front() != '"')
        return false;
    rest.remove_prefix(1);
    for (auto quote = rest.find('"'); quote != npos; quote = rest.find('"', quote + 1)) {
        auto backslash = quote;
        while (backslash > 0 && rest[backslash - 1] == '\\')
            --backslash;
        if ((quote - backslash) % 2 != 0)
            continue;
        const auto behind = rest.substr(quote + 1);
        const bool ends = behind.empty() || behind.front() == ' ';
        const bool has_status = behind.size() > 1 && (is_digit(behind[1]) || behind[1] == '-');
        if (!ends || (kind == quoted::request && !has_status))
            continue;
        out = rest.substr(0, quote);
        rest = behind.substr(std::min<std::size_t>(1, behind.size()));
        return true;
    }
    out = rest;
    rest = {};
    return kind == quoted::last;
}

}  // namespace

std::optional<log_format> find_format(std::string_view name) noexcept
{
    for (const auto& [known, format] : formats)
        if (known == name)
            return format;
    return std::nullopt;
}

std::string_view describe(line_fault fault) noexcept
{
    return descriptions[static_cast<std::size_t>(fault)];
}

line_parser::line_parser(log_syntax syntax)
    : syntax_(std::move(syntax)), undone_(max_line_bytes), json_(syntax_.fields)
{
}

line_fault line_parser::parse(std::string_view line, log_line& out) noexcept
{
    out = {};
    if (line.size() > max_line_bytes)
        return line_fault::too_long;
    if (line.ends_with('\r'))
        line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == npos)
        return line_fault::empty;
    undone_.begin_line();
    return syntax_.format == log_format::json ? parse_json(line, out) : parse_text(line, out);
}

bool line_parser::set_client(std::string_view text, log_line& out) const noexcept
{
    out.client = text;
    if (is_ipv4(text))
        return true;
    out.client = without_brackets(without_port(text));
    // Two colons, or what is left is no IPv6: parse_address() takes anything for a port.
    http::ip_address ignored;
    if (out.client.find(':') != out.client.rfind(':') && out.client.front() != '[')
        return http::parse_address(out.client, ignored);
    return is_ipv4(out.client) || (syntax_.host_names && is_host_name(out.client));
}

/// The first time in brackets: the user's name before it may have brackets, too.
bool line_parser::take_time(std::string_view& rest, log_line& out) noexcept
{
    for (auto at = rest.find('['); at != npos; at = rest.find('[', at + 1)) {
        const auto end = at + 1 + time_reader::clf_bytes;
        if (end >= rest.size())
            return false;
        if (rest[end] != ']' ||
            !times_.read_clf(rest.substr(at + 1, time_reader::clf_bytes), out.time_ms))
            continue;
        rest.remove_prefix(end + 1);
        if (!rest.empty() && rest.front() == ' ')
            rest.remove_prefix(1);
        return true;
    }
    return false;
}

line_fault line_parser::parse_text(std::string_view line, log_line& out) noexcept
{
    auto rest = line;
    // nginx's $host is empty for a request without one: the line begins with a space then.
    if (syntax_.format == log_format::vhost_combined)
        out.host = absent_is_empty(without_port(take_word(rest)));
    if (!set_client(take_word(rest), out))
        return line_fault::no_client;
    if (!take_time(rest, out))
        return line_fault::no_time;

    std::string_view request;
    if (!take_quoted(rest, quoted::request, request))
        return line_fault::no_request;
    split_request(request, out);
    out.target = undone_.undo(out.target, escapes::text);
    if (!read_number(take_word(rest), max_status_digits, out.status))
        return line_fault::no_status;
    if (!read_number(take_word(rest), max_bytes_digits, out.bytes))
        return line_fault::no_bytes;
    if (syntax_.format == log_format::common)
        return line_fault::none;

    std::string_view referrer, user_agent;
    if (!take_quoted(rest, quoted::text, referrer))
        return line_fault::no_referrer;
    if (!take_quoted(rest, quoted::last, user_agent))
        return line_fault::no_user_agent;
    out.referrer = undone_.undo(absent_is_empty(referrer), escapes::text);
    out.user_agent = undone_.undo(absent_is_empty(user_agent), escapes::text);
    return line_fault::none;
}

line_fault line_parser::parse_json(std::string_view line, log_line& out) noexcept
{
    if (!json_.read(line, undone_))
        return line_fault::not_json;
    out.host = absent_is_empty(without_port(json_.value(json_line::host)));
    if (!set_client(json_.value(json_line::client), out))
        return line_fault::no_client;
    if (!times_.read(json_.value(json_line::time), out.time_ms))
        return line_fault::no_time;

    const auto method = json_.value(json_line::method);
    const auto target = json_.value(json_line::target);
    if (!is_absent(target) && is_method(method)) {
        out.method = method;
        out.target = target;
        out.protocol = absent_is_empty(json_.value(json_line::protocol));
    } else if (const auto request = json_.value(json_line::request); request.data() != nullptr) {
        split_request(request, out);
    } else if (target.data() != nullptr) {
        out.target = absent_is_empty(target);
    } else {
        return line_fault::no_request;
    }
    if (!read_number(json_.value(json_line::status), max_status_digits, out.status))
        return line_fault::no_status;
    const auto bytes = json_.value(json_line::bytes);
    if (!bytes.empty() && !read_number(bytes, max_bytes_digits, out.bytes))
        return line_fault::no_bytes;
    out.referrer = absent_is_empty(json_.value(json_line::referrer));
    out.user_agent = absent_is_empty(json_.value(json_line::user_agent));
    return line_fault::none;
}

}  // namespace luot::importer
