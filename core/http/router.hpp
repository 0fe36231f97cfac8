// The table of what luot answers: one line a route. 404 and 405 follow from it.

#pragma once

#include "core/http/message.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace luot::http {

class connection;

/// One request in hand, for a handler that answers within the turn of the event loop.
class exchange {
public:
    exchange(const request& r, const std::shared_ptr<connection>& c) : request_(r), connection_(c)
    {
    }

    [[nodiscard]] const request& in() const noexcept { return request_; }

    /// Answers now, behind the answers that are still owed to earlier requests.
    void respond(const response& r);

    /// Promises an answer later in this turn: keep the connection and call its answer() once.
    [[nodiscard]] const std::shared_ptr<connection>& defer();

private:
    const request& request_;
    const std::shared_ptr<connection>& connection_;
};

/// Answers at once: exchange.respond() or exchange.defer(), exactly one of them.
using quick_handler = std::function<void(exchange&)>;
/// Answers after waiting for something. The request lives until the answer is there.
using waiting_handler = std::function<boost::asio::awaitable<response>(const request&)>;

class router {
public:
    /// `path` is exact, or a prefix when it ends in '/'. GET routes answer HEAD too unless quick.
    void add(method m, std::string path, quick_handler handler);
    void add(method m, std::string path, waiting_handler handler);

    struct match {
        const quick_handler* quick = nullptr;
        const waiting_handler* waiting = nullptr;
        response refusal;  ///< when neither: 404, 405 with Allow, or the answer to OPTIONS
    };
    [[nodiscard]] match find(const request& r) const;

    /// Lines added to every refusal, also the server's own, and to every answer to OPTIONS (CORS).
    void set_common_headers(std::string headers) { common_headers_ = std::move(headers); }
    [[nodiscard]] const std::string& common_headers() const noexcept { return common_headers_; }

private:
    struct route {
        method allowed;
        std::string path;
        quick_handler quick;
        waiting_handler waiting;
    };
    std::vector<route> routes_;
    std::string common_headers_;
};

}  // namespace luot::http
