#include "aggregator/live.hpp"

#include "aggregator/counts.hpp"
#include "aggregator/page_facts.hpp"
#include "aggregator/page_names.hpp"
#include "aggregator/progress.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/http/stream.hpp"
#include "core/keys.hpp"
#include "core/local_time.hpp"
#include "core/metrics.hpp"
#include "core/redis/reads.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace luot::aggregator {

namespace asio = boost::asio;
namespace json = boost::json;
using namespace std::string_view_literals;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
/// A page that is loaded again finds a window that has its minute.
constexpr std::int64_t lingering_ms = 60'000;
constexpr std::size_t most_newest = 10;
/// Of so many the newest are chosen: some have too few readers to be shown.
constexpr std::int64_t most_candidates = 200;
/// Which pages the newest are is looked up in the rows of the day, up to 10,000.
constexpr std::int64_t search_every_ms = 5'000;
constexpr std::string_view first_bytes = "retry: 3000\n\n";
constexpr std::string_view away_event = "event: away\ndata: {}\n\n";
constexpr std::string_view heartbeat_bytes = ":\n\n";

struct live_counts {
    std::int64_t views = 0, counted = 0, online = 0;  ///< shown; without the baseline; now
    std::string names_mark;                           ///< of page_names
    std::vector<std::uint64_t> newest;  ///< path_hash of pages new today, newest first, as many as
                                        ///< are looked at
};

asio::awaitable<result<live_counts>> read_live(redis::client& redis, fall_back_guard& guard,
                                               const std::string& site, std::int32_t today,
                                               std::int64_t now_ms)
{
    redis::reads wanted;
    wanted.add("HMGET", keys::totals(site), "views"sv, "baseline_views"sv);
    wanted.add("ZCOUNT", keys::seen(site), now_ms - online_ms, now_ms + online_ms);
    constexpr auto hash_bytes = static_cast<std::int64_t>(sizeof(std::uint64_t));
    wanted.add("GETRANGE", keys::day_first_seen(site, today), -most_candidates * hash_bytes, -1);
    wanted.add("HGET", keys::corrections(site), "mark"sv);
    const auto answers = co_await read_guarded(redis, guard, partition_of(site), std::move(wanted));
    if (!answers)
        co_return answers.error();
    const auto read = (*answers)[0];
    const auto counted = read[0][0].count();
    live_counts out{
        counted + read[0][1].count(), counted, read[1].count(), std::string(read[3].text()), {}};
    byte_reader hashes(read[2].text());
    for (auto left = read[2].text().size() / sizeof(std::uint64_t); left > 0; --left)
        out.newest.insert(out.newest.begin(), hashes.u64());
    co_return out;
}

}  // namespace

void minute_window::add(std::int64_t now_ms, std::int64_t views)
{
    samples_.push_back({now_ms, views});
    while (samples_.size() > 2 && samples_[1].at_ms <= now_ms - length_ms)
        samples_.pop_front();
    // Nobody asked for a while, or counts were set back: what came since when is not known.
    if (now_ms - samples_.front().at_ms > longest_ms || views < samples_.front().views)
        samples_ = {{now_ms, views}};
}

std::int64_t minute_window::views() const noexcept
{
    return samples_.empty() ? 0 : samples_.back().views - samples_.front().views;
}

std::int64_t minute_window::seconds() const noexcept
{
    return samples_.empty() ? 0 : (samples_.back().at_ms - samples_.front().at_ms + 500) / 1000;
}

bool live_places::try_take() noexcept
{
    auto taken = taken_.load();
    while (taken < most)
        if (taken_.compare_exchange_weak(taken, taken + 1))
            return true;
    return false;
}

class live_api::impl : public std::enable_shared_from_this<live_api::impl> {
public:
    impl(asio::io_context& context, redis::client& redis, fall_back_guard& guard,
         live_places& places, std::shared_ptr<const config> c, metrics_registry& metrics,
         live_options options)
        : context_(context),
          redis_(redis),
          guard_(guard),
          places_(places),
          sites_(std::make_shared<site_table>(std::move(c))),
          answers_(metrics),
          options_(options),
          refused_(metrics.add_counter("luot_live_refused_total",
                                       "Listeners to live figures refused: too many."))
    {
    }

    asio::awaitable<http::response> listen(const http::request& r);
    void use(std::shared_ptr<const config> c)
    {
        sites_ = std::make_shared<site_table>(std::move(c));
        end_all();
    }
    void end_all()
    {
        for (auto& [site, channel] : channels_) {
            channel->is_over = true;
            for (auto& listener : channel->listeners)
                listener->end();
            drop_those_who_left(*channel);
        }
        channels_.clear();
    }

private:
    /// Those who listen to one site.
    struct channel {
        std::string site;
        std::vector<std::shared_ptr<http::stream>> listeners;
        minute_window window;
        std::string last_event;  ///< as it was sent, but for its time
        std::string last_bytes;
        std::int64_t sent_ms = 0, left_ms = 0, searched_ms = 0;
        /// Of the newest those that are known, by path_hash; empty: it stands in no list.
        std::unordered_map<std::uint64_t, std::string> paths;
        std::unordered_map<std::uint64_t, json::object> pages;  ///< of these those that are shown
        std::string names_mark;  ///< under which names they are known
        bool is_over = false;
    };

    asio::awaitable<void> watch(std::shared_ptr<impl> self, std::shared_ptr<channel> c);
    asio::awaitable<void> tell(channel& c);
    asio::awaitable<void> find_pages(channel& c, const site_table::site& site, std::int32_t today,
                                     const live_counts& read);
    asio::awaitable<bool> find_paths(channel& c, const site_table::site& site, std::int32_t today,
                                     const std::unordered_set<std::uint64_t>& hashes);
    void send(channel& c, std::string_view bytes);
    void drop_those_who_left(channel& c);

    asio::io_context& context_;
    redis::client& redis_;
    fall_back_guard& guard_;
    live_places& places_;
    std::shared_ptr<const site_table> sites_;
    answers answers_;
    const live_options options_;
    counter& refused_;
    std::map<std::string, std::shared_ptr<channel>, std::less<>> channels_;
};

asio::awaitable<http::response> live_api::impl::listen(const http::request& r)
{
    std::string id;
    for (auto& [name, value] : http::query_values(r.query))
        if (name == "site")
            id = std::move(value);
    if (id.empty())
        co_return failure(400, "bad_request", "name a site");
    const auto* site = sites_->find(id);
    if (!site)
        co_return unknown_site();
    if (auto refused = refusal(r, *site->settings, public_route::stats))
        co_return std::move(*refused);
    if (!places_.try_take()) {
        refused_.add();
        auto busy = failure(503, "busy", "too many listen; try again");
        busy.headers += "Retry-After: 30\r\n";
        co_return busy;
    }
    auto out = answers_.with(r, {}, {}, false);
    out.content_type = "text/event-stream";
    out.headers += "X-Accel-Buffering: no\r\n";  // nginx would keep them back
    out.goes_on = std::make_shared<http::stream>();
    out.goes_on->send(first_bytes);

    auto& c = channels_[id];
    const bool is_new = !c;
    if (is_new) {
        c = std::make_shared<channel>();
        c->site = id;
    } else if (!c->last_bytes.empty()) {
        out.goes_on->send(c->last_bytes);
    }
    c->listeners.push_back(out.goes_on);
    if (is_new)
        asio::co_spawn(context_, watch(shared_from_this(), c), asio::detached);
    co_return out;
}

asio::awaitable<void> live_api::impl::watch(std::shared_ptr<impl>, std::shared_ptr<channel> c)
{
    asio::steady_timer timer(context_);
    c->left_ms = steady_ms();
    while (!c->is_over) {
        co_await tell(*c);
        drop_those_who_left(*c);
        if (!c->listeners.empty()) {
            c->left_ms = steady_ms();
        } else if (steady_ms() - c->left_ms > lingering_ms && !c->is_over) {
            channels_.erase(c->site);
            break;
        }
        timer.expires_after(options_.period);
        const auto [error] = co_await timer.async_wait(as_result);
        if (error)
            break;
    }
}

/// Reads once, and sends what is new.
asio::awaitable<void> live_api::impl::tell(channel& c)
{
    const auto sites = sites_;  // a reload must not pull it away under us
    const auto* site = sites->find(c.site);
    if (!site)
        co_return;
    const auto now = unix_ms();
    const auto today = site->zone.date(now);
    const auto read = co_await read_live(redis_, guard_, c.site, today, now);
    if (read && !c.is_over)
        co_await find_pages(c, *site, today, *read);
    if (c.is_over)
        co_return;
    std::string event, bytes;
    if (read) {
        c.window.add(steady_ms(), read->counted);
        json::object out{{"site", c.site},
                         {"views", read->views},
                         {"online", read->online},
                         {"views_last_minute", c.window.views()},
                         {"window_seconds", c.window.seconds()}};
        json::array newest;
        for (const auto hash : read->newest)
            if (const auto page = c.pages.find(hash);
                page != c.pages.end() && newest.size() < most_newest)
                newest.push_back(page->second);
        out["newest"] = std::move(newest);
        event = json::serialize(out);
        out["as_of"] = utc_text(now);
        bytes = "data: " + json::serialize(out) + "\n\n";
    } else {
        event = bytes = away_event;
    }
    if (event != c.last_event)
        send(c, bytes);
    else if (steady_ms() - c.sent_ms >= options_.heartbeat.count())
        send(c, heartbeat_bytes);
    c.last_event = std::move(event);
    c.last_bytes = std::move(bytes);
}

/// Which pages the newest are: their hashes are in the list of the day, their paths in its rows,
/// which are read when there is a hash that is not known. What cannot be found, or read, is looked
/// for again later, and so is whether a page has readers enough by now.
asio::awaitable<void> live_api::impl::find_pages(channel& c, const site_table::site& site,
                                                 std::int32_t today, const live_counts& read)
{
    const auto& newest = read.newest;
    if (c.names_mark != read.names_mark) {
        c.names_mark = read.names_mark;
        c.paths.clear();
        c.pages.clear();
        c.searched_ms = 0;
    }
    // Those that come before the last that is shown.
    std::unordered_set<std::uint64_t> wanted_pages;
    std::size_t shown = 0;
    for (const auto hash : newest) {
        if (c.pages.contains(hash) && ++shown == most_newest)
            break;
        const auto known = c.paths.find(hash);
        if (!c.pages.contains(hash) && (known == c.paths.end() || !known->second.empty()))
            wanted_pages.insert(hash);
    }
    if (wanted_pages.empty() ||
        (c.searched_ms > 0 && steady_ms() - c.searched_ms < search_every_ms))
        co_return;
    c.searched_ms = steady_ms();
    const std::unordered_set<std::uint64_t> held(newest.begin(), newest.end());
    const auto is_old = [&held](const auto& page) { return !held.contains(page.first); };
    std::erase_if(c.paths, is_old);
    std::erase_if(c.pages, is_old);
    const bool is_all_known = std::all_of(wanted_pages.begin(), wanted_pages.end(),
                                          [&c](auto hash) { return c.paths.contains(hash); });
    if (!is_all_known && !co_await find_paths(c, site, today, wanted_pages))
        co_return;
    std::vector<std::string> paths;
    std::vector<std::uint64_t> hashes;
    for (const auto hash : newest) {
        const auto known = c.paths.find(hash);
        if (!wanted_pages.contains(hash) || known == c.paths.end() || known->second.empty())
            continue;
        paths.push_back(known->second);
        hashes.push_back(hash);
    }
    const auto facts = co_await read_facts(redis_, site, paths);
    if (!facts)
        co_return;
    for (std::size_t i = 0; i < paths.size(); ++i)
        if (const auto& page = (*facts)[i]; page.is_listed(*site.settings))
            c.pages[hashes[i]] = {
                {"path", paths[i]}, {"title", page.title}, {"section", page.section}};
}

/// Finds the paths of hashes among the rows of the day. False: they cannot be read.
asio::awaitable<bool> live_api::impl::find_paths(channel& c, const site_table::site& site,
                                                 std::int32_t today,
                                                 const std::unordered_set<std::uint64_t>& hashes)
{
    redis::reads wanted;
    wanted.add("ZRANGE", keys::day_breakdown(c.site, today, breakdown::path), 0, -1);
    const auto answers =
        co_await read_guarded(redis_, guard_, partition_of(c.site), std::move(wanted));
    if (!answers)
        co_return false;
    const auto names = co_await current_names(redis_, site);
    if (!names)
        co_return false;
    const auto rows = (*answers)[0][0];
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto path = rows[i].text();
        const auto hash = path_hash(path);
        if (!hashes.contains(hash))
            continue;
        const bool is_shown =
            path != other_member && (*names)->page_of(path) == path && !(*names)->is_hidden(path);
        c.paths[hash] = is_shown ? path : std::string_view{};
    }
    co_return true;
}

void live_api::impl::send(channel& c, std::string_view bytes)
{
    c.sent_ms = steady_ms();
    for (auto& listener : c.listeners)
        static_cast<void>(listener->send(bytes));  // those who left are dropped below
}

void live_api::impl::drop_those_who_left(channel& c)
{
    const auto left = std::erase_if(c.listeners, [](const auto& s) { return !s->is_open(); });
    places_.give_back(left);
}

live_api::live_api(asio::io_context& context, redis::client& redis, fall_back_guard& guard,
                   live_places& places, std::shared_ptr<const config> c, metrics_registry& metrics,
                   live_options options)
    : impl_(std::make_shared<impl>(context, redis, guard, places, std::move(c), metrics, options))
{
}

live_api::~live_api()
{
    impl_->end_all();
}

void live_api::add_routes(http::router& routes)
{
    routes.add(http::method::get, "/api/v1/live",
               http::waiting_handler([i = impl_](const http::request& r) { return i->listen(r); }));
}

void live_api::use(std::shared_ptr<const config> c)
{
    impl_->use(std::move(c));
}

}  // namespace luot::aggregator
