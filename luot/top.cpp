// `luot top`: what happens right now, drawn anew each second. Figures of sites come from Redis,
// those of the daemons from their admin ports.

#include "aggregator/counts.hpp"
#include "aggregator/fold/fold.hpp"
#include "aggregator/progress.hpp"
#include "core/clock.hpp"
#include "core/metrics.hpp"
#include "core/redis/client.hpp"
#include "core/redis/reads.hpp"
#include "luot/commands.hpp"
#include "luot/private_redis.hpp"
#include "luot/terminal.hpp"
#include "luot/top_view.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <sys/ioctl.h>
#include <unistd.h>

namespace luot {

namespace asio = boost::asio;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds period{1000}, admin_patience{800};
constexpr std::size_t most_rows = 1000;
// DEC private modes: the other screen, and no cursor.
constexpr const char *enter_screen = "\x1b[?1049h\x1b[?25l", *leave_screen = "\x1b[?25h\x1b[?1049l",
                     *home = "\x1b[H", *end_of_line = "\x1b[K\r\n", *rest_of_screen = "\x1b[J";

screen_size size_of_terminal()
{
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
        return {};
    return {size.ws_col, static_cast<std::size_t>(size.ws_row) - 1};
}

/// A number of INFO.
std::int64_t number_in(std::string_view info, std::string_view name)
{
    const auto at = info.find("\n" + std::string(name) + ':');
    return at == std::string_view::npos
               ? 0
               : std::strtoll(std::string(info.substr(at + name.size() + 2, 20)).c_str(), nullptr,
                              10);
}

class top {
public:
    top(const config& c, std::vector<listen_address> addresses, bool is_once)
        : config_(std::make_shared<const config>(c)),
          sites_(config_),
          addresses_(std::move(addresses)),
          is_once_(is_once),
          signals_(context_, SIGINT, SIGTERM),
          timer_(context_),
          redis_(context_, redis_of(c), options(), metrics_)
    {
        redis_.use_scripts({&redis::reads::source()});
    }

    /// The exit status.
    int run()
    {
        redis_.start();
        signals_.async_wait([this](boost::system::error_code error, int) {
            if (!error)
                stop();
        });
        asio::co_spawn(context_, draw_all(), [this](std::exception_ptr failed) {
            failure_ = failed;
            stop();
        });
        context_.run();
        if (failure_)
            std::rethrow_exception(failure_);
        return status_;
    }

private:
    static redis::client_options options()
    {
        redis::client_options o;
        o.name = "luot-top";
        o.quiet = true;
        o.command_timeout = std::chrono::milliseconds(1500);
        return o;
    }

    void stop()
    {
        is_stopping_ = true;
        signals_.cancel();
        timer_.cancel();
        redis_.stop();
    }

    asio::awaitable<void> draw_all()
    {
        (void)co_await redis_.wait_connected(std::chrono::milliseconds(1000));
        auto before = co_await look();
        if (!is_once_) {
            std::fputs(enter_screen, stdout);
            draw(before, before);
        }
        while (!is_stopping_) {
            timer_.expires_after(period);
            (void)co_await timer_.async_wait(as_result);
            if (is_stopping_)
                break;
            auto now = co_await look();
            draw(before, now);
            before = std::move(now);
            if (is_once_)
                break;
        }
        if (!is_once_)
            std::fputs(leave_screen, stdout);
        std::fflush(stdout);
        status_ = std::any_of(before.daemons.begin(), before.daemons.end(),
                              [](const auto& d) { return d.metrics.has_value(); })
                      ? 0
                      : 1;
    }

    void draw(const top_sample& before, const top_sample& now)
    {
        const auto screen = is_once_ ? screen_size{200, most_rows} : size_of_terminal();
        std::string out = is_once_ ? "" : home;
        for (const auto& line : top_frame(before, now, screen))
            out += line + (is_once_ ? "\n" : end_of_line);
        if (!is_once_)
            out += rest_of_screen;
        std::fputs(out.c_str(), stdout);
        std::fflush(stdout);
    }

    asio::awaitable<top_sample> look()
    {
        top_sample s;
        for (const auto& address : addresses_) {
            auto answer = ask(address, "/metrics", admin_patience);
            auto& d = s.daemons.emplace_back();
            d.address = text_of(address);
            if (answer.status == 200)
                d.metrics.emplace(answer.body);
            else
                d.trouble = answer.status == 0 ? answer.trouble
                                               : "answers " + std::to_string(answer.status);
        }
        s.steady_ms = steady_ms();
        s.unix_ms = unix_ms();
        for (const auto& site : config_->sites)
            s.sites.push_back({.id = site.id});
        if (!redis_.is_connected()) {
            s.redis_trouble = redis_.trouble();
            co_return s;
        }
        const auto begun_us = steady_us();
        redis::pipeline asked;
        asked.add("INFO", "memory");
        const auto info = co_await redis_.exec(asked);
        if (!info) {
            s.redis_trouble = info.error().message();
            co_return s;
        }
        s.redis_seconds = static_cast<double>(steady_us() - begun_us) / 1e6;
        s.redis_bytes = number_in((*info)[0].text(), "used_memory");
        s.redis_most_bytes = number_in((*info)[0].text(), "maxmemory");
        for (auto& row : s.sites) {
            const auto counts = co_await aggregator::read_counts(
                redis_, guard_, *sites_.find(row.id), config_->aggregator.max_paths, {}, true,
                s.unix_ms);
            if (!counts)
                continue;
            row.views = counts->views;
            row.online = counts->online;
            row.views_today = counts->summary ? counts->summary->today.views : 0;
            row.visits_today = counts->summary ? counts->summary->today.visits : 0;
            row.is_known = true;
        }
        co_return s;
    }

    std::shared_ptr<const config> config_;
    aggregator::site_table sites_;
    std::vector<listen_address> addresses_;
    bool is_once_;
    bool is_stopping_ = false;
    int status_ = 0;
    std::exception_ptr failure_;
    asio::io_context context_;
    metrics_registry metrics_;
    asio::signal_set signals_;
    asio::steady_timer timer_;
    aggregator::fall_back_guard guard_;
    redis::client redis_;
};

}  // namespace

int show_top(const std::string& config_file, const std::vector<std::string>& admin_addresses,
             bool is_once)
{
    config c;
    try {
        c = load_config(config_file);
    } catch (const config_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 2;
    }
    return top(c, admin_ports(c, admin_addresses), is_once || ::isatty(STDOUT_FILENO) == 0).run();
}

}  // namespace luot
