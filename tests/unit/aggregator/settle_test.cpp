// Rows that wait are written together: not before it is time, and at once when a report wants them.

#include "aggregator/settle.hpp"

#include "aggregator/reports.hpp"
#include "core/clock.hpp"
#include "core/keys.hpp"
#include "core/metrics.hpp"
#include "tests/unit/support/redis_session.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/test/unit_test.hpp>

#include <bitset>
#include <string>

namespace settle_test {

using namespace luot;
using namespace luot::aggregator;
using namespace luot::testing;

constexpr std::int32_t today = 18'834;
constexpr unsigned partition = 3;

struct waiting_rows {
    redis_session session{{&settle_script()}};
    metrics_registry metrics;
    row_settler settler{session.client(), metrics};

    /// What a batch puts down: one view of a page.
    void put(bool are_wanted = false)
    {
        date_tallies t;
        add_to(t[today][static_cast<std::size_t>(breakdown::path)], "/a", 1);
        session.exec(redis::pipeline{}.add("RPUSH", keys::tallies(partition),
                                           std::string_view(encode("skhcn", t))));
        settler.rows_wait(partition, are_wanted);
    }

    void settle()
    {
        session.run([](row_settler& s) -> boost::asio::awaitable<bool> {
            co_await s.settle_due(std::bitset<partitions>{}.set(), 36'500);
            co_return true;
        }(settler));
    }

    std::int64_t views()
    {
        const auto key = keys::day_breakdown("skhcn", today, breakdown::path);
        return session.exec(redis::pipeline{}.add("ZSCORE", key, std::string_view("/a")))[0]
            .count();
    }

    std::int64_t exists(const std::string& key)
    {
        return session.exec(redis::pipeline{}.add("EXISTS", key))[0].count();
    }
};

BOOST_AUTO_TEST_SUITE(rows_that_wait)

BOOST_AUTO_TEST_CASE(they_are_written_together_once_a_report_wants_them_or_none_come)
{
    waiting_rows w;
    w.put();
    w.put();
    const auto put_at = steady_ms();
    w.settle();
    if (steady_ms() - put_at < row_settler::longest_ms)  // else it took too long to tell
        BOOST_TEST(w.views() == 0);
    w.put(true);
    w.settle();
    BOOST_TEST(w.views() == 3);
    BOOST_TEST(w.exists(keys::tallies(partition)) == 0);

    w.put();
    w.session.run_until([&w] {
        w.settle();
        return w.views() == 4;
    });
}

BOOST_AUTO_TEST_CASE(a_report_says_that_it_wants_them_and_waits)
{
    waiting_rows w;
    bool has_them = false;
    const auto report = [&]() -> boost::asio::awaitable<void> {
        co_await await_rows(w.session.client(), partition);
        has_them = true;
    };
    w.put();
    boost::asio::co_spawn(w.session.context(), report, boost::asio::detached);
    w.session.run_until([&w] { return w.exists(keys::rows_wanted(partition)) == 1; });
    w.put(true);
    w.settle();
    w.session.run_until([&has_them] { return has_them; });
    BOOST_TEST(w.views() == 2);

    // Where none wait, nothing is said.
    w.session.exec(redis::pipeline{}.add("DEL", keys::rows_wanted(partition)));
    w.session.run([](redis::client& c) -> boost::asio::awaitable<bool> {
        co_await await_rows(c, partition);
        co_return true;
    }(w.session.client()));
    BOOST_TEST(w.exists(keys::rows_wanted(partition)) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace settle_test
