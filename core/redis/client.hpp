// A connection to Redis that keeps itself: connects, authenticates, loads the scripts, and begins
// again with growing pauses when it is lost. Asio moves the bytes, hiredis parses them.

#pragma once

#include "core/config.hpp"
#include "core/error.hpp"
#include "core/redis/pipeline.hpp"
#include "core/redis/reply.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace luot {
class metrics_registry;
}

namespace luot::redis {

struct client_options {
    std::string name = "luot";  ///< CLIENT SETNAME, and the `connection` label of metrics
    std::chrono::milliseconds connect_timeout{2000};
    std::chrono::milliseconds command_timeout{5000};  ///< for a whole pipeline, from its sending
    std::chrono::milliseconds longest_pause{250};     ///< between two attempts to connect
    bool quiet = false;  ///< no log lines: the caller reports for itself (command line tools)
    /// Names the version of the data; set where it is missing. Data of a newer version is not
    /// touched, nor a Redis that may evict any: there is no connection then, and trouble() says
    /// why. Empty: not checked.
    std::string format_key;
    unsigned format = 0;
};

/// Any number of coroutines of the context's thread may use one client at once: their pipelines go
/// out in the order of their exec() calls and each gets its own replies. Not thread-safe.
class client {
public:
    client(boost::asio::io_context& context, redis_address address, client_options options,
           metrics_registry& metrics);
    ~client();
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    /// Scripts to load with each connection. Before start().
    void use_scripts(std::vector<const script*> scripts);

    /// Begins to connect.
    void start();

    /// Ends the connection; what waits is answered with errc::stopping.
    void stop();

    [[nodiscard]] bool is_connected() const noexcept;

    /// A number that is another one for each connection; 0 while there is none.
    [[nodiscard]] std::uint64_t connection() const noexcept;

    /// Why there is no connection, for a person; empty while there is one.
    [[nodiscard]] std::string trouble() const;

    /// Waits for the first attempt to connect, for at most `most`. Why this Redis must not be used
    /// at all, for a person; empty when it may, also when it is only away.
    [[nodiscard]] boost::asio::awaitable<std::string> objection(std::chrono::milliseconds most);

    /// Waits until there is a connection, for at most `most`. False when there is none by then.
    [[nodiscard]] boost::asio::awaitable<bool> wait_connected(std::chrono::milliseconds most);

    /// Sends the commands and waits for all replies. Replies that are errors are replies: look at
    /// them. A NOSCRIPT among them makes the client load its scripts again before the next
    /// pipeline. Errors: redis_away (not connected, connection lost: the commands may or may not
    /// have run; or no answer within the time-out: the connection is closed then), redis_protocol,
    /// stopping.
    [[nodiscard]] boost::asio::awaitable<result<replies>> exec(const pipeline& commands);

    /// The same for commands that wait at Redis for something to come (BLOCK): how long they take
    /// tells nothing of Redis.
    [[nodiscard]] boost::asio::awaitable<result<replies>> exec_blocking(const pipeline& commands);

private:
    class impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace luot::redis
