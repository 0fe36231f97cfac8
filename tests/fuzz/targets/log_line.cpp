// A line of an access log in every format, and the rule of pages. Input: a byte that chooses the
// format, then a line (or, for its escapes, a text that is written into one).

#include "import/log_line.hpp"

#include "import/page_rule.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace luot::fuzz {

namespace {

using namespace importer;

struct fields {
    line_fault fault;
    std::string host, client, method, target, protocol, referrer, user_agent;
    std::int64_t time_ms;
    std::uint16_t status;
    std::uint64_t bytes;

    bool operator==(const fields&) const = default;
};

fields parse(line_parser& parser, std::string_view line)
{
    log_line l;
    const auto fault = parser.parse(line, l);
    if (fault != line_fault::none)
        l = {};
    return {fault,
            std::string(l.host),
            std::string(l.client),
            std::string(l.method),
            std::string(l.target),
            std::string(l.protocol),
            std::string(l.referrer),
            std::string(l.user_agent),
            l.time_ms,
            l.status,
            l.bytes};
}

void check_fields(const fields& f, std::string_view line)
{
    check(!describe(f.fault).empty(), "a fault has a name");
    if (f.fault != line_fault::none)
        return;
    check(line.size() <= max_line_bytes, "a line has a bound");
    check(!f.client.empty() && f.client.size() < 46, "a client is an address");
    for (const char c : f.client)
        check((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
                  c == '.' || c == ':',
              "a client has neither port nor brackets");
    check(f.time_ms >= 0 && f.time_ms <= 253'402'387'200'000, "a time is between 1970 and 9999");
    check(f.status <= 999, "a status has three digits");
    check(f.bytes <= 9'999'999'999'999'999'999ULL, "bytes have 19 digits");
    for (const char c : f.method)
        check((c >= 'A' && c <= 'Z') || c == '-' || c == '_', "a method is one of HTTP");
    check(!f.method.empty() || f.protocol.empty(), "a protocol comes with a method");
    const auto taken = f.host.size() + f.client.size() + f.method.size() + f.target.size() +
                       f.protocol.size() + f.referrer.size() + f.user_agent.size();
    // In JSON one value may be wanted for several fields, and the sum is no bound.
    check(taken <= 7 * line.size(), "nothing becomes longer");
    check(f.referrer.size() <= line.size() && f.user_agent.size() <= line.size(),
          "a field is no longer than its line");

    log_line l;
    l.method = f.method;
    l.target = f.target;
    l.status = f.status;
    const page_rule rule;
    const auto verdict = rule.judge(l);
    check(!describe(verdict).empty(), "a verdict has a name");
    if (verdict == page_verdict::page)
        check(f.method == "GET" && !f.target.empty() && !rule.is_static(f.target),
              "a page was asked for");
}

/// A text as Apache or nginx writes it.
std::string escaped(std::string_view text, bool apache)
{
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (apache && (c == '"' || c == '\\')) {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte >= 0x7F || c == '"' || c == '\\') {
            out += "\\x";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        } else {
            out += c;
        }
    }
    return out;
}

}  // namespace

void try_input(std::string_view input)
{
    if (input.empty())
        return;
    const auto choice = static_cast<unsigned char>(input.front());
    input.remove_prefix(1);

    log_syntax syntax;
    syntax.format = static_cast<log_format>(choice % 4);
    if ((choice & 4) != 0)
        syntax.fields = json_fields::caddy();

    // Parsers that stay from input to input would make it depend on those before: two lines do.
    line_parser fresh(syntax), used(syntax);
    const auto half = input.size() / 2;
    (void)parse(used, input.substr(half));
    (void)parse(used, input.substr(0, half));
    const auto f = parse(fresh, input);
    check_fields(f, input);
    check(parse(used, input) == f, "what was read before does not show");
    check(parse(used, input) == f, "a line is read twice as it is once");

    // A text of any bytes, written as the servers do, comes back.
    const auto text = input.substr(0, 2000);
    if (text == "-")
        return;
    line_parser combined{{}};
    for (const bool apache : {false, true}) {
        const auto line = "::1 - - [17/May/2015:10:05:03 +0700] \"GET /" + escaped(text, apache) +
                          " HTTP/1.1\" 200 5 \"" + escaped(text, apache) + "\" \"" +
                          escaped(text, apache) + "\"";
        const auto read = parse(combined, line);
        check(read.fault == line_fault::none, "a line as servers write it is read");
        check(read.target == "/" + std::string(text), "a target is what was sent");
        check(read.referrer == text && read.user_agent == text, "texts are what was sent");
        check(read.time_ms == 1'431'831'903'000, "a time is a moment");
    }
}

}  // namespace luot::fuzz
