#include "core/http/message.hpp"

#include <array>
#include <charconv>

namespace luot::http {

namespace {

constexpr std::array copied_fields{
    &request::target,
    &request::path,
    &request::query,
    &request::body,
    &request::host,
    &request::origin,
    &request::referer,
    &request::user_agent,
    &request::forwarded_for,
    &request::authorization,
    &request::accept_encoding,
    &request::if_none_match,
    &request::content_type,
    &request::hint_brands,
    &request::hint_mobile,
    &request::hint_platform,
};

int hex_digit(char c) noexcept
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

std::string decoded(std::string_view text)
{
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
            hex_digit(text[i + 2]) >= 0) {
            out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        } else {
            out += text[i] == '+' ? ' ' : text[i];
        }
    }
    return out;
}

}  // namespace

owned_request::owned_request(const request& r) : request_(r)
{
    std::size_t size = 0;
    for (const auto field : copied_fields)
        size += (r.*field).size();
    bytes_.reserve(size);
    for (const auto field : copied_fields) {
        const auto at = bytes_.size();
        bytes_.append(r.*field);
        request_.*field = std::string_view(bytes_).substr(at);
    }
}

std::vector<std::pair<std::string, std::string>> query_values(std::string_view query)
{
    std::vector<std::pair<std::string, std::string>> values;
    while (!query.empty()) {
        const auto end = query.find('&');
        const auto part = query.substr(0, end);
        query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
        if (part.empty())
            continue;
        const auto equals = part.find('=');
        values.emplace_back(
            decoded(part.substr(0, equals)),
            equals == std::string_view::npos ? std::string{} : decoded(part.substr(equals + 1)));
    }
    return values;
}

response error_response(int status, std::string_view code, std::string_view message)
{
    response r;
    r.status = status;
    r.content_type = "application/json";
    r.headers = "Cache-Control: no-store\r\n";
    r.body.append(R"({"error":{"code":")")
        .append(code)
        .append(R"(","message":")")
        .append(message)
        .append("\"}}");
    return r;
}

bool matches_etag(std::string_view if_none_match, std::string_view etag) noexcept
{
    return if_none_match == "*" || if_none_match.find(etag) != std::string_view::npos;
}

bool accepts_gzip(std::string_view accept_encoding) noexcept
{
    const auto at = accept_encoding.find("gzip");
    if (at == std::string_view::npos)
        return false;
    auto weight = accept_encoding.substr(at + 4);
    weight = weight.substr(0, weight.find(','));
    const auto q = weight.find("q=0");
    return q == std::string_view::npos ||
           weight.find_first_not_of("0. ", q + 3) != std::string_view::npos;
}

std::string_view reason_phrase(int status) noexcept
{
    switch (status) {
        case 200:
            return "OK";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 304:
            return "Not Modified";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 413:
            return "Content Too Large";
        case 429:
            return "Too Many Requests";
        case 503:
            return "Service Unavailable";
        default:
            return "Internal Server Error";
    }
}

void write_response(std::string& out, const response& r, std::string_view date, bool keep_alive,
                    bool with_body)
{
    const auto number = [&out](std::size_t n) {
        char digits[20];
        out.append(digits, std::to_chars(digits, digits + sizeof digits, n).ptr);
    };
    out += "HTTP/1.1 ";
    number(static_cast<std::size_t>(r.status));
    out += ' ';
    out += reason_phrase(r.status);
    out += "\r\nDate: ";
    out += date;
    if (r.status != 204 && r.status != 304) {
        out += "\r\nContent-Type: ";
        out += r.content_type;
        out += "\r\nX-Content-Type-Options: nosniff";
        if (!r.goes_on) {
            out += "\r\nContent-Length: ";
            number(r.body.size());
        }
    }
    out += "\r\n";
    out += r.headers;
    out += keep_alive && !r.close && !r.goes_on ? "\r\n" : "Connection: close\r\n\r\n";
    if (with_body && r.status != 204 && r.status != 304 && !r.goes_on)
        out += r.body;
}

}  // namespace luot::http
