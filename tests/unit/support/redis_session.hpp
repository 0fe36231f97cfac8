// A redis-server of a test's own with a client connected to it, used as if it were synchronous; and
// pictures of all that a Redis holds.

#pragma once

#include "core/metrics.hpp"
#include "core/redis/client.hpp"
#include "tests/unit/support/redis_server.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace luot::testing {

class redis_session {
public:
    /// With these scripts loaded.
    explicit redis_session(std::vector<const redis::script*> scripts = {})
        : client_(context_, server_.address(), options(), metrics_)
    {
        client_.use_scripts(std::move(scripts));
        client_.start();
        BOOST_REQUIRE(run(client_.wait_connected(std::chrono::seconds(20))));
    }

    /// A test fails when work is left in the event loop.
    ~redis_session()
    {
        client_.stop();
        context_.restart();
        context_.run_for(std::chrono::seconds(5));
        BOOST_TEST(context_.stopped(), "work is left behind in the event loop");
    }

    redis_session(const redis_session&) = delete;
    redis_session& operator=(const redis_session&) = delete;

    [[nodiscard]] boost::asio::io_context& context() noexcept { return context_; }
    [[nodiscard]] redis::client& client() noexcept { return client_; }
    [[nodiscard]] redis_server& server() noexcept { return server_; }

    /// Runs a coroutine to its end, 20 s at most, and answers what it answers or throws.
    template <class T>
    T run(boost::asio::awaitable<T> body)
    {
        std::optional<T> answer;
        std::exception_ptr failure;
        boost::asio::co_spawn(context_, std::move(body), [&](std::exception_ptr e, T t) {
            failure = e;
            answer = std::move(t);
        });
        run_until([&] { return answer.has_value(); });
        if (failure)
            std::rethrow_exception(failure);
        return std::move(*answer);
    }

    /// Runs the event loop until the condition holds, 20 s at most.
    void run_until(const std::function<bool()>& condition)
    {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition()) {
            BOOST_REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until,
                                  "what the test waits for does not happen");
            context_.restart();
            context_.run_one_for(std::chrono::milliseconds(100));
        }
    }

    /// The answers to commands; Redis must be there.
    redis::replies exec(const redis::pipeline& commands)
    {
        auto answers = run(client_.exec(commands));
        BOOST_REQUIRE_MESSAGE(answers.has_value(), "Redis is away: " << client_.trouble());
        return std::move(*answers);
    }

    /// One command and the text of its answer.
    template <class... Arguments>
    std::string text(std::string_view name, const Arguments&... arguments)
    {
        return std::string(exec(redis::pipeline{}.add(name, view(arguments)...))[0].text());
    }

    std::string text(const redis::command& c)
    {
        return std::string(exec(redis::pipeline{}.add(c))[0].text());
    }

    /// One command and the number that it answers: there must be one.
    template <class... Arguments>
    std::int64_t number(std::string_view name, const Arguments&... arguments)
    {
        const auto answers = exec(redis::pipeline{}.add(name, view(arguments)...));
        const auto found = answers[0].number();
        BOOST_REQUIRE_MESSAGE(found, name << " answers no number: " << answers[0].text());
        return *found;
    }

    /// A flat list of field, value, field, value, as a map: HGETALL, ZRANGE ... WITHSCORES.
    template <class... Arguments>
    std::map<std::string, std::int64_t> pairs(std::string_view name, const Arguments&... arguments)
    {
        const auto answers = exec(redis::pipeline{}.add(name, view(arguments)...));
        std::map<std::string, std::int64_t> out;
        for (std::size_t i = 0; i + 1 < answers[0].size(); i += 2)
            out[std::string(answers[0][i].text())] = answers[0][i + 1].count();
        return out;
    }

    /// Every key and its value as Redis writes it, to compare.
    std::map<std::string, std::string> picture()
    {
        const auto keys = exec(redis::pipeline{}.add("KEYS", std::string_view("*")));
        std::map<std::string, std::string> out;
        for (std::size_t i = 0; i < keys[0].size(); ++i) {
            const std::string key(keys[0][i].text());
            out[key] = text("DUMP", key);
        }
        return out;
    }

private:
    static redis::client_options options()
    {
        redis::client_options o;
        o.command_timeout = std::chrono::seconds(10);
        o.longest_pause = std::chrono::milliseconds(20);
        o.quiet = true;
        return o;
    }

    template <std::integral T>
    static T view(T number)
    {
        return number;
    }
    static std::string_view view(std::string_view text) { return text; }

    redis_server server_;
    boost::asio::io_context context_;
    metrics_registry metrics_;
    redis::client client_;
};

/// The keys whose values differ between two pictures.
inline std::string differing(const std::map<std::string, std::string>& before,
                             const std::map<std::string, std::string>& after)
{
    std::string out;
    const auto value = [](const auto& picture, const std::string& key) {
        const auto found = picture.find(key);
        return found == picture.end() ? std::string{} : found->second;
    };
    std::map<std::string, std::string> all = before;
    all.insert(after.begin(), after.end());
    for (const auto& [key, unused] : all)
        if (value(before, key) != value(after, key))
            out += (out.empty() ? "" : ", ") + key;
    return out;
}

}  // namespace luot::testing
