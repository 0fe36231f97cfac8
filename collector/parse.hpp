// From the bytes of a request to the fields of a hit: pure functions over untrusted input. Nothing
// here allocates on the usual path (the strings keep their capacity), throws, or knows a site.

#pragma once

#include "core/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace luot::collector {

/// What a client said, decoded and within its limits. Reused from hit to hit.
struct hit_fields {
    std::string site;      ///< s, at most 32 bytes
    std::string page;      ///< p, at most 2,000 bytes
    std::string location;  ///< u, at most 2,000 bytes: where the page really is when p is canonical
    std::string id;        ///< id, at most 64 bytes of [A-Za-z0-9_-]
    std::string referrer;  ///< r, cut at 2,000 bytes
    std::string title;     ///< t, cut at 500 bytes, bad UTF-8 is U+FFFD
    std::string section;   ///< c, cut at 100 bytes, bad UTF-8 is U+FFFD
    std::string event;     ///< n, cut at 100 bytes, bad UTF-8 is U+FFFD; empty: a view
    std::string language;  ///< l, cut at 35 bytes
    std::string tab;       ///< tab, at most 64 bytes of [A-Za-z0-9_-]: one tab of a browser
    std::string address;   ///< ip, cut at 64 bytes: the reader's, from a server-side client
    std::string agent;     ///< ua, cut at 1,000 bytes: the reader's User-Agent, from the same
    /// d, what an event has beside its name, as hit::properties: with a bad key, without a value,
    /// of a key that there is, or beyond most_properties they are left out; values are cut, bad
    /// UTF-8 is U+FFFD. Empty without an event.
    std::string properties;
    std::uint32_t width = 0;     ///< w, screen width, at most 5 digits; else 0
    std::uint32_t bot_hint = 0;  ///< b, at most 5 digits; else 0

    void clear() noexcept;
};

/// The query of GET /hit.gif (without "?"), or a form body: '+' is a space, the first of a repeated
/// field counts, unknown fields are ignored. Properties are fields `d.KEY`.
/// Errors: bad_request (s, p, u, id or tab too long or malformed, broken percent escapes in one
/// of them).
[[nodiscard]] error_code parse_query(std::string_view query, hit_fields& out);

/// The body of POST /hit: a JSON object when it begins with '{' (after white space), else a form.
/// Values are strings; numbers are taken for w and b (and as text for the others), null is absence.
/// Properties are the members of an object `d`: strings, numbers as they are written, true and
/// false; all else in it, and a `d` that is no object, is ignored as unknown fields are.
/// Errors: bad_request (not JSON, nested deeper than 32, a known field of another type, limits as
/// above, broken UTF-8 in s, p, u, id or tab).
[[nodiscard]] error_code parse_body(std::string_view body, hit_fields& out);

}  // namespace luot::collector
