// The life of a daemon: threads, ports, signals, and an orderly end.
//
//   main thread     signals, the private Redis, the admin port, gauges of sites and of Redis
//   worker threads  the public port: hits into the spool, reads from Redis
//   ship thread     spool -> stream
//   fold thread     stream -> counts
//   verify thread   the counts against each other, every hour

#include "aggregator/article_report.hpp"
#include "aggregator/live.hpp"
#include "aggregator/page_lists.hpp"
#include "aggregator/progress.hpp"
#include "aggregator/read_api.hpp"
#include "aggregator/report_api.hpp"
#include "aggregator/site_gauges.hpp"
#include "aggregator/verify.hpp"
#include "aggregator/worker.hpp"
#include "collector/intake.hpp"
#include "collector/rate_limit.hpp"
#include "collector/salts.hpp"
#include "collector/salts_check.hpp"
#include "collector/shipper.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/config.hpp"
#include "core/file.hpp"
#include "core/http/router.hpp"
#include "core/http/server.hpp"
#include "core/keys.hpp"
#include "core/log.hpp"
#include "core/metrics.hpp"
#include "core/process_metrics.hpp"
#include "core/redis/client.hpp"
#include "core/redis/reads.hpp"
#include "core/redis/server_gauges.hpp"
#include "import/import_salt.hpp"
#include "luot/commands.hpp"
#include "luot/data_lock.hpp"
#include "luot/private_redis.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <sys/resource.h>
#include <thread>
#include <vector>

namespace luot {

namespace asio = boost::asio;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds lock_patience{10};
// An orderly end takes 10 s at most, whatever hangs: each phase has its time, all have one end.
constexpr std::chrono::seconds drain_connections{3}, drain_spool{3}, redis_end{2}, whole_end{9};
constexpr std::int64_t stuck_ms = 10'000;
constexpr std::int64_t salts_every_ms = 5'000;  ///< looks for salts that no zone needs any more
constexpr std::size_t most_waiting_readers = 1000;
/// The segments that are being written cannot be removed: together they are an eighth of the spool.
constexpr std::uint64_t segments_per_worker = 8;
/// File descriptors that are not for clients: the admin port's connections, Redis, the spool.
constexpr std::size_t reserved_files = 128, reserved_files_per_worker = 8;
constexpr std::size_t least_connections = 64;

/// A thread with an io_context of its own, and a pulse that shows whether it turns.
class loop {
public:
    loop() : guard_(asio::make_work_guard(context_)), pulse_timer_(context_) {}
    ~loop() { end(); }
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;

    [[nodiscard]] asio::io_context& context() noexcept { return context_; }

    void start()
    {
        beat();
        thread_ = std::thread([this] { context_.run(); });
    }

    /// Ends the thread. What its work has to finish must be finished before.
    void end()
    {
        context_.stop();
        if (thread_.joinable())
            thread_.join();
    }

    [[nodiscard]] bool turns() const noexcept { return steady_ms() - pulse_ms_ < stuck_ms; }

private:
    void beat()
    {
        pulse_ms_ = steady_ms();
        pulse_timer_.expires_after(std::chrono::seconds(1));
        pulse_timer_.async_wait([this](boost::system::error_code error) {
            if (!error)
                beat();
        });
    }

    asio::io_context context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> guard_;
    asio::steady_timer pulse_timer_;
    std::atomic<std::int64_t> pulse_ms_{0};
    std::thread thread_;
};

redis::client_options client_named(std::string name, std::chrono::milliseconds timeout)
{
    redis::client_options options;
    options.name = std::move(name);
    options.command_timeout = timeout;
    options.format_key = keys::format_key;
    options.format = keys::format;
    return options;
}

/// One worker thread of the public port.
struct public_worker {
    public_worker(metrics_registry& metrics, const http::server_options& options)
        : server(thread.context(), routes, options, metrics, "public")
    {
        routes.set_common_headers(
            "Access-Control-Allow-Origin: *\r\n"
            "Access-Control-Expose-Headers: Luot-Token, Luot-Refused, Retry-After\r\n");
    }

    loop thread;
    std::unique_ptr<spool::writer> log;
    std::unique_ptr<redis::client> redis;
    http::router routes;
    std::unique_ptr<collector::intake> intake;
    std::unique_ptr<aggregator::list_api> lists;
    std::unique_ptr<aggregator::read_api> reads;  // shows `lists`
    std::unique_ptr<aggregator::report_api> reports;
    std::unique_ptr<aggregator::article_api> articles;
    std::unique_ptr<aggregator::live_api> live;
    http::server server;
    std::atomic<bool> spool_is_healthy{true};
    std::atomic<std::size_t> connections{0};
};

std::string text_of(const listen_address& a)
{
    return a.host.find(':') == std::string::npos ? a.host + ':' + std::to_string(a.port)
                                                 : '[' + a.host + "]:" + std::to_string(a.port);
}

/// Runs what takes an address, and turns its failure into a line for the operator.
template <class Take>
void take_address(const char* key, const listen_address& address, const Take& take)
{
    try {
        take();
    } catch (const boost::system::system_error& e) {
        const auto code = e.code();
        const char* advice =
            code == asio::error::address_in_use
                ? "stop the program that has this port, or choose another"
            : code == asio::error::access_denied
                ? "choose a port from 1024 on, or allow this one (CAP_NET_BIND_SERVICE)"
                : "choose an address of this machine";
        throw std::runtime_error(std::string(key) + ' ' + text_of(address) + ": " + code.message() +
                                 ": " + advice);
    }
}

/// Two listeners of one port are allowed to each other (SO_REUSEPORT), so that a second luot would
/// not notice the first: look before.
void check_is_free(const char* key, const listen_address& address)
{
    take_address(key, address, [&] {
        asio::io_context context;
        const asio::ip::tcp::endpoint endpoint{asio::ip::make_address(address.host), address.port};
        asio::ip::tcp::acceptor probe{context};
        probe.open(endpoint.protocol());
        probe.set_option(asio::socket_base::reuse_address(true));
        probe.bind(endpoint);
        probe.listen(1);
    });
}

/// Without the position in Boost's source, which its what() ends with.
std::string text_of(const boost::system::system_error& e)
{
    const std::string text = e.what();
    return text.substr(0, text.find(std::string(" [") + e.code().category().name() + ':'));
}

/// How many clients fit into as many file descriptors as the system lets us have.
/// Throws std::runtime_error when these are too few.
std::size_t most_connections(unsigned workers)
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    const auto files = std::min<std::size_t>(limit.rlim_cur, 65536);
    const auto reserve = reserved_files + reserved_files_per_worker * workers;
    if (files < reserve + least_connections)
        throw std::runtime_error("only " + std::to_string(files) +
                                 " files may be open, too few for " + std::to_string(workers) +
                                 " worker threads: allow at least " +
                                 std::to_string(reserve + least_connections) +
                                 " (ulimit -n, or LimitNOFILE= of the service)");
    return files - reserve;
}

class daemon {
public:
    daemon(std::string config_file, config c, roles r);
    ~daemon();
    daemon(const daemon&) = delete;
    daemon& operator=(const daemon&) = delete;

    int run();

private:
    void check_limits();
    void check_redis();
    [[nodiscard]] bool lock_data_dir();
    void start();
    void start_collector();
    void start_aggregator();
    void start_workers();
    void start_watch();
    void start_admin();
    void add_admin_routes();
    asio::awaitable<void> watch_signals();
    asio::awaitable<void> upkeep();
    asio::awaitable<void> shut_down();
    asio::awaitable<bool> wait_until(std::function<bool()> condition,
                                     std::chrono::milliseconds most);
    [[nodiscard]] collector::address_books open_books(const config& c) const;
    void reload();
    void stop(int status);
    std::function<void(std::exception_ptr)> watched(const char* part,
                                                    std::atomic<bool>* done = nullptr);
    void end_loops();
    [[nodiscard]] bool is_ready(std::string& why) const;

    const std::string config_file_;
    const std::shared_ptr<const config> started_with_;
    /// Read again by SIGHUP; what needs a restart is as in started_with_.
    std::shared_ptr<const config> config_;
    const roles roles_;
    // In the order in which they may need each other; the end is the other way round.
    metrics_registry metrics_;
    asio::io_context context_{1};
    asio::signal_set signals_{context_};
    std::unique_ptr<data_lock> lock_;
    std::unique_ptr<private_redis> redis_;
    std::unique_ptr<collector::salt_chain> salts_;
    collector::address_books books_;
    spool::disk_budget budget_;
    collector::rate_limiter rates_;
    aggregator::fall_back_guard guard_;
    aggregator::live_places live_places_;
    std::unique_ptr<loop> ship_thread_, fold_thread_, verify_thread_;
    std::unique_ptr<redis::client> ship_redis_, fold_redis_, verify_redis_, watch_redis_;
    std::unique_ptr<aggregator::site_gauges> site_gauges_;
    std::unique_ptr<collector::shipper> shipper_;
    std::unique_ptr<aggregator::worker> folder_;
    std::vector<std::unique_ptr<public_worker>> workers_;
    http::router admin_routes_;
    std::unique_ptr<http::server> admin_;
    std::atomic<bool> shipper_done_{true}, folder_done_{true};
    unsigned worker_count_ = 1;
    std::size_t most_connections_ = 0;
    bool started_ = false, stopping_ = false;
    bool is_last_reload_good_ = true;
    std::int64_t config_read_ms_ = unix_ms();  ///< of the one that is in use
    std::int64_t end_at_ms_ = 0;  ///< once stopping: when the last phase has to be over
    int status_ = 0;
};

daemon::daemon(std::string config_file, config c, roles r)
    : config_file_(std::move(config_file)),
      started_with_(std::make_shared<const config>(std::move(c))),
      config_(started_with_),
      roles_(r)
{
}

daemon::~daemon()
{
    end_loops();  // before anything that they use goes, also after half a start
}

void daemon::end_loops()
{
    for (auto& w : workers_)
        w->thread.end();
    for (auto* t : {ship_thread_.get(), fold_thread_.get(), verify_thread_.get()})
        if (t)
            t->end();
}

/// What the handler of each coroutine here is: none may end by an exception unnoticed. luot then
/// ends in order, so that who watches over it (systemd) starts it anew.
std::function<void(std::exception_ptr)> daemon::watched(const char* part, std::atomic<bool>* done)
{
    return [this, part, done](std::exception_ptr failed) {
        if (done)
            *done = true;
        if (!failed)
            return;
        std::string why = "unknown";
        try {
            std::rethrow_exception(failed);
        } catch (const std::exception& e) {
            why = e.what();
        } catch (...) {
        }
        log::error("failed", {{"part", part},
                              {"why", why},
                              {"what", "luot ends, start it again: hits and counts are safe"}});
        asio::post(context_, [this] { stop(1); });
    };
}

void daemon::check_limits()
{
    const auto& c = *started_with_;
    worker_count_ = c.collector.workers != 0 ? c.collector.workers
                                             : std::max(1U, std::thread::hardware_concurrency());
    most_connections_ = most_connections(worker_count_);
    if (const auto least = least_spool_bytes(worker_count_);
        roles_.collector && c.spool.max_bytes < least)
        throw std::runtime_error("spool.max_bytes is too small for " +
                                 std::to_string(worker_count_) + " worker threads: at least " +
                                 std::to_string(least) + " bytes, or set collector.workers");
}

/// A Redis that must not be used is refused at the start; one that is away is waited for, while
/// hits are taken.
void daemon::check_redis()
{
    if (!started_with_->redis.configured)
        return;
    asio::io_context context;
    metrics_registry metrics;
    auto options = client_named("luot-check", std::chrono::seconds(1));
    options.quiet = true;
    redis::client client(context, redis_of(*started_with_), options, metrics);
    client.start();
    std::string objection;
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
            objection = co_await client.objection(std::chrono::seconds(1));
            client.stop();
        },
        asio::detached);
    context.run_for(std::chrono::seconds(3));
    if (!objection.empty())
        throw std::runtime_error("redis.url: " + objection);
}

/// Waits while another process holds data_dir. False: asked to stop meanwhile.
bool daemon::lock_data_dir()
{
    const auto& data_dir = started_with_->data_dir;
    lock_ = std::make_unique<data_lock>(data_dir);
    const auto until = steady_ms() + std::chrono::milliseconds(lock_patience).count();
    bool told = false;
    while (!lock_->try_lock()) {
        if (steady_ms() > until)
            throw std::runtime_error("data_dir " + data_dir +
                                     " is in use by another luot (or by the Redis of one that was "
                                     "killed): stop that one first, or use another data_dir");
        if (!std::exchange(told, true))
            log::info("waiting_for_data_dir", {{"data_dir", data_dir}});
        context_.run_for(std::chrono::milliseconds(5));  // a signal may come
        if (stopping_)
            return false;
    }
    return true;
}

/// Those that are configured, where somebody needs them. Throws std::runtime_error.
collector::address_books daemon::open_books(const config& c) const
{
    collector::address_books books;
    if (!roles_.collector)
        return books;
    if (const auto& file = c.collector.country_db; !file.empty())
        books.countries = std::make_shared<const collector::country_db>(file);
    if (const auto& file = c.collector.data_center_networks; !file.empty()) {
        books.data_centers = std::make_shared<const collector::network_list>(
            collector::network_list::load(file, "collector.data_center_networks"));
        log::info("data_center_networks_read",
                  {{"file", file}, {"ranges", books.data_centers->size()}});
    }
    return books;
}

void daemon::start_collector()
{
    const auto& c = *started_with_;
    books_ = open_books(c);
    salts_ = std::make_unique<collector::salt_chain>(c.data_dir + "/salts", unix_ms());
    const auto directory = c.data_dir + "/spool";
    if (const auto error = make_directory(directory))
        throw std::runtime_error("cannot make " + directory + ": " + error.message());
    budget_.max_bytes = c.spool.max_bytes;

    ship_thread_ = std::make_unique<loop>();
    ship_redis_ = std::make_unique<redis::client>(
        ship_thread_->context(), redis_of(c), client_named("luot-ship", std::chrono::seconds(5)),
        metrics_);
    ship_redis_->use_scripts(collector::shipper::scripts());
    collector::shipper_options options;
    options.directory = directory;
    options.retain = c.spool.retain;
    options.archive = {c.archive.directory, c.archive.keep_days};
    // A new start writes under new names, which nobody else has.
    options.on_live_fork = [this] { asio::post(context_, [this] { stop(1); }); };
    shipper_ = std::make_unique<collector::shipper>(ship_thread_->context(), *ship_redis_, options,
                                                    budget_, metrics_);
    shipper_->find_old_logs();
}

void daemon::start_aggregator()
{
    fold_thread_ = std::make_unique<loop>();
    fold_redis_ = std::make_unique<redis::client>(
        fold_thread_->context(), redis_of(*config_),
        client_named("luot-fold", std::chrono::seconds(5)), metrics_);
    fold_redis_->use_scripts(aggregator::worker::scripts());
    // A `serve` that starts again after a kill takes up its own leases at once; aggregators apart
    // may share a machine and a configuration, so each run of one has a name of its own.
    const auto owner = lock_ ? lock_->identity() : to_hex(random_u64());
    folder_ = std::make_unique<aggregator::worker>(fold_thread_->context(), *fold_redis_, config_,
                                                   owner, metrics_);
    folder_done_ = false;
    fold_redis_->start();
    asio::co_spawn(fold_thread_->context(), folder_->run(), watched("aggregator", &folder_done_));
    fold_thread_->start();

    verify_thread_ = std::make_unique<loop>();
    verify_redis_ = std::make_unique<redis::client>(
        verify_thread_->context(), redis_of(*config_),
        client_named("luot-verify", std::chrono::seconds(5)), metrics_);
    verify_redis_->use_scripts(aggregator::verify_scripts());
    verify_redis_->start();
    asio::co_spawn(verify_thread_->context(),
                   aggregator::verify_hourly(
                       verify_thread_->context(), *verify_redis_,
                       [this] { return folder_->holds(); }, metrics_),
                   watched("verify"));
    verify_thread_->start();
}

void daemon::start_workers()
{
    const auto& c = *started_with_;
    const auto count = worker_count_;
    http::server_options options;
    options.max_connections = most_connections_ / count;
    spool::writer_options spool_options;
    spool_options.directory = c.data_dir + "/spool";
    spool_options.segment_bytes = std::clamp<std::uint64_t>(
        c.spool.max_bytes / (segments_per_worker * count), 64 << 10, 64 << 20);
    spool_options.segment_ms = std::chrono::milliseconds(c.spool.retain).count();
    spool_options.sync = c.spool.sync;

    auto address = c.listen.public_port;
    check_is_free("listen.public", address);
    for (unsigned i = 0; i < count; ++i) {
        auto& w = *workers_.emplace_back(std::make_unique<public_worker>(metrics_, options));
        if (roles_.collector) {
            spool_options.write_times =
                &metrics_.add_histogram("luot_spool_write_seconds",
                                        "Each turn's write to the spool.", histogram::scale::work);
            spool_options.sync_times = &metrics_.add_histogram(
                "luot_spool_sync_seconds",
                "Each fdatasync of the spool; there are none with sync = \"os\".",
                histogram::scale::work);
            w.log = std::make_unique<spool::writer>(random_u64(), spool_options, budget_);
            shipper_->add(w.log->log());
            w.intake = std::make_unique<collector::intake>(
                w.thread.context(), config_, *w.log, *salts_, rates_, books_,
                [this, &w] {
                    w.spool_is_healthy.store(w.log->is_healthy(), std::memory_order_relaxed);
                    shipper_->notify();
                },
                metrics_);
            w.intake->add_routes(w.routes);
            w.server.on_too_large(
                [&w](std::string_view path) { return w.intake->too_large(path); });
        }
        if (roles_.aggregator) {
            w.redis = std::make_unique<redis::client>(
                w.thread.context(), redis_of(c),
                client_named("luot-read", std::chrono::milliseconds(1500)), metrics_);
            w.redis->use_scripts({&redis::reads::source()});
            w.redis->start();
            w.lists = std::make_unique<aggregator::list_api>(*w.redis, guard_, config_, metrics_);
            w.lists->add_routes(w.routes);
            w.reads = std::make_unique<aggregator::read_api>(w.thread.context(), *w.redis, guard_,
                                                             *w.lists, most_waiting_readers / count,
                                                             config_, metrics_);
            w.reads->add_routes(w.routes);
            w.reports =
                std::make_unique<aggregator::report_api>(*w.redis, guard_, config_, metrics_);
            w.reports->add_routes(w.routes);
            w.articles =
                std::make_unique<aggregator::article_api>(*w.redis, guard_, config_, metrics_);
            w.articles->add_routes(w.routes);
            w.live = std::make_unique<aggregator::live_api>(w.thread.context(), *w.redis, guard_,
                                                            live_places_, config_, metrics_);
            w.live->add_routes(w.routes);
        }
        take_address("listen.public", address, [&] { w.server.listen(address); });
        address = w.server.local_address();  // the system picks a port once
    }
    if (roles_.collector) {
        shipper_done_ = false;
        ship_redis_->start();
        asio::co_spawn(ship_thread_->context(), shipper_->run(),
                       watched("shipper", &shipper_done_));
        asio::co_spawn(
            ship_thread_->context(),
            collector::watch_salts(ship_thread_->context(), *ship_redis_, *salts_, metrics_),
            watched("salts"));
        ship_thread_->start();
    }
    for (auto& w : workers_)
        w->thread.start();
}

/// What metrics need of Redis, over a connection of its own: it waits for nothing else.
void daemon::start_watch()
{
    watch_redis_ = std::make_unique<redis::client>(
        context_, redis_of(*started_with_),
        [] {
            auto options = client_named("luot-watch", std::chrono::milliseconds(1500));
            options.quiet = true;  // the others tell
            return options;
        }(),
        metrics_);
    watch_redis_->use_scripts({&redis::reads::source()});
    watch_redis_->start();
    asio::co_spawn(context_, redis::watch_server(context_, *watch_redis_, metrics_),
                   watched("watch"));
    if (!roles_.aggregator)
        return;
    site_gauges_ = std::make_unique<aggregator::site_gauges>(
        context_, *watch_redis_, guard_,
        [this] { return folder_->hears_redis() ? folder_->holds() : std::bitset<partitions>{}; },
        config_, metrics_);
    asio::co_spawn(context_, site_gauges_->run(), watched("site gauges"));
}

bool daemon::is_ready(std::string& why) const
{
    if (stopping_)
        why = "stopping";
    else if (roles_.collector) {
        for (const auto& w : workers_)
            if (!w->spool_is_healthy)
                why = "the spool is full or cannot be written";
    } else if (!folder_->hears_redis()) {
        why = "Redis is away or still loading its data";
    }
    return why.empty();
}

void daemon::add_admin_routes()
{
    using http::exchange;
    using http::method;
    using http::quick_handler;
    using http::response;
    const auto plain = [](int status, std::string body) {
        response r;
        r.status = status;
        r.body = std::move(body);
        r.headers = "Cache-Control: no-store\r\n";
        return r;
    };
    const auto add = [this](std::string path, const quick_handler& handler) {
        admin_routes_.add(method::get, path, handler);
        admin_routes_.add(method::head, path, handler);
    };
    add("/metrics", [this, plain](exchange& e) {
        auto r = plain(200, metrics_.text());
        r.content_type = "text/plain; version=0.0.4; charset=utf-8";
        e.respond(r);
    });
    add("/healthz", [this, plain](exchange& e) {
        bool turns = true;
        for (const auto& w : workers_)
            turns = turns && w->thread.turns();
        // Not the verify thread: its sums over millions of pages are no reason to start anew.
        for (const auto* t : {ship_thread_.get(), fold_thread_.get()})
            turns = turns && (!t || t->turns());
        e.respond(turns ? plain(200, "ok\n") : plain(503, "an event loop is stuck\n"));
    });
    add("/readyz", [this, plain](exchange& e) {
        std::string why;
        const bool ready = is_ready(why);
        e.respond(ready ? plain(200, "ready\n") : plain(503, why + '\n'));
    });
}

void daemon::start_admin()
{
    add_admin_routes();
    metrics_.add_gauge("luot_build_info", "Always 1; the version is the label.", [] { return 1.0; },
                       {{"version", LUOT_VERSION}});
    add_process_metrics(metrics_);
    metrics_.add_gauge("luot_config_reload_successful",
                       "0: the configuration was refused when it was read last; the former runs.",
                       [this] { return is_last_reload_good_ ? 1.0 : 0.0; });
    metrics_.add_gauge("luot_config_last_reload_timestamp_seconds",
                       "Unix time at which the configuration in use was read.",
                       [this] { return static_cast<double>(config_read_ms_) / 1000; });
    metrics_.add_gauge("luot_http_connections", "Connections open on the public port.", [this] {
        std::size_t sum = 0;
        for (const auto& w : workers_)
            sum += w->connections;
        return static_cast<double>(sum);
    });
    if (roles_.aggregator)
        metrics_.add_gauge("luot_live_listeners", "Who listens to live figures.",
                           [this] { return static_cast<double>(live_places_.taken()); });
    http::server_options options;
    options.max_connections = 64;
    admin_ = std::make_unique<http::server>(context_, admin_routes_, options, metrics_, "admin");
    const auto& address = started_with_->listen.admin_port;
    check_is_free("listen.admin", address);
    take_address("listen.admin", address, [&] { admin_->listen(address); });
}

void daemon::reload()
{
    try {
        auto next = load_config(config_file_);
        const auto waiting = keep_until_restart(next, *started_with_);
        const auto shared = std::make_shared<const config>(std::move(next));
        auto books = open_books(*shared);
        // First: a hit of a new site must not be folded by who does not know it.
        if (folder_)
            folder_->use(shared);
        books_ = std::move(books);
        for (auto& w : workers_)
            asio::post(w->thread.context(), [&w = *w, shared, books = books_] {
                if (w.intake)
                    w.intake->use(shared, books);
                if (w.reads)
                    w.reads->use(shared);
                if (w.reports)
                    w.reports->use(shared);
                if (w.articles)
                    w.articles->use(shared);
                if (w.lists)
                    w.lists->use(shared);
                if (w.live)
                    w.live->use(shared);
            });
        config_ = shared;
        if (site_gauges_)
            site_gauges_->use(shared);
        is_last_reload_good_ = true;
        config_read_ms_ = unix_ms();
        log::info("configuration_read", {{"file", config_file_}, {"sites", shared->sites.size()}});
        if (!waiting.empty())
            log::warn(
                "configuration_needs_restart",
                {{"keys", waiting},
                 {"what",
                  "these keep their values until luot is restarted, all others have changed"}});
    } catch (const std::runtime_error& e) {  // config_error, or a file that it names
        is_last_reload_good_ = false;
        log::error("configuration_refused", {{"why", e.what()}, {"what", "the running one stays"}});
    }
}

asio::awaitable<void> daemon::watch_signals()
{
    for (;;) {
        const auto [error, number] = co_await signals_.async_wait(as_result);
        if (error)
            co_return;
        if (number == SIGTERM || number == SIGINT) {
            log::info("stopping", {{"signal", number}});
            stop(0);
        } else if (number == SIGCHLD && redis_ && !stopping_) {
            redis_->look_after();
        } else if (number == SIGHUP && started_ && !stopping_) {
            reload();
        }
    }
}

/// Begins the end. The first one to ask decides on the exit status.
void daemon::stop(int status)
{
    if (std::exchange(stopping_, true))
        return;
    status_ = status;
    end_at_ms_ = steady_ms() + std::chrono::milliseconds(whole_end - redis_end).count();
    if (!started_)
        return;
    asio::co_spawn(context_, shut_down(), [this](std::exception_ptr failed) {
        if (failed)
            status_ = 1;
        context_.stop();
    });
}

asio::awaitable<void> daemon::upkeep()
{
    std::int64_t salts_at_ms = steady_ms();
    log::limiter salts_limit{600};
    asio::steady_timer timer(context_);
    while (!stopping_) {
        timer.expires_after(std::chrono::milliseconds(200));
        co_await timer.async_wait(as_result);
        if (redis_ && !stopping_)
            redis_->look_after();
        for (auto& w : workers_)
            asio::post(w->thread.context(), [&w = *w] {
                w.connections = w.server.connections();
                if (w.log)
                    w.spool_is_healthy = w.log->is_healthy();
            });
        if (steady_ms() - salts_at_ms <= salts_every_ms)
            continue;
        salts_at_ms = steady_ms();
        if (const auto error = importer::import_salt::forget_old(
                started_with_->data_dir + "/import.salt", unix_ms());
            error && salts_limit.pass())
            log::error("salt_not_removed", {{"file", "import.salt"}, {"why", error.message()}});
        if (salts_) {
            if (const auto error = salts_->forget_old(unix_ms()); error && salts_limit.pass())
                log::error("salts_not_written",
                           {{"why", error.message()}, {"held_back", salts_limit.held_back()}});
            for (auto& w : workers_)
                asio::post(w->thread.context(), [&w = *w] { w.intake->forget_old_keys(); });
        }
    }
}

asio::awaitable<bool> daemon::wait_until(std::function<bool()> condition,
                                         std::chrono::milliseconds most)
{
    const auto until = std::min(steady_ms() + most.count(), end_at_ms_);
    asio::steady_timer timer(context_);
    while (!condition()) {
        if (steady_ms() > until)
            co_return false;
        timer.expires_after(std::chrono::milliseconds(5));
        co_await timer.async_wait(as_result);
    }
    co_return true;
}

/// Stop accepting, answer what is in flight, ship what was taken, end the threads.
asio::awaitable<void> daemon::shut_down()
{
    for (auto& w : workers_)
        asio::post(w->thread.context(), [&w = *w] { w.server.stop(); });
    const auto count_open = [this] {
        for (auto& w : workers_)
            asio::post(w->thread.context(), [&w = *w] { w.connections = w.server.connections(); });
    };
    std::function<bool()> all_closed = [this, count_open] {
        count_open();
        return std::all_of(workers_.begin(), workers_.end(),
                           [](const auto& w) { return w->connections == 0; });
    };
    for (auto& w : workers_)
        w->connections = 1;  // until it says otherwise
    if (!co_await wait_until(all_closed, drain_connections)) {
        for (auto& w : workers_)
            asio::post(w->thread.context(), [&w = *w] { w.server.close_all(); });
        co_await wait_until(all_closed, std::chrono::milliseconds(500));
    }
    if (shipper_)
        shipper_->stop(std::clamp(std::chrono::milliseconds(end_at_ms_ - steady_ms()),
                                  std::chrono::milliseconds(0),
                                  std::chrono::milliseconds(drain_spool)));
    std::function<bool()> shipped = [this] { return shipper_done_.load(); };
    co_await wait_until(shipped, drain_spool + std::chrono::seconds(1));
    if (folder_)
        folder_->stop();
    std::function<bool()> folded = [this] { return folder_done_.load(); };
    co_await wait_until(folded, std::chrono::milliseconds(1500));

    if (ship_thread_)
        asio::post(ship_thread_->context(), [this] { ship_redis_->stop(); });
    if (fold_thread_)
        asio::post(fold_thread_->context(), [this] { fold_redis_->stop(); });
    if (verify_thread_)
        asio::post(verify_thread_->context(), [this] { verify_redis_->stop(); });
    if (watch_redis_)
        watch_redis_->stop();
    for (auto& w : workers_)
        asio::post(w->thread.context(), [&w = *w] {
            if (w.redis)
                w.redis->stop();
        });
    // Everything that was taken is answered, shipped and folded: what the threads still wait for
    // (the next second, the next question) is of no use any more.
    end_loops();
    admin_->stop();
    admin_->close_all();
}

void daemon::start()
{
    const auto& c = *started_with_;
    check_is_free("listen.public", c.listen.public_port);
    start_admin();
    if (roles_.collector)
        start_collector();
    if (!c.redis.configured) {
        redis_ = std::make_unique<private_redis>(c, *lock_, metrics_);
        redis_->start();
    }
    if (roles_.aggregator)
        start_aggregator();
    start_workers();
    start_watch();
    log::info("listening", {{"public", text_of(workers_.front()->server.local_address())},
                            {"admin", text_of(admin_->local_address())},
                            {"workers", workers_.size()},
                            {"connections", most_connections_},
                            {"version", LUOT_VERSION}});
    started_ = true;
    asio::co_spawn(context_, upkeep(), watched("upkeep"));
}

int daemon::run()
{
    if ((!roles_.collector || !roles_.aggregator) && !started_with_->redis.configured) {
        std::fprintf(stderr, "luot: %s: redis.url is needed when the daemons run apart\n",
                     config_file_.c_str());
        return 2;
    }
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD})
        signals_.add(number);
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a file at its limit is an error of write(2) like any other
    asio::co_spawn(context_, watch_signals(), watched("signals"));
    try {
        check_limits();
        check_redis();
        if (roles_.collector && !lock_data_dir())
            return status_;
        start();
    } catch (const boost::system::system_error& e) {
        std::fprintf(stderr, "luot: %s: can this user write in data_dir, and has its disk room?\n",
                     text_of(e).c_str());
        return 2;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 2;
    }
    context_.run();
    if (redis_)
        redis_->stop(std::chrono::milliseconds(end_at_ms_ - steady_ms()) + redis_end);
    log::info("stopped");
    return status_;
}

}  // namespace

int run_daemon(const std::string& config_file, roles r)
{
    config c;
    try {
        c = load_config(config_file);
    } catch (const config_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 2;
    }
    daemon d{config_file, std::move(c), r};
    return d.run();
}

}  // namespace luot
