#include "collector/salts_check.hpp"

#include "core/clock.hpp"
#include "core/keys.hpp"
#include "core/local_time.hpp"
#include "core/log.hpp"
#include "core/metrics.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <memory>

namespace luot::collector {

namespace asio = boost::asio;

asio::awaitable<void> watch_salts(asio::io_context& context, redis::client& redis,
                                  const salt_chain& salts, metrics_registry& metrics)
{
    const auto differ = std::make_shared<std::atomic<bool>>(false);
    metrics.add_gauge("luot_salts_differ",
                      "1 when another collector uses other salts: readers count once for each.",
                      [differ] { return *differ ? 1.0 : 0.0; });
    log::limiter limit{3600};
    asio::steady_timer pause(context);
    for (;;) {
        const auto today = static_cast<std::int32_t>(unix_ms() / day_ms);
        redis::pipeline commands;
        commands.add("HSETNX", keys::salts_key, date_text(today), salts.fingerprint(today));
        commands.add("HGET", keys::salts_key, date_text(today));
        commands.add("HDEL", keys::salts_key, date_text(today - 3), date_text(today - 4),
                     date_text(today - 5));
        const auto answers = co_await redis.exec(commands);
        if (!answers && answers.error() == errc::stopping)
            co_return;
        if (answers && !(*answers)[1].text().empty()) {
            *differ = (*answers)[1].text() != salts.fingerprint(today);
            if (*differ && limit.pass())
                log::error("salts_differ",
                           {{"what",
                             "another collector on this Redis uses other salts, so that readers "
                             "count once for each: give the others the salts of one (luot salt "
                             "export, luot salt "
                             "import)"}});
        }
        pause.expires_after(std::chrono::seconds(answers ? 60 : 2));
        co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

}  // namespace luot::collector
