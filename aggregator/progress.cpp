#include "aggregator/progress.hpp"

#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/hit.hpp"
#include "core/keys.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace luot::aggregator {

namespace asio = boost::asio;

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

class progress::impl : public std::enable_shared_from_this<progress::impl> {
public:
    impl(asio::io_context& c, redis::client& r, std::size_t most)
        : context(c), redis(r), most_waiting(most)
    {
    }

    struct waiter {
        waiter(asio::io_context& c, std::vector<hit_token> t) : tokens(std::move(t)), done(c) {}
        std::vector<hit_token> tokens;  ///< not reached yet
        asio::steady_timer done;
    };

    asio::awaitable<void> ask_loop();

    asio::io_context& context;
    redis::client& redis;
    const std::size_t most_waiting;
    std::set<waiter*> waiting;
    bool is_asking = false;
};

asio::awaitable<void> progress::impl::ask_loop()
{
    const auto self = shared_from_this();
    while (!waiting.empty()) {
        std::map<unsigned, std::vector<std::uint64_t>> wanted;
        for (const auto* w : waiting)
            for (const auto& token : w->tokens)
                wanted[token.partition].push_back(token.producer);
        redis::pipeline commands;
        for (auto& [partition, producers] : wanted) {
            std::sort(producers.begin(), producers.end());
            producers.erase(std::unique(producers.begin(), producers.end()), producers.end());
            redis::command c{"HMGET"};
            c.add(std::string_view(keys::producers(partition)));
            for (const auto producer : producers)
                c.add(std::string_view(to_hex(producer) + ":applied"));
            commands.add(c);
        }
        const auto answers = co_await redis.exec(commands);
        if (answers) {
            std::size_t at = 0;
            for (const auto& [partition, producers] : wanted) {
                const auto answer = (*answers)[at++];
                for (std::size_t i = 0; i < producers.size(); ++i) {
                    const auto applied = static_cast<std::uint64_t>(answer[i].count());
                    for (auto* w : waiting)
                        std::erase_if(w->tokens, [&](const hit_token& token) {
                            return token.partition == partition && token.producer == producers[i] &&
                                   token.offset <= applied;
                        });
                }
            }
            std::erase_if(waiting, [](waiter* w) {
                if (w->tokens.empty())
                    w->done.cancel();
                return w->tokens.empty();
            });
        }
        asio::steady_timer pause(context, ask_every);
        co_await pause.async_wait(as_result);
    }
    is_asking = false;
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
    if (self->waiting.size() >= self->most_waiting || !self->redis.is_connected())
        co_return false;
    impl::waiter w{self->context, std::move(tokens)};
    self->waiting.insert(&w);
    if (!std::exchange(self->is_asking, true))
        asio::co_spawn(self->context, self->ask_loop(), asio::detached);
    w.done.expires_after(longest_wait);
    co_await w.done.async_wait(as_result);
    self->waiting.erase(&w);
    co_return w.tokens.empty();
}

}  // namespace luot::aggregator
