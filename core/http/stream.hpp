// An answer whose end is not known when it begins, such as server-sent events.

#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace luot::http {

/// What a handler adds to such an answer. It makes one, keeps it, and gives it to the server with
/// the response; either may be gone first. Belongs to the thread of the connection.
class stream {
public:
    stream() = default;
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;

    /// Sends bytes, all or as many as the socket takes now. A client that has not yet taken what
    /// was sent before is too slow, and closed. False: there is nobody to send to any more.
    bool send(std::string_view bytes)
    {
        if (!is_open())
            return false;
        if (wire_)
            wire_->push(bytes);
        else
            early_ += bytes;
        return is_open();
    }

    /// The answer is complete: the connection is closed behind what was sent.
    void end()
    {
        if (!std::exchange(is_over_, true) && wire_)
            wire_->wake();
    }

    /// Whether the client is there, or its connection not yet ready.
    [[nodiscard]] bool is_open() const noexcept { return !is_over_; }

    /// The connection, as far as the stream needs it. The server's business.
    class wire {
    public:
        virtual ~wire() = default;
        virtual void push(std::string_view bytes) = 0;
        virtual void wake() = 0;
    };
    void attach(wire& w)
    {
        wire_ = &w;
        if (!early_.empty())
            w.push(std::exchange(early_, {}));
    }
    void detach()
    {
        wire_ = nullptr;
        is_over_ = true;
    }

private:
    wire* wire_ = nullptr;
    std::string early_;
    bool is_over_ = false;
};

}  // namespace luot::http
