#include "aggregator/progress.hpp"

#include "aggregator/waiting.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/keys.hpp"
#include "core/redis/reads.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace luot::aggregator {

namespace asio = boost::asio;
using namespace std::string_view_literals;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds ask_every{5};

}  // namespace

bool fall_back_guard::may_show(unsigned partition, std::uint64_t applied, std::uint64_t highest,
                               std::int64_t now_ms)
{
    auto& s = states_[partition];
    auto held = s.highest.load();
    while (applied > held && !s.highest.compare_exchange_weak(held, applied)) {
    }
    if (applied >= highest) {
        s.behind_since_ms = 0;
        return true;
    }
    std::int64_t since = 0;
    if (s.behind_since_ms.compare_exchange_strong(since, now_ms))
        return false;
    const auto patience_ms = std::chrono::milliseconds(patience).count();
    if (now_ms - since > 10 * patience_ms) {  // nobody has read since: this is another fall
        s.behind_since_ms = now_ms;
        return false;
    }
    if (now_ms - since <= patience_ms)
        return false;
    s.highest =
        applied;  // what is missing will not come back: it was declared, or the log was retired
    s.behind_since_ms = 0;
    return true;
}

asio::awaitable<result<redis::replies>> read_guarded(redis::client& redis, fall_back_guard& guard,
                                                     unsigned partition, redis::reads wanted)
{
    wanted.add("HGET", keys::producers(partition), "applied"sv);  // of the same moment
    redis::pipeline commands;
    commands.add(wanted.call());
    const auto seen_before = guard.highest(partition);
    auto answers = co_await redis.exec(commands);
    if (!answers)
        co_return answers.error();
    const auto read = (*answers)[0];
    if (!read.is_array() || read.size() == 0)
        co_return make_error_code(errc::redis_error);
    const auto applied = static_cast<std::uint64_t>(read[read.size() - 1].count());
    if (!guard.may_show(partition, applied, seen_before, steady_ms()))
        co_return make_error_code(errc::redis_away);
    co_return std::move(*answers);
}

class progress::impl : public std::enable_shared_from_this<progress::impl> {
public:
    impl(asio::io_context& c, redis::client& r, std::size_t most)
        : context(c), redis(r), most_waiting(most)
    {
    }

    struct reader : waiting::reader {
        reader(asio::io_context& c, const std::vector<hit_token>& tokens)
            : waiting::reader(tokens), done(c)
        {
        }
        asio::steady_timer done;
    };

    asio::awaitable<void> ask_loop();
    asio::awaitable<void> ask();

    asio::io_context& context;
    redis::client& redis;
    const std::size_t most_waiting;
    waiting readers;
    bool is_asking = false;
};

asio::awaitable<void> progress::impl::ask_loop()
{
    const auto self = shared_from_this();
    while (readers.size() > 0) {
        co_await ask();
        asio::steady_timer pause(context, ask_every);
        co_await pause.async_wait(as_result);
    }
    is_asking = false;
}

asio::awaitable<void> progress::impl::ask()
{
    std::map<unsigned, std::vector<hit_log>> wanted;
    for (const auto& log : readers.due(std::chrono::steady_clock::now()))
        wanted[log.partition].push_back(log);
    if (wanted.empty())
        co_return;
    redis::pipeline commands;
    for (const auto& [partition, logs] : wanted) {
        redis::command c{"HMGET"};
        c.add(std::string_view(keys::producers(partition)));
        for (const auto& log : logs)
            c.add(std::string_view(to_hex(log.producer) + ":applied"));
        commands.add(c);
    }
    const auto answers = co_await redis.exec(commands);
    if (!answers)
        co_return;
    const auto now = std::chrono::steady_clock::now();
    std::size_t at = 0;
    for (const auto& [partition, logs] : wanted) {
        const auto answer = (*answers)[at++];
        for (std::size_t i = 0; i < logs.size(); ++i) {
            std::optional<std::uint64_t> applied;
            if (const auto number = answer[i].number(); number && *number > 0)
                applied = static_cast<std::uint64_t>(*number);
            for (auto* r : readers.answer(logs[i], applied, now))
                static_cast<reader*>(r)->done.cancel();
        }
    }
}

progress::progress(asio::io_context& context, redis::client& redis, std::size_t most_waiting)
    : impl_(std::make_shared<impl>(context, redis, most_waiting))
{
}

progress::~progress() = default;

asio::awaitable<bool> progress::reached(std::vector<hit_token> tokens)
{
    const auto self = impl_;
    if (tokens.empty())
        co_return true;
    if (self->readers.size() >= self->most_waiting || !self->redis.is_connected())
        co_return false;
    impl::reader r{self->context, tokens};
    self->readers.add(r, std::chrono::steady_clock::now());
    if (!std::exchange(self->is_asking, true))
        asio::co_spawn(self->context, self->ask_loop(), asio::detached);
    r.done.expires_after(longest_wait);
    co_await r.done.async_wait(as_result);
    self->readers.remove(r);
    co_return r.has_reached();
}

}  // namespace luot::aggregator
