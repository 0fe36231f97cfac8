#include "aggregator/site_gauges.hpp"

#include "aggregator/counts.hpp"
#include "aggregator/progress.hpp"
#include "aggregator/reports.hpp"
#include "core/clock.hpp"
#include "core/keys.hpp"
#include "core/redis/reads.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;
using namespace std::string_view_literals;

namespace {

constexpr std::int64_t read_every_ms = 5'000, look_every_ms = 500;
/// Older numbers are not shown: something keeps us from reading.
constexpr std::int64_t longest_shown_ms = 20'000;
/// Rows of the day that are looked at for so many articles: those merged into others or hidden
/// make room for the next.
constexpr std::size_t rows_per_article = 4, least_rows = 50;

/// The articles of today that are read most, as the reports have them.
asio::awaitable<result<std::vector<site_gauges_row::article>>> read_articles(
    redis::client& redis, fall_back_guard& guard, const site_table::site& site, std::int32_t today,
    std::size_t most)
{
    std::vector<site_gauges_row::article> out;
    if (most == 0)
        co_return out;
    const auto top = co_await read_top(redis, guard, site, breakdown::path, {today, today}, most,
                                       std::max(least_rows, rows_per_article * most));
    if (!top)
        co_return top.error();
    for (const auto& row : top->rows)
        out.push_back({row.key, 0, row.views});
    co_return out;
}

/// What of a site is read in this order, so that no part is above its whole: the articles, the day,
/// the totals.
asio::awaitable<result<site_gauges_row>> read_site(redis::client& redis, fall_back_guard& guard,
                                                   const site_table::site& site,
                                                   const config& settings)
{
    const auto& id = site.settings->id;
    const auto now = unix_ms();
    const auto today = site.zone.date(now);
    auto articles =
        co_await read_articles(redis, guard, site, today, settings.aggregator.top_articles);
    if (!articles)
        co_return articles.error();
    redis::reads wanted;
    wanted.add("HMGET", keys::day(id, today), "views"sv, "visits"sv, "visitors"sv, "bots"sv);
    const auto of_day = co_await read_guarded(redis, guard, partition_of(id), std::move(wanted));
    if (!of_day)
        co_return of_day.error();
    std::vector<std::string> paths;
    for (const auto& article : *articles)
        paths.push_back(article.path);
    const auto counts = co_await read_counts(redis, guard, site, settings.aggregator.max_paths,
                                             std::move(paths), false, now);
    if (!counts)
        co_return counts.error();

    site_gauges_row out;
    out.site = id;
    out.views = counts->views;
    out.visits = counts->visits;
    out.online = counts->online;
    const auto day = (*of_day)[0][0];
    out.views_today = day[0].count();
    out.visits_today = day[1].count();
    out.visitors_today = day[2].count();
    out.bot_views_today = day[3].count();
    for (std::size_t i = 0; i < articles->size(); ++i) {
        auto& article = (*articles)[i];
        article.views = counts->pages[i].value_or(article.views_today);
        out.articles.push_back(std::move(article));
    }
    co_return out;
}

}  // namespace

std::vector<gauge_rows> gauges_of(const std::vector<site_gauges_row>& sites)
{
    std::vector<gauge_rows> out;
    const auto add_site = [&](const char* name, const char* help,
                              std::int64_t site_gauges_row::*value) {
        auto& gauge = out.emplace_back(gauge_rows{name, help, {}});
        for (const auto& s : sites)
            gauge.rows.push_back({{{"site", s.site}}, static_cast<double>(s.*value)});
    };
    const auto add_articles = [&](const char* name, const char* help,
                                  std::int64_t site_gauges_row::article::*value) {
        auto& gauge = out.emplace_back(gauge_rows{name, help, {}});
        for (const auto& s : sites)
            for (const auto& a : s.articles)
                gauge.rows.push_back(
                    {{{"site", s.site}, {"path", a.path}}, static_cast<double>(a.*value)});
    };
    using row = site_gauges_row;
    add_site("luot_site_views", "Views of all time as they are shown, baseline included.",
             &row::views);
    add_site("luot_site_visits", "Visits of all time as they are shown, baseline included.",
             &row::visits);
    add_site("luot_site_online", "Readers seen in the last five minutes.", &row::online);
    add_site("luot_site_views_today", "Views of the site's day.", &row::views_today);
    add_site("luot_site_visits_today", "Visits of the site's day.", &row::visits_today);
    add_site("luot_site_visitors_today", "Visitors of the site's day.", &row::visitors_today);
    add_site("luot_site_bot_views_today", "Hits of bots on the site's day.", &row::bot_views_today);
    add_articles("luot_article_views",
                 "Views of all time, baseline included, of the articles that are read most today.",
                 &row::article::views);
    add_articles("luot_article_views_today",
                 "Views of the site's day, of the articles that are read most on it.",
                 &row::article::views_today);
    return out;
}

class site_gauges::impl : public std::enable_shared_from_this<site_gauges::impl> {
public:
    impl(asio::io_context& context, redis::client& redis, fall_back_guard& guard,
         std::function<std::bitset<partitions>()> holds, std::shared_ptr<const config> c)
        : context_(context), redis_(redis), guard_(guard), holds_(std::move(holds))
    {
        use(std::move(c));
    }

    void use(std::shared_ptr<const config> c)
    {
        sites_ = std::make_shared<const site_table>(std::move(c));
        is_due_ = true;
    }

    asio::awaitable<void> run();
    [[nodiscard]] std::vector<gauge_rows> ask() const;

private:
    asio::awaitable<void> read(std::bitset<partitions> held);

    asio::io_context& context_;
    redis::client& redis_;
    fall_back_guard& guard_;
    const std::function<std::bitset<partitions>()> holds_;
    std::shared_ptr<const site_table> sites_;
    std::vector<site_gauges_row> rows_;  ///< as read last
    std::int64_t read_ms_ = 0;
    bool is_due_ = true;
};

asio::awaitable<void> site_gauges::impl::read(std::bitset<partitions> held)
{
    const auto sites = sites_;  // a reload must not pull it away under us
    std::vector<site_gauges_row> rows;
    for (const auto& s : sites->settings().sites) {
        if (!held[partition_of(s.id)])
            continue;
        const auto* site = sites->find(s.id);
        auto row = co_await read_site(redis_, guard_, *site, sites->settings());
        if (row)
            rows.push_back(std::move(*row));
    }
    rows_ = std::move(rows);
    read_ms_ = steady_ms();
}

asio::awaitable<void> site_gauges::impl::run()
{
    const auto self = shared_from_this();
    asio::steady_timer timer(context_);
    std::bitset<partitions> before;
    std::int64_t begun_ms = 0;
    for (;;) {
        const auto held = redis_.is_connected() ? holds_() : std::bitset<partitions>{};
        if (held != before || steady_ms() - begun_ms >= read_every_ms)
            is_due_ = true;
        if (held.none()) {
            rows_.clear();
        } else if (std::exchange(is_due_, false)) {
            begun_ms = steady_ms();
            co_await read(held);
        }
        before = held;
        timer.expires_after(std::chrono::milliseconds(look_every_ms));
        co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

/// Only what is surely ours and fresh: a number that stands still, or 0, would be a lie.
std::vector<gauge_rows> site_gauges::impl::ask() const
{
    std::vector<site_gauges_row> shown;
    if (redis_.is_connected() && steady_ms() - read_ms_ < longest_shown_ms) {
        const auto held = holds_();
        for (const auto& row : rows_)
            if (held[partition_of(row.site)])
                shown.push_back(row);
    }
    return gauges_of(shown);
}

site_gauges::site_gauges(asio::io_context& context, redis::client& redis, fall_back_guard& guard,
                         std::function<std::bitset<partitions>()> holds,
                         std::shared_ptr<const config> c, metrics_registry& metrics)
    : impl_(std::make_shared<impl>(context, redis, guard, std::move(holds), std::move(c)))
{
    metrics.add_gauge_rows([i = impl_] { return i->ask(); });
}

site_gauges::~site_gauges() = default;

asio::awaitable<void> site_gauges::run()
{
    return impl_->run();
}

void site_gauges::use(std::shared_ptr<const config> c)
{
    impl_->use(std::move(c));
}

}  // namespace luot::aggregator
