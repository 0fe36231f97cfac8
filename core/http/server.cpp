#include "core/http/server.hpp"

#include "core/clock.hpp"
#include "core/http/request_parser.hpp"
#include "core/http/stream.hpp"
#include "core/log.hpp"
#include "core/metrics.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/intrusive/list.hpp>

#include <array>
#include <cstring>
#include <ctime>
#include <tuple>
#include <utility>

namespace luot::http {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

using executor = asio::io_context::executor_type;
using socket = asio::basic_stream_socket<tcp, executor>;
using acceptor = asio::basic_socket_acceptor<tcp, executor>;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

/// Bytes read at once, shared by all connections of a thread; more than any request may have.
constexpr std::size_t read_bytes = 64 * 1024;
/// What is read and thrown away behind a refused request, so that the client sees the refusal.
constexpr std::size_t linger_bytes = 1024 * 1024;
constexpr std::int64_t linger_ms = 2000;
/// Answers that one connection may be owed at once: what a client that pipelines without reading
/// can make us keep is so many answers and what was read at once.
constexpr std::uint32_t most_owed = 64;
/// What the system keeps of a stream for a client that does not take it; it doubles that.
constexpr int stream_send_bytes = 32 * 1024;

ip_address as_ip(const asio::ip::address& address)
{
    ip_address out;
    const auto v6 =
        address.is_v6()
            ? address.to_v6().to_bytes()
            : asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4()).to_bytes();
    std::copy(v6.begin(), v6.end(), out.begin());
    return out;
}

}  // namespace

std::string http_date(std::int64_t unix_ms)
{
    const std::time_t seconds = unix_ms / 1000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[40];
    return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

namespace {

enum class phase : unsigned char { idle, head, body, handler, writing, streaming, lingering };

class tcp_connection;
template <class Tag>
using hook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
using open_hook = hook<struct open_tag>;
using holder_hook = hook<struct holder_tag>;
template <class Hook>
using list_by = boost::intrusive::list<tcp_connection, boost::intrusive::constant_time_size<false>,
                                       boost::intrusive::base_hook<Hook>>;

/// Empties a string and gives its memory back, which an assignment would keep.
void release(std::string& text)
{
    std::string{}.swap(text);
}

/// Bytes that a string has on the heap.
std::size_t heap_bytes(const std::string& text)
{
    static const auto inside = std::string{}.capacity();
    return text.capacity() > inside ? text.capacity() : 0;
}

}  // namespace

class server::impl : public std::enable_shared_from_this<server::impl> {
public:
    impl(asio::io_context& context, const router& routes, const server_options& options,
         metrics_registry& metrics, std::string_view port_name)
        : context(context),
          routes(routes),
          options(options),
          listener(context),
          timer(context),
          accepted(metrics.add_counter("luot_http_connections_total", "Connections accepted.",
                                       {{"port", std::string(port_name)}})),
          evicted(metrics.add_counter(
              "luot_http_connections_refused_total",
              "Connections closed because too many were open, the longest without progress first.",
              {{"port", std::string(port_name)}})),
          shed(metrics.add_counter(
              "luot_http_memory_refused_total",
              "Connections closed, and reads refused, because requests in part and answers not "
              "taken filled the memory that they may have; the oldest first.",
              {{"port", std::string(port_name)}})),
          timed_out(metrics.add_counter("luot_http_timeouts_total",
                                        "Requests that took too long to arrive or to be taken.",
                                        {{"port", std::string(port_name)}})),
          malformed(metrics.add_counter("luot_http_malformed_total",
                                        "Requests that are not HTTP or over the limits.",
                                        {{"port", std::string(port_name)}})),
          requests(metrics.add_counter("luot_http_requests_total", "Requests parsed.",
                                       {{"port", std::string(port_name)}})),
          failures(metrics.add_counter("luot_http_failures_total",
                                       "Requests answered 500, a bug: see the log.",
                                       {{"port", std::string(port_name)}})),
          times(metrics.add_histogram("luot_http_request_seconds",
                                      "From a request that has come whole to its answer.",
                                      histogram::scale::work, {{"port", std::string(port_name)}})),
          date(http_date(unix_ms())),
          now_ms(steady_ms())
    {
    }

    asio::awaitable<void> accept_loop();
    asio::awaitable<void> sweep_loop();
    void sweep();
    void make_room();
    void free_memory();

    asio::io_context& context;
    const router& routes;
    const server_options options;
    acceptor listener;
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, executor>
        timer;
    std::function<response(std::string_view)> too_large_hook;
    counter &accepted, &evicted, &shed, &timed_out, &malformed, &requests, &failures;
    histogram& times;
    std::int64_t begun_us = 0;  ///< when the request that is being handled had come
    std::string date;
    std::int64_t now_ms;  ///< of the steady clock, as of the last sweep or read
    bool stopping = false;
    std::size_t open = 0;
    std::size_t buffered_bytes = 0;  ///< of all connections
    list_by<open_hook> connections;  ///< the longest without progress first
    list_by<holder_hook> holders;    ///< those of them with bytes in memory, the oldest first
    std::array<char, read_bytes> buffer;
    parse_scratch scratch;
    std::string answer_scratch;
};

namespace {

class tcp_connection final : public connection,
                             public stream::wire,
                             public open_hook,
                             public holder_hook,
                             public std::enable_shared_from_this<tcp_connection> {
public:
    tcp_connection(std::shared_ptr<server::impl> owner, socket s);
    ~tcp_connection() override
    {
        --owner_->open;
        owner_->buffered_bytes -= buffered_bytes_;
    }
    tcp_connection(const tcp_connection&) = delete;
    tcp_connection& operator=(const tcp_connection&) = delete;

    void answer(std::string_view bytes) override;
    [[nodiscard]] bool keeps_alive() const override { return keep_alive_; }
    [[nodiscard]] std::string_view date() const override { return owner_->date; }

    asio::awaitable<void> run(std::shared_ptr<tcp_connection> self);
    void respond(const response& r);
    void deferred()
    {
        if (owed_++ == 0)
            begun_us_ = owner_->begun_us;
    }
    void push(std::string_view bytes) override;
    void wake() override;
    void end_stream()
    {
        if (stream_)
            stream_->end();
    }
    void close();
    void drop_buffers();
    [[nodiscard]] bool is_idle() const
    {
        return phase_ == phase::idle && owed_ == 0 && out_.empty();
    }
    /// Whether bytes have come that nobody has read yet.
    [[nodiscard]] bool has_unread() const
    {
        boost::system::error_code ignored;
        return socket_.is_open() && socket_.available(ignored) > 0;
    }
    /// Whether it may be closed for the sake of others: not while we are at work for it.
    [[nodiscard]] bool may_be_evicted() const
    {
        return socket_.is_open() && phase_ != phase::handler && owed_ == 0;
    }
    [[nodiscard]] bool is_overdue(std::int64_t now) const;

private:
    enum class next : unsigned char { read, again, wait_for_handler, finish };

    void enter(phase p)
    {
        phase_ = p;
        since_ = owner_->now_ms;
        auto& all = owner_->connections;
        all.splice(all.end(), all, all.iterator_to(*this));
    }
    [[nodiscard]] bool is_incomplete(std::string_view bytes);
    next handle(std::string_view bytes, std::size_t& used, std::unique_ptr<owned_request>& waiting,
                const waiting_handler*& handler);
    void refuse(const parse_outcome& outcome, const request& r);
    void send(std::string_view bytes);
    void send_in_order(std::string_view bytes);
    void count_buffers();
    asio::awaitable<void> settle();
    asio::awaitable<void> go_on(stream& s);
    asio::awaitable<void> linger();

    std::shared_ptr<server::impl> owner_;
    socket socket_;
    stream* stream_ = nullptr;  ///< while an answer goes on
    ip_address peer_{};
    std::string in_;    ///< bytes of a request that is not complete, or whose turn has not come
    std::string out_;   ///< bytes that the socket did not take
    std::string held_;  ///< answers behind the ones that are owed
    std::int64_t since_ = 0;
    /// When the first request had come whose answer is owed; those behind it are of the same turn.
    std::int64_t begun_us_ = 0;
    std::size_t kept_bytes_ = 0;      ///< of the request that a handler has
    std::size_t buffered_bytes_ = 0;  ///< of all of these, as counted last
    std::uint32_t owed_ = 0;          ///< deferred answers
    std::uint32_t scanned_ = 0;       ///< bytes of in_ without an end of a head
    std::uint32_t needed_ = 0;        ///< bytes that the request in in_ has, when known
    phase phase_ = phase::idle;
    bool keep_alive_ = true;
    bool with_body_ = true;
    bool waits_for_read_ = false;
    bool said_continue_ = false;
    bool broken_ = false;   ///< a write failed: nobody is there
    bool refused_ = false;  ///< bytes after this answer are thrown away
};

tcp_connection::tcp_connection(std::shared_ptr<server::impl> owner, socket s)
    : owner_(std::move(owner)), socket_(std::move(s)), since_(owner_->now_ms)
{
    boost::system::error_code error;
    const auto remote = socket_.remote_endpoint(error);
    if (!error)
        peer_ = as_ip(remote.address());
    socket_.set_option(tcp::no_delay(true), error);
    socket_.non_blocking(true, error);
    ++owner_->open;
    owner_->connections.push_back(*this);
}

void tcp_connection::close()
{
    boost::system::error_code ignored;
    socket_.close(ignored);
}

/// The coroutine, which owns what is in memory, notices only in a later turn; it counts no more.
void tcp_connection::drop_buffers()
{
    close();
    owner_->buffered_bytes -= std::exchange(buffered_bytes_, 0);
    holder_hook::unlink();
}

/// Tells the server what this connection keeps in memory. Others, or it itself, may be closed for
/// it.
void tcp_connection::count_buffers()
{
    if (!socket_.is_open())
        return;
    const auto bytes = heap_bytes(in_) + heap_bytes(out_) + heap_bytes(held_) + kept_bytes_;
    owner_->buffered_bytes += bytes - buffered_bytes_;
    const bool has_grown = bytes > buffered_bytes_;
    buffered_bytes_ = bytes;
    // What a handler works on cannot be given back.
    const bool is_holder = bytes > 0 && phase_ != phase::handler;
    if (!is_holder)
        holder_hook::unlink();
    else if (!holder_hook::is_linked())
        owner_->holders.push_back(*this);
    if (has_grown)
        owner_->free_memory();
}

bool tcp_connection::is_overdue(std::int64_t now) const
{
    const auto& o = owner_->options;
    const auto age = now - since_;
    const auto over = [age](std::chrono::seconds limit) {
        return age > std::chrono::milliseconds(limit).count();
    };
    switch (phase_) {
        case phase::idle:
            return owed_ == 0 && over(o.idle_timeout);
        case phase::head:
            return over(o.head_timeout);
        case phase::body:
            return over(o.body_timeout);
        case phase::writing:
            return over(o.write_timeout);
        case phase::lingering:
            return age > linger_ms;
        case phase::handler:
        case phase::streaming:
            return false;  // handlers have deadlines of their own
    }
    return false;
}

void tcp_connection::send(std::string_view bytes)
{
    if (broken_)
        return;
    if (out_.empty()) {
        boost::system::error_code error;
        const auto sent = socket_.write_some(asio::buffer(bytes.data(), bytes.size()), error);
        if (error && error != asio::error::would_block) {
            broken_ = true;
            return;
        }
        bytes.remove_prefix(error ? 0 : sent);
        if (bytes.empty())
            return;
        if (waits_for_read_) {  // wake the session: it must wait for room to write instead
            boost::system::error_code ignored;
            socket_.cancel(ignored);
        }
    }
    out_.append(bytes);
    count_buffers();
}

void tcp_connection::answer(std::string_view bytes)
{
    --owed_;
    send(bytes);
    owner_->times.observe(steady_us() - begun_us_);
    if (owed_ == 0 && !held_.empty()) {
        send(std::exchange(held_, {}));
        count_buffers();  // send() has not where the socket took all
    }
    if (phase_ == phase::idle)
        enter(phase::idle);
}

void tcp_connection::respond(const response& r)
{
    auto& bytes = owner_->answer_scratch;
    bytes.clear();
    if (r.close || r.goes_on)
        keep_alive_ = false;
    write_response(bytes, r, owner_->date, keep_alive_, with_body_);
    send_in_order(bytes);
}

void tcp_connection::send_in_order(std::string_view bytes)
{
    if (owed_ == 0) {
        send(bytes);
        return;
    }
    held_ += bytes;
    count_buffers();
}

/// A slow sender must not make us parse a request from the start with every byte: without an empty
/// line among the new ones neither a head nor a chunked body can have come to its end.
bool tcp_connection::is_incomplete(std::string_view bytes)
{
    if (needed_ > 0)
        return needed_ > bytes.size();
    if (bytes.size() > (phase_ == phase::body ? max_chunked_bytes : max_head_bytes))
        return false;
    const auto from = scanned_ > 3 ? scanned_ - 3 : 0;
    if (bytes.find("\r\n\r\n", from) != std::string_view::npos)
        return false;
    scanned_ = static_cast<std::uint32_t>(bytes.size());
    return true;
}

void tcp_connection::refuse(const parse_outcome& outcome, const request& r)
{
    owner_->malformed.add();
    response answer;
    if (outcome.status == parse_status::too_large && owner_->too_large_hook) {
        answer = owner_->too_large_hook(r.path);
    } else {
        answer = outcome.status == parse_status::too_large
                     ? error_response(413, "too_large", "head and body may have 16 KiB each")
                     : error_response(400, "bad_request", "this is not HTTP/1.1");
        answer.headers += owner_->routes.common_headers();
    }
    answer.close = true;
    refused_ = true;
    with_body_ = true;
    respond(answer);
}

/// Handles the requests in `bytes`, from `used` on, as far as that goes without waiting.
tcp_connection::next tcp_connection::handle(std::string_view bytes, std::size_t& used,
                                            std::unique_ptr<owned_request>& waiting,
                                            const waiting_handler*& handler)
{
    const std::shared_ptr<connection> self = shared_from_this();
    const auto begin_reading = [this] {
        if (phase_ != phase::head && phase_ != phase::body)
            enter(phase::head);
        return next::read;
    };
    while (used < bytes.size()) {
        const auto rest = bytes.substr(used);
        // Most requests come in one piece: only one that did not is looked through before.
        if (used == 0 && !in_.empty() && is_incomplete(rest))
            return begin_reading();
        request r;
        r.peer = peer_;
        const auto outcome = parse_request(rest, r, owner_->scratch);
        if (outcome.status == parse_status::incomplete) {
            scanned_ = static_cast<std::uint32_t>(rest.size());
            needed_ = static_cast<std::uint32_t>(outcome.needed);
            if (outcome.head_is_complete && phase_ != phase::body) {
                const auto begun = phase_ == phase::head ? since_ : owner_->now_ms;
                enter(phase::body);
                since_ = begun;
            }
            if (outcome.expects_continue && !std::exchange(said_continue_, true))
                send_in_order("HTTP/1.1 100 Continue\r\n\r\n");
            return begin_reading();
        }
        scanned_ = needed_ = 0;
        said_continue_ = false;
        if (outcome.status != parse_status::complete) {
            refuse(outcome, r);
            return next::finish;
        }
        owner_->requests.add();
        owner_->begun_us = steady_us();
        keep_alive_ = r.keep_alive && !owner_->stopping;
        with_body_ = r.method != method::head;
        enter(phase::idle);
        auto found = owner_->routes.find(r);
        if (found.waiting) {
            waiting = std::make_unique<owned_request>(r);
            handler = found.waiting;
            used += outcome.consumed;
            return next::wait_for_handler;
        }
        used += outcome.consumed;
        const auto owed_before = owed_;
        if (found.quick) {
            exchange e{r, self};
            (*found.quick)(e);
        } else {
            respond(found.refusal);
        }
        if (owed_ == owed_before)
            owner_->times.observe(steady_us() - owner_->begun_us);
        if (!keep_alive_)
            return next::finish;
        // Answers wait behind owed ones, or the client does not take them: those first.
        if (!held_.empty() || !out_.empty() || owed_ >= most_owed)
            return next::again;
    }
    return next::read;
}

/// Waits until every owed answer is given and everything is sent.
asio::awaitable<void> tcp_connection::settle()
{
    // What owes answers gives them at the end of its turn, which it posted before us.
    while (owed_ > 0)
        co_await asio::post(socket_.get_executor(), asio::use_awaitable);
    if (out_.empty()) {
        count_buffers();
    } else if (!broken_) {
        const auto before = std::pair{phase_, since_};  // part of a request may be here already
        enter(phase::writing);
        const auto [error, sent] =
            co_await asio::async_write(socket_, asio::buffer(out_), as_result);
        broken_ = broken_ || error.failed();
        release(out_);
        count_buffers();
        std::tie(phase_, since_) = before;
        if (phase_ == phase::idle)
            enter(phase::idle);
    }
}

/// Once a second bytes come to a client that took nothing of the last ones: it is too slow, and
/// would find out about it only when it has read what waits for it.
void tcp_connection::push(std::string_view bytes)
{
    if (!out_.empty()) {
        owner_->timed_out.add();
        close();
        if (stream_)
            stream_->detach();
        return;
    }
    send(bytes);
    if (phase_ == phase::streaming)
        enter(phase::streaming);
}

void tcp_connection::wake()
{
    if (!waits_for_read_)
        return;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
}

/// Until the stream or the client ends; the client has nothing to say any more.
asio::awaitable<void> tcp_connection::go_on(stream& s)
{
    struct attached {
        stream& s;
        stream*& held;
        ~attached()
        {
            held = nullptr;
            s.detach();
        }
    } guard{s, stream_};
    stream_ = &s;
    if (!with_body_)
        co_return;
    boost::system::error_code ignored;
    socket_.set_option(asio::socket_base::send_buffer_size(stream_send_bytes), ignored);
    enter(phase::streaming);
    s.attach(*this);
    while (s.is_open() && !broken_ && !owner_->stopping && socket_.is_open()) {
        if (!out_.empty()) {
            co_await settle();
            continue;
        }
        waits_for_read_ = true;
        const auto [waited] = co_await socket_.async_wait(tcp::socket::wait_read, as_result);
        waits_for_read_ = false;
        if (waited == asio::error::operation_aborted)
            continue;
        boost::system::error_code error = waited;
        if (!error)
            socket_.read_some(asio::buffer(owner_->buffer), error);
        if (error && error != asio::error::would_block)
            co_return;
    }
}

/// Closing with unread bytes would reset the connection and with it the answer (RFC 9112, 9.6).
asio::awaitable<void> tcp_connection::linger()
{
    boost::system::error_code error;
    socket_.shutdown(tcp::socket::shutdown_send, error);
    enter(phase::lingering);
    for (std::size_t thrown_away = 0; !error && thrown_away < linger_bytes;) {
        const auto [waited] = co_await socket_.async_wait(tcp::socket::wait_read, as_result);
        if (waited)
            break;
        const auto n = socket_.read_some(asio::buffer(owner_->buffer), error);
        thrown_away += n;
        if (error == asio::error::would_block)
            error = {};
    }
}

asio::awaitable<void> tcp_connection::run(std::shared_ptr<tcp_connection>)
{
    bool read_first = true;
    while (!broken_) {
        std::string_view bytes = in_;
        if (read_first) {
            if (owner_->stopping && in_.empty() && owed_ == 0)
                break;
            waits_for_read_ = true;
            const auto [waited] = co_await socket_.async_wait(tcp::socket::wait_read, as_result);
            waits_for_read_ = false;
            if (waited) {
                if (waited != asio::error::operation_aborted || out_.empty())
                    break;
                co_await settle();
                continue;
            }
            boost::system::error_code error;
            const auto n = socket_.read_some(asio::buffer(owner_->buffer), error);
            if (error == asio::error::would_block)
                continue;
            if (error)
                break;
            bytes = {owner_->buffer.data(), n};
            if (!in_.empty()) {
                in_.append(bytes);
                bytes = in_;
            }
        }

        std::size_t used = 0;
        std::unique_ptr<owned_request> waiting;
        const waiting_handler* handler = nullptr;
        const auto what = handle(bytes, used, waiting, handler);
        const auto begun_us = owner_->begun_us;  // others are handled while this one waits
        if (bytes.data() == in_.data())
            in_.erase(0, used);
        else
            in_.assign(bytes.substr(used));
        if (in_.empty())
            release(in_);
        if (buffered_bytes_ > 0 || !in_.empty())
            count_buffers();

        if (handler) {
            co_await settle();
            enter(phase::handler);
            kept_bytes_ = waiting->bytes();
            count_buffers();
            const bool keep = keep_alive_, with_body = with_body_;
            response answer;
            try {
                if (owner_->buffered_bytes > owner_->options.max_buffered_bytes) {
                    owner_->shed.add();
                    answer = error_response(503, "busy", "too many requests wait; try again");
                    answer.headers += owner_->routes.common_headers() + "Retry-After: 1\r\n";
                } else {
                    answer = co_await (*handler)(waiting->get());
                }
            } catch (const std::exception& e) {
                owner_->failures.add();
                log::error("handler_failed", {{"what", e.what()}});
                answer = error_response(500, "internal", "a bug of luot: it is in the log");
                answer.headers += owner_->routes.common_headers();
            }
            keep_alive_ = keep && !owner_->stopping;
            with_body_ = with_body;
            enter(phase::idle);
            kept_bytes_ = 0;
            count_buffers();
            respond(answer);
            owner_->times.observe(steady_us() - begun_us);
            if (answer.goes_on) {
                co_await go_on(*answer.goes_on);
                break;
            }
        }
        const bool finish = what == next::finish || (handler && !keep_alive_);
        if (finish || !in_.empty() || !out_.empty() || !held_.empty())
            co_await settle();
        if (finish)
            break;
        // After a handler or a wait for owed answers, what is left in in_ has its turn; while a
        // request is incomplete, more must be read.
        read_first = in_.empty() || what == next::read;
    }
    co_await settle();  // what an orderly end of the client's side still wants to see
    if (refused_ && !broken_ && socket_.is_open())
        co_await linger();
    close();
}

}  // namespace

void exchange::respond(const response& r)
{
    static_cast<tcp_connection&>(*connection_).respond(r);
}

const std::shared_ptr<connection>& exchange::defer()
{
    static_cast<tcp_connection&>(*connection_).deferred();
    return connection_;
}

asio::awaitable<void> server::impl::accept_loop()
{
    const auto self = shared_from_this();
    while (!stopping) {
        auto [error, accepted_socket] = co_await listener.async_accept(as_result);
        if (error == asio::error::operation_aborted || stopping)
            break;
        if (error) {  // out of file descriptors, mostly: accepting again at once would spin
            make_room();
            asio::steady_timer pause(context, std::chrono::milliseconds(100));
            co_await pause.async_wait(as_result);
            continue;
        }
        accepted.add();
        if (open >= options.max_connections) {
            make_room();
            if (open > options.max_connections + 64)
                continue;  // we are at work for all of them: the new one is closed
        }
        auto c = std::make_shared<tcp_connection>(self, std::move(accepted_socket));
        auto session = c->run(c);
        asio::co_spawn(context, std::move(session), [this, self](std::exception_ptr failed) {
            if (failed) {
                failures.add();
                log::error("session_failed");
            }
        });
    }
}

/// Whoever attacks by many connections, honest ones make progress: it is not them who are closed.
void server::impl::make_room()
{
    for (auto& c : connections) {
        if (!c.may_be_evicted())
            continue;
        evicted.add();
        c.close();
        return;
    }
}

void server::impl::free_memory()
{
    while (buffered_bytes > options.max_buffered_bytes && !holders.empty()) {
        shed.add();
        holders.front().drop_buffers();
    }
}

void server::impl::sweep()
{
    now_ms = steady_ms();
    date = http_date(unix_ms());
    for (auto& c : connections) {
        if (!c.is_overdue(now_ms))
            continue;
        if (!c.is_idle())
            timed_out.add();
        c.close();
    }
}

asio::awaitable<void> server::impl::sweep_loop()
{
    const auto self = shared_from_this();
    while (!stopping || open > 0) {
        timer.expires_after(std::chrono::seconds(1));
        co_await timer.async_wait(as_result);
        sweep();
    }
}

server::server(asio::io_context& context, const router& routes, const server_options& options,
               metrics_registry& metrics, std::string_view port_name)
    : impl_(std::make_shared<impl>(context, routes, options, metrics, port_name))
{
}

server::~server() = default;

void server::listen(const listen_address& address)
{
    const tcp::endpoint endpoint{asio::ip::make_address(address.host), address.port};
    auto& listener = impl_->listener;
    listener.open(endpoint.protocol());
    listener.set_option(asio::socket_base::reuse_address(true));
    using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
    listener.set_option(reuse_port(true));
    listener.bind(endpoint);
    listener.listen(4096);
    asio::co_spawn(impl_->context, impl_->accept_loop(), asio::detached);
    asio::co_spawn(impl_->context, impl_->sweep_loop(), asio::detached);
}

listen_address server::local_address() const
{
    const auto endpoint = impl_->listener.local_endpoint();
    return {endpoint.address().to_string(), endpoint.port()};
}

void server::on_too_large(std::function<response(std::string_view)> hook)
{
    impl_->too_large_hook = std::move(hook);
}

void server::stop()
{
    impl_->stopping = true;
    boost::system::error_code ignored;
    impl_->listener.close(ignored);
    for (auto& c : impl_->connections) {
        c.end_stream();
        if (c.is_idle() && !c.has_unread())
            c.close();
    }
    impl_->timer.cancel();
}

void server::close_all()
{
    for (auto& c : impl_->connections)
        c.close();
}

std::size_t server::connections() const noexcept
{
    return impl_->open;
}

}  // namespace luot::http
