#include "core/http/request_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace luot::http {

namespace {

namespace beast = boost::beast;
using beast::http::field;
using beast::http::verb;
using string_view = beast::string_view;
using ec = boost::beast::error_code;

std::string_view std_view(string_view text)
{
    return {text.data(), text.size()};
}

/// Collects views of what it is fed into a request.
class collector final : public beast::http::basic_parser<true> {
public:
    collector(std::string_view input, request& out, parse_scratch& scratch)
        : input_(input), out_(out), scratch_(scratch)
    {
        eager(true);
        header_limit(max_head_bytes);
        body_limit(max_body_bytes);
    }

    [[nodiscard]] bool expects_continue() const { return expects_continue_; }

private:
    [[nodiscard]] bool in_input(string_view text) const
    {
        return text.data() >= input_.data() &&
               text.data() + text.size() <= input_.data() + input_.size();
    }

    void on_request_impl(verb v, string_view, string_view target, int version, ec&) override
    {
        out_.method = v == verb::get       ? method::get
                      : v == verb::post    ? method::post
                      : v == verb::head    ? method::head
                      : v == verb::options ? method::options
                                           : method::other;
        out_.http_1_0 = version < 11;
        out_.target = std_view(target);
        std::string_view rest = out_.target;
        // An absolute-form target (to a proxy) names the same resource as its path.
        for (const std::string_view scheme : {"http://", "https://"}) {
            if (beast::iequals(string_view(rest.data(), std::min(rest.size(), scheme.size())),
                               string_view(scheme.data(), scheme.size()))) {
                const auto end = rest.find_first_of("/?#", scheme.size());
                rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end);
                break;
            }
        }
        const auto question = rest.find('?');
        out_.path = rest.substr(0, question);
        if (out_.path.empty())
            out_.path = "/";
        if (question != std::string_view::npos)
            out_.query = rest.substr(question + 1);
    }

    void on_response_impl(int, string_view, int, ec&) override {}

    void on_field_impl(field f, string_view name, string_view value, ec& error) override
    {
        // Folding is obsolete (RFC 9112, 5.2) and a way to smuggle: refused. What was folded is put
        // together in a buffer elsewhere, or, with nothing on the first line, begins behind its
        // end.
        if (!in_input(value) ||
            std::find(name.data() + name.size(), value.data(), '\n') != value.data()) {
            error = beast::http::error::bad_value;
            return;
        }
        // Trailers come from the client, behind what a proxy has added: none of them is read.
        if (head_is_done_)
            return;
        const auto text = std_view(value);
        switch (f) {
            case field::host:
                if (std::exchange(has_host_, true))
                    error = beast::http::error::bad_value;  // two hosts: whose request is it?
                out_.host = text;
                break;
            case field::origin:
                out_.origin = text;
                break;
            case field::referer:
                out_.referer = text;
                break;
            case field::user_agent:
                out_.user_agent = text;
                break;
            case field::authorization:
                out_.authorization = text;
                break;
            case field::accept_encoding:
                out_.accept_encoding = text;
                break;
            case field::if_none_match:
                out_.if_none_match = text;
                break;
            case field::content_type:
                out_.content_type = text;
                break;
            case field::transfer_encoding:
                // Beast passes over codings that it does not know, and takes the body to be empty
                // or as long as Content-Length says: not so a proxy (RFC 9112, 6.1).
                if (out_.http_1_0 || !beast::iequals(value, "chunked"))
                    error = beast::http::error::bad_transfer_encoding;
                break;
            case field::expect:
                expects_continue_ = beast::iequals(value, "100-continue");
                break;
            case field::unknown:
                unknown(name, value, text);
                break;
            default:
                break;
        }
    }

    void unknown(string_view name, string_view value, std::string_view text)
    {
        if (beast::iequals(name, "X-Forwarded-For")) {
            if (out_.forwarded_for.empty()) {
                out_.forwarded_for = text;
            } else {  // several lines are one list (RFC 9110, 5.3)
                std::string joined;
                joined.append(out_.forwarded_for).append(", ").append(text);
                scratch_.forwarded_for = std::move(joined);
                out_.forwarded_for = scratch_.forwarded_for;
            }
        } else if (beast::iequals(name, "Sec-CH-UA")) {
            out_.hint_brands = text;
        } else if (beast::iequals(name, "Sec-CH-UA-Mobile")) {
            out_.hint_mobile = text;
        } else if (beast::iequals(name, "Sec-CH-UA-Platform")) {
            out_.hint_platform = text;
        } else if (beast::iequals(name, "Sec-GPC")) {
            out_.global_privacy = value == "1";
        } else if (beast::iequals(name, "DNT")) {
            out_.do_not_track = value == "1";
        } else if (beast::iequals(name, "Sec-Purpose") || beast::iequals(name, "Purpose") ||
                   beast::iequals(name, "X-Moz") || beast::iequals(name, "X-Purpose")) {
            for (const std::string_view word : {"prefetch", "prerender", "preview"})
                if (value.size() >= word.size() &&
                    beast::iequals(value.substr(0, word.size()),
                                   string_view(word.data(), word.size())))
                    out_.is_prefetch = true;
        }
    }

    void on_header_impl(ec& error) override
    {
        head_is_done_ = true;
        if (!has_host_ && !out_.http_1_0)  // RFC 9112, 3.2: somebody on the way has cut the head
            error = beast::http::error::bad_value;
    }
    void on_body_init_impl(boost::optional<std::uint64_t> const&, ec&) override {}

    std::size_t on_body_impl(string_view body, ec&) override { return take(body); }

    void on_chunk_header_impl(std::uint64_t, string_view, ec&) override {}

    std::size_t on_chunk_body_impl(std::uint64_t, string_view body, ec&) override
    {
        return take(body);
    }

    void on_finish_impl(ec&) override {}

    std::size_t take(string_view body)
    {
        const auto text = std_view(body);
        if (out_.body.empty()) {
            out_.body = text;
        } else {
            if (out_.body.data() != scratch_.body.data())
                scratch_.body.assign(out_.body);
            scratch_.body.append(text);
            out_.body = scratch_.body;
        }
        return body.size();
    }

    std::string_view input_;
    request& out_;
    parse_scratch& scratch_;
    bool expects_continue_ = false;
    bool has_host_ = false;
    bool head_is_done_ = false;
};

/// The path of a request line that Beast has not taken apart.
std::string_view path_at(std::string_view bytes)
{
    const auto space = bytes.substr(0, 32).find(' ');
    if (space == std::string_view::npos)
        return {};
    const auto target = bytes.substr(space + 1);
    return target.substr(0, target.find_first_of(" ?\r\n"));
}

}  // namespace

parse_outcome parse_request(std::string_view bytes, request& out, parse_scratch& scratch)
{
    const auto peer = out.peer;
    out = request{};
    out.peer = peer;
    scratch.body.clear();
    // Empty lines before a request are allowed (RFC 9112, 2.2), but not without end.
    std::size_t skipped = 0;
    while (bytes.size() >= 2 && skipped < 8 && bytes[0] == '\r' && bytes[1] == '\n') {
        bytes.remove_prefix(2);
        skipped += 2;
    }
    if (bytes == "\r" && skipped < 8)
        return {};
    // Beast's limit is one for the request line and another for the fields; chunk heads, extensions
    // and trailers have none, and nothing is done with them until they are whole. Nothing behind
    // the limit is looked at: what becomes of a request must not depend on how much came at once.
    const bool has_head = bytes.size() < max_head_bytes ||
                          bytes.substr(0, max_head_bytes).find("\r\n\r\n") != bytes.npos;
    const auto most_bytes = has_head ? max_chunked_bytes : max_head_bytes;
    bytes = bytes.substr(0, most_bytes);

    collector parser{bytes, out, scratch};
    ec error;
    std::size_t used = 0;
    while (used < bytes.size() && !parser.is_done()) {
        const auto n =
            parser.put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), error);
        used += n;
        if (error || n == 0)
            break;
    }
    const bool is_over_a_limit =
        error == beast::http::error::header_limit || error == beast::http::error::body_limit;
    const bool is_bad = error && error != beast::http::error::need_more && !is_over_a_limit;
    const bool is_endless = !is_bad && !parser.is_done() && bytes.size() == most_bytes;
    parse_outcome outcome;
    if (is_over_a_limit || is_endless) {
        outcome.status = parse_status::too_large;
        if (out.path.empty())
            out.path = path_at(bytes);
        return outcome;
    }
    if (is_bad) {
        outcome.status = parse_status::bad;
        return outcome;
    }
    if (!parser.is_done()) {
        outcome.head_is_complete = parser.is_header_done();
        if (outcome.head_is_complete) {
            outcome.expects_continue = parser.expects_continue() && !out.http_1_0;
            if (const auto length = parser.content_length_remaining())
                outcome.needed = skipped + used + static_cast<std::size_t>(*length);
        }
        return outcome;
    }
    // An HTTP/1.0 client would have to be told in its own words that the connection stays.
    out.keep_alive = parser.keep_alive() && !out.http_1_0;
    outcome.status = parse_status::complete;
    outcome.consumed = skipped + used;
    return outcome;
}

}  // namespace luot::http
