// One line of an access log, taken apart: pure functions over untrusted bytes. What becomes of it:
// page_rule.hpp; where lines come from: line_reader.hpp.

#pragma once

#include "import/escapes.hpp"
#include "import/json_line.hpp"
#include "import/log_time.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace luot::importer {

/// The longest line that is read, without its line feed.
inline constexpr std::size_t max_line_bytes = 64 * 1024;

enum class log_format : std::uint8_t {
    common,          ///< client ident user [time] "request" status bytes
    combined,        ///< common, then "referrer" "user agent"; nginx's, too
    vhost_combined,  ///< combined behind a host, with or without port: Apache's %v:%p, nginx's
                     ///< $host
    json,            ///< a JSON object, with its values where json_fields say
};

/// The format of this name, spelt as here.
[[nodiscard]] std::optional<log_format> find_format(std::string_view name) noexcept;

/// Why a line is damaged: what could not be found where the format has it.
enum class line_fault : std::uint8_t {
    none,
    empty,          ///< not a byte but white space
    too_long,       ///< over max_line_bytes
    not_json,       ///< not one JSON object
    no_client,      ///< not an IP address (or host name, where these are allowed)
    no_time,        ///< not a time, no date of the calendar, before 1970
    no_request,     ///< no text between quotes; in JSON: neither request nor target
    no_status,      ///< neither digits nor "-"
    no_bytes,       ///< the same; absent in JSON is 0
    no_referrer,    ///< no text between quotes: is the format `common`?
    no_user_agent,  ///< the same
};

inline constexpr std::size_t line_faults = 11;

/// For people: "no client address".
[[nodiscard]] std::string_view describe(line_fault fault) noexcept;

/// Of an absent field ("-") the text is empty and the number 0. Texts are bytes, as the client sent
/// them: any value, not always UTF-8; only `client` is what its comment says.
struct log_line {
    std::string_view host;     ///< without port; the other formats than vhost_combined: empty; JSON
    std::string_view client;   ///< IP address without brackets and port, or a host name if allowed
    std::int64_t time_ms = 0;  ///< Unix time in milliseconds, from 0 on
    std::string_view method;   ///< upper-case letters, "-" and "_"; empty: no request of HTTP
    std::string_view target;   ///< what was asked for; without a method, all that was sent
    std::string_view protocol;  ///< "HTTP/1.1"; empty in requests of HTTP/0.9
    std::uint16_t status = 0;   ///< as logged: also 499, 0
    std::uint64_t bytes = 0;    ///< that were sent
    std::string_view referrer;
    std::string_view user_agent;
};

struct log_syntax {
    log_format format = log_format::combined;
    json_fields fields;  ///< for the format json
    /// Takes names of hosts for clients, too (logs with HostnameLookups On). Otherwise a client is
    /// an IP address, so that a log of another format than the one named does not pass.
    bool host_names = false;
};

/// Takes lines apart. What it answers depends on the syntax and the line alone. Allocates nothing
/// after it was made. One thread at a time.
class line_parser {
public:
    explicit line_parser(log_syntax syntax);

    /// `line` is without its line feed; a carriage return before it is dropped. Texts of `out` are
    /// views into `line` or into the parser, valid until the next call; with a fault, `out` is of
    /// no use.
    ///
    /// Escapes of Apache, nginx and JSON are undone in target, referrer and user agent. A quote
    /// that the server left as it is ends a text only before a space, and the request before a
    /// status. A user agent that the line ends in goes to its end: loggers with a limit cut there.
    /// What stands behind the format's fields is ignored.
    [[nodiscard]] line_fault parse(std::string_view line, log_line& out) noexcept;

private:
    line_fault parse_text(std::string_view line, log_line& out) noexcept;
    line_fault parse_json(std::string_view line, log_line& out) noexcept;
    bool take_time(std::string_view& rest, log_line& out) noexcept;
    bool set_client(std::string_view text, log_line& out) const noexcept;

    log_syntax syntax_;
    time_reader times_;
    unescaper undone_;
    json_line json_;
};

}  // namespace luot::importer
