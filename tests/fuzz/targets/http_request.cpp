// Requests from the bytes of a connection: the same ones, however the bytes are cut. Input: the
// bytes; 0xFF and a number repeat the byte before 100 times as often, so that a small input can
// reach the limits.

#include "core/http/message.hpp"
#include "core/http/request_parser.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>

namespace luot::fuzz {

namespace {

using namespace http;

constexpr std::size_t most_bytes = 4 * max_head_bytes;

std::string expanded(std::string_view input)
{
    std::string out;
    for (std::size_t i = 0; i < input.size() && out.size() < most_bytes; ++i) {
        if (input[i] == '\xFF' && i + 1 < input.size() && !out.empty())
            out.append(100U * static_cast<unsigned char>(input[++i]), out.back());
        else
            out += input[i];
    }
    return out;
}

/// Everything that a handler sees of a request.
std::string shown(const request& r)
{
    std::string out{static_cast<char>('0' + static_cast<int>(r.method))};
    for (const bool flag :
         {r.keep_alive, r.http_1_0, r.is_prefetch, r.global_privacy, r.do_not_track})
        out += flag ? '1' : '0';
    for (const auto text :
         {r.target, r.path, r.query, r.body, r.host, r.origin, r.referer, r.user_agent,
          r.forwarded_for, r.authorization, r.accept_encoding, r.if_none_match, r.content_type,
          r.hint_brands, r.hint_mobile, r.hint_platform})
        out.append(std::to_string(text.size())).append(":").append(text);
    return out;
}

void check_request(const request& r)
{
    for (const auto text : {r.target, r.path, r.query, r.host, r.origin, r.referer, r.user_agent,
                            r.forwarded_for, r.authorization, r.accept_encoding, r.if_none_match,
                            r.content_type, r.hint_brands, r.hint_mobile, r.hint_platform})
        check(std::none_of(text.begin(), text.end(),
                           [](char c) { return c == '\r' || c == '\n' || c == '\0'; }),
              "a field is one line");
    check(r.body.size() <= max_body_bytes, "a body has a limit");
    check(r.target.size() <= max_head_bytes, "a head has a limit");
    const owned_request owned(r);
    check(shown(owned.get()) == shown(r), "an owned request is the same");
}

/// What comes out of a connection's bytes that arrive as `cuts` say, or all at once. The bytes are
/// copied so that a read beyond what has arrived is found.
std::string read_all(std::string_view bytes, numbers* cuts)
{
    std::string out;
    parse_scratch scratch;
    std::size_t begin = 0;    // of the request in hand
    std::size_t arrived = 0;  // all before it
    std::size_t least = 0;    // the request in hand cannot be whole before
    while (begin < bytes.size()) {
        if (arrived == begin || least > 0) {
            if (arrived == bytes.size())
                break;
            arrived += cuts ? cuts->below(bytes.size() - arrived) + 1 : bytes.size() - arrived;
        }
        const std::string in_hand(bytes.substr(begin, arrived - begin));
        request r;
        r.peer[0] = 7;
        const auto outcome = parse_request(in_hand, r, scratch);
        check(r.peer[0] == 7, "the peer is left alone");
        switch (outcome.status) {
            case parse_status::incomplete:
                check(outcome.needed == 0 || outcome.needed > in_hand.size(),
                      "what is needed is more than what is there");
                check(in_hand.size() <= max_chunked_bytes + max_head_bytes,
                      "a request that goes on without end is refused");
                least = std::max({least, in_hand.size() + 1, outcome.needed});
                continue;
            case parse_status::complete:
                check(outcome.consumed > 0 && outcome.consumed <= in_hand.size(),
                      "a request lies within its bytes");
                check(outcome.consumed >= least,
                      "no request is whole before what it needs is there");
                check_request(r);
                out.append("complete ").append(shown(r));
                begin += outcome.consumed;
                least = 0;
                continue;
            case parse_status::bad:
                return out + "bad";
            case parse_status::too_large:
                return out + "too large";
        }
    }
    return out + "incomplete";
}

}  // namespace

void try_input(std::string_view input)
{
    const auto bytes = expanded(input);
    const auto whole = read_all(bytes, nullptr);
    numbers cuts(checksum(input));
    for (int i = 0; i < 3; ++i)
        check(read_all(bytes, &cuts) == whole, "it does not matter how the bytes are cut");
}

}  // namespace luot::fuzz
