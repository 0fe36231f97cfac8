// The form body of POST /hit, and the query strings of reads.

#include "core/http/message.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/hit_fields.hpp"

namespace luot::fuzz {

namespace {

std::string escaped(const std::string& text)
{
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += "0123456789ABCDEF"[byte >> 4];
        out += "0123456789abcdef"[byte & 15];
    }
    return out;
}

void try_values(std::string_view query)
{
    const auto values = http::query_values(query);
    std::string again;
    std::size_t bytes = 0;
    for (const auto& [name, value] : values) {
        again.append("&&").append(escaped(name)).append("=").append(escaped(value));
        bytes += name.size() + value.size();
    }
    check(bytes <= query.size(), "decoding adds nothing");
    check(http::query_values(again) == values, "values that were read are read again, escaped");
}

}  // namespace

void try_input(std::string_view input)
{
    auto fields = used_fields();
    const auto error = collector::parse_body(input, fields);
    const auto first = input.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos || input[first] != '{') {
        collector::hit_fields other;
        check(collector::parse_query(input, other) == error, "a form is a query string");
        if (!error) {
            check_limits(fields);
            check(are_equal(other, fields), "a form is a query string");
        }
    }
    try_values(input);
}

}  // namespace luot::fuzz
