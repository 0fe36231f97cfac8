// A JSON object of one line, and the few of its values that a log line is made of.

#pragma once

#include "import/escapes.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace luot::importer {

/// Where the fields of a log line are in a JSON object: names, with a point for each step into an
/// object ("request.uri"). A name that has a point itself is found, too. Of an array the first
/// value counts; of a name that comes twice, the last. Numbers may be strings; null, and what has
/// no name here, is absent. Needed: client, time, status, and method and target or else request.
struct json_fields {
    std::string host = "host";
    std::string client = "remote_addr";
    std::string time = "time_iso8601";  ///< what time_reader::read() takes
    std::string request = "request";    ///< "GET / HTTP/1.1", where method or target is absent
    std::string method = "request_method";
    std::string target = "request_uri";
    std::string protocol = "server_protocol";
    std::string status = "status";
    std::string bytes = "body_bytes_sent";
    std::string referrer = "http_referer";
    std::string user_agent = "http_user_agent";

    /// nginx has no JSON format of its own: here each field has the name of its variable.
    [[nodiscard]] static json_fields nginx() { return {}; }
    /// Caddy's access log.
    [[nodiscard]] static json_fields caddy();
    /// Traefik's, which drops Referer and User-Agent unless its fields.headers keep them.
    [[nodiscard]] static json_fields traefik();

    /// Sets a field by its name here ("client", ...). False when there is none of that name.
    [[nodiscard]] bool set(std::string_view field, std::string_view path);
};

/// Finds the values. One thread at a time.
class json_line {
public:
    enum field : std::uint8_t {
        host,
        client,
        time,
        request,
        method,
        target,
        protocol,
        status,
        bytes,
        referrer,
        user_agent,
        field_count
    };

    explicit json_line(const json_fields& where);

    /// False when `line` is not one JSON object. What nobody asked for is passed over and only
    /// looked at as far as its end has to be found. Values are valid as long as those of `undone`.
    [[nodiscard]] bool read(std::string_view line, unescaper& undone) noexcept;

    /// Of the line that was read last; empty when absent.
    [[nodiscard]] std::string_view value(field f) const noexcept { return values_[f]; }

private:
    class scanner;

    std::array<std::string, field_count> paths_;
    unsigned wanted_ = 0;  // a bit for each field that has a path
    std::array<std::string_view, field_count> values_;
};

}  // namespace luot::importer
