// HTTP/1 requests from bytes in memory, by Beast's parser fed by hand: no I/O, no allocation for
// usual requests, and nothing kept between two calls.

#pragma once

#include "core/http/message.hpp"

#include <cstddef>
#include <string_view>

namespace luot::http {

enum class parse_status {
    complete,    ///< a whole request; `consumed` bytes of the input are its
    incomplete,  ///< more bytes are needed, at least `needed` in all when that is known
    bad,         ///< not HTTP/1: 400 and the connection ends
    too_large,   ///< head or body over its limit: 413 and the connection ends
};

struct parse_outcome {
    parse_status status = parse_status::incomplete;
    std::size_t consumed = 0;
    std::size_t needed = 0;
    bool head_is_complete = false;  ///< of a request that is incomplete
    bool expects_continue = false;  ///< and the client waits for a 100 before it sends the body
};

inline constexpr std::size_t max_head_bytes = 16 * 1024;
inline constexpr std::size_t max_body_bytes = 16 * 1024;
/// Of a chunked request with its chunk heads, extensions and trailers.
inline constexpr std::size_t max_chunked_bytes = max_head_bytes + 2 * max_body_bytes;

/// Scratch space for requests whose body or X-Forwarded-For came in pieces. One a thread.
struct parse_scratch {
    std::string body;
    std::string forwarded_for;
};

/// Parses the request at the front of `bytes`. `out` is valid as long as `bytes` and `scratch` are;
/// after too_large its path is set as far as the bytes tell.
[[nodiscard]] parse_outcome parse_request(std::string_view bytes, request& out,
                                          parse_scratch& scratch);

}  // namespace luot::http
