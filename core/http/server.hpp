// An HTTP/1 server for one worker thread: an acceptor of its own (SO_REUSEPORT), connections that
// wait without a buffer, time-outs by one sweep a second.
//
// Everything here belongs to the thread that runs the io_context, but for what says otherwise.

#pragma once

#include "core/config.hpp"
#include "core/http/message.hpp"
#include "core/http/router.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace boost::asio {
class io_context;
}

namespace luot {
class counter;
class metrics_registry;
}  // namespace luot

namespace luot::http {

/// One client's connection, as far as a handler that deferred its answer needs it.
class connection {
public:
    virtual ~connection() = default;

    /// Gives one promised answer, as complete HTTP bytes. Answers must come in the order of their
    /// defer() calls on this connection. Sends at once; what the socket does not take follows.
    virtual void answer(std::string_view bytes) = 0;

    /// Whether the connection goes on after this answer (else the answer says Connection: close).
    [[nodiscard]] virtual bool keeps_alive() const = 0;

    /// The value of the Date field.
    [[nodiscard]] virtual std::string_view date() const = 0;
};

struct server_options {
    std::chrono::seconds idle_timeout{75};   ///< between two requests
    std::chrono::seconds head_timeout{10};   ///< from a request's first byte to the end of its head
    std::chrono::seconds body_timeout{15};   ///< from its first byte to the end of its body
    std::chrono::seconds write_timeout{20};  ///< until the client has taken its answer
    /// Beyond, the connection that has made no progress for longest is closed.
    std::size_t max_connections = 8192;
    /// Of requests in part, answers not taken and requests in hand, all connections together.
    /// Beyond, the connection that has kept any for longest is closed.
    std::size_t max_buffered_bytes = 64 << 20;
};

class server {
public:
    /// `routes` must outlive the server. `port_name` labels its metrics ("public" or "admin").
    server(boost::asio::io_context& context, const router& routes, const server_options& options,
           metrics_registry& metrics, std::string_view port_name);
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    /// Binds and begins to accept. Throws boost::system::system_error (address in use ...).
    void listen(const listen_address& address);

    /// Begins to accept from a listening TCP socket that somebody else has made, and may go on with
    /// after stop(); a duplicate of it is used. Throws boost::system::system_error.
    void listen_on(int descriptor);

    /// What listen() got: the port is never 0.
    [[nodiscard]] listen_address local_address() const;

    /// Asked for the answer (413) to a request that is too large for any handler to see, with its
    /// path as far as it could be read.
    void on_too_large(std::function<response(std::string_view path)> hook);

    /// Accepts no more, closes idle connections, lets requests that have come, also in part, be
    /// answered. A connection that was accepted within the last second may still send its first.
    /// Another's client may send one at the moment in which its connection is closed.
    void stop();

    /// Closes what is left.
    void close_all();

    /// Connections that are open.
    [[nodiscard]] std::size_t connections() const noexcept;

    class impl;

private:
    std::shared_ptr<impl> impl_;
};

/// The current time as the Date header has it.
[[nodiscard]] std::string http_date(std::int64_t unix_ms);

}  // namespace luot::http
