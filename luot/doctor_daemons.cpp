// `luot doctor`: what running daemons say of themselves on their admin ports.

#include "core/clock.hpp"
#include "luot/doctor.hpp"
#include "luot/terminal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace luot {

namespace {

/// The share of one client beyond which it is taken for a proxy, and of how many hits.
constexpr double most_of_one_client = 0.5, least_watched_hits = 512;
constexpr double most_refused = 0.05, least_refused = 100;
constexpr double verify_old_s = 2 * 3600;

bool is_local(const std::string& host)
{
    return host.starts_with("127.") || host == "::1";
}

double sum_of(const std::vector<daemon_view>& daemons, std::string_view name)
{
    double sum = 0;
    for (const auto& d : daemons)
        if (d.metrics)
            sum += d.metrics->sum(name);
    return sum;
}

double most_of(const std::vector<daemon_view>& daemons, std::string_view name)
{
    double most = 0;
    for (const auto& d : daemons)
        if (d.metrics)
            most = std::max(most, d.metrics->sum(name));
    return most;
}

void check_clients(const config& c, const std::vector<daemon_view>& daemons, findings& out)
{
    const auto watched = sum_of(daemons, "luot_watched_hits_total"),
               busiest = sum_of(daemons, "luot_busiest_client_hits_total"),
               untrusted = sum_of(daemons, "luot_untrusted_forwarded_total"),
               received = sum_of(daemons, "luot_hits_received_total");
    const auto advice =
        "if hits come through a proxy, a balancer or a CDN of yours, add its networks to "
        "collector.trusted_proxies, let it send X-Forwarded-For, and send SIGHUP; all readers look "
        "like one else";
    if (received >= least_watched_hits && untrusted > received * most_of_one_client)
        out.warn("trusted_proxies",
                 fmt::format("{:.0f} % of the hits since the start brought an X-Forwarded-For that "
                             "was not believed",
                             untrusted * 100 / received),
                 advice);
    else if (watched >= least_watched_hits && busiest > watched * most_of_one_client)
        out.warn("trusted_proxies",
                 fmt::format("one address sends {:.0f} % of the hits (since the start)",
                             busiest * 100 / watched),
                 advice);
    else if (watched < least_watched_hits)
        out.skip("trusted_proxies",
                 fmt::format("fewer than {:.0f} hits since the start: nothing can be said of who "
                             "sends them ({} networks are trusted)",
                             least_watched_hits, c.collector.trusted_proxies.size()));
    else
        out.ok("trusted_proxies", fmt::format("the busiest address sends {:.0f} % of the hits",
                                              busiest * 100 / watched));
}

void check_refusals(const std::vector<daemon_view>& daemons, findings& out)
{
    constexpr std::pair<std::string_view, std::string_view> advice[] = {
        {"unknown_site", "a page's data-site is none of the configuration's ids"},
        {"host_not_allowed",
         "a page lies on a host that is none of its site's: add it to hosts, or somebody else uses "
         "your tag"},
        {"rate_limited",
         "readers behind one address: raise rate_limit_per_client, or see trusted_proxies"},
        {"spool_full", "make room, or see why Redis is away"},
        {"bad_request", "old tags, or scanners; luot doctor URL looks at a page"},
        {"too_large", "an attack, or a page with a huge address"},
        {"bad_token", "a server-side client has a wrong token"}};
    const auto received = sum_of(daemons, "luot_hits_received_total");
    bool is_quiet = true;
    for (const auto& [reason, what] : advice) {
        double refused = 0;
        for (const auto& d : daemons)
            if (d.metrics)
                refused += d.metrics->sum("luot_hits_refused_total", "reason", reason);
        if (refused < least_refused || refused < received * most_refused)
            continue;
        is_quiet = false;
        out.warn("refused hits",
                 fmt::format("{:.0f} of {:.0f} since the start: {}", refused, received, reason),
                 std::string(what));
    }
    if (is_quiet)
        out.ok("refused hits", fmt::format("{:.0f} of {:.0f} since the start",
                                           sum_of(daemons, "luot_hits_refused_total"), received));
}

void check_collectors(const config& c, const std::vector<daemon_view>& daemons, findings& out)
{
    check_clients(c, daemons, out);
    check_refusals(daemons, out);
    for (const auto& d : daemons) {
        if (!d.is_collector())
            continue;
        const auto bytes = d.metrics->sum("luot_spool_bytes"),
                   most = d.metrics->sum("luot_spool_max_bytes");
        const auto seen = fmt::format("{} of {} used, {:.0f} hits not in Redis yet",
                                      bytes_text(static_cast<std::uint64_t>(bytes)),
                                      bytes_text(static_cast<std::uint64_t>(most)),
                                      d.metrics->sum("luot_unshipped_hits"));
        if (most > 0 && bytes > most * 0.9)
            out.warn("spool", seen, "is Redis away, or no aggregator at work?");
        else
            out.ok("spool", seen);
        if (d.metrics->sum("luot_salts_differ") > 0)
            out.fail("salts differ",
                     "another collector on this Redis has other salts: readers count once for each",
                     "luot salt export on one, luot salt import on the others");
        if (d.metrics->sum("luot_positions_differ") > 0)
            out.fail("positions", "the disk and Redis cannot both be right",
                     "luot verify --positions; see positions_differ in docs/log-messages.md");
        if (d.metrics->sum("luot_spool_forked_total") > 0)
            out.fail("copied spool", "another process ships under the names of these logs",
                     "see spool_forked in docs/log-messages.md");
        if (d.metrics->sum("luot_spool_damaged_hits_total") > 0)
            out.warn("spool damage", "hits were damaged on disk", "check the disk");
    }
}

void check_aggregators(const std::vector<daemon_view>& daemons, findings& out)
{
    const auto run_at = most_of(daemons, "luot_verify_last_run_timestamp_seconds"),
               differences = sum_of(daemons, "luot_verify_differences"),
               age_s = static_cast<double>(unix_ms()) / 1000 - run_at;
    if (differences > 0)
        out.fail("verify", fmt::format("the last check found {:.0f} differences", differences),
                 "luot verify prints them; docs/verify.md");
    else if (run_at == 0)
        out.skip("verify", "not checked yet: it is 10 s after the start, then every hour");
    else if (age_s > verify_old_s)
        out.warn("verify", "the last check was " + duration_text(age_s) + " ago",
                 "see verify_failed in docs/log-messages.md");
    else
        out.ok("verify", "no differences, checked " + duration_text(std::max(0.0, age_s)) + " ago");
    if (sum_of(daemons, "luot_ids_dropped_early_total") > 0)
        out.warn("max_ids", "ids of hits were forgotten early: late repeats count twice",
                 "raise aggregator.max_ids");
    if (sum_of(daemons, "luot_dropped_tallies_total") > 0)
        out.warn("reports", "rows of breakdowns were given up: reports lack them",
                 "see tallies_dropped in docs/log-messages.md");
    for (const auto& d : daemons)
        if (d.metrics)
            for (const auto& [reason, views] : d.metrics->by("luot_other_views_total", "reason"))
                if (views >= least_refused && reason != "only")
                    out.warn("(other)",
                             fmt::format("{:.0f} views of new pages have no count of their own: {}",
                                         views, reason),
                             reason == "max_paths" ? "luot prune, or raise aggregator.max_paths"
                             : reason == "day"
                                 ? "made-up addresses (see `only`), or raise max_new_paths_per_day"
                                 : "see trusted_proxies");
}

void check_process(const daemon_view& d, findings& out)
{
    const auto& m = *d.metrics;
    if (!m.has("process_max_fds")) {
        out.skip("open files", "this luot does not tell how many it may open");
        return;
    }
    const auto open = m.sum("process_open_fds"), most = m.sum("process_max_fds");
    const auto seen = fmt::format("{:.0f} of {:.0f} are open", open, most);
    if (m.sum("luot_http_connections_refused_total") > 0)
        out.warn("open files", seen + ", and clients were refused for it",
                 "raise LimitNOFILE= of the service");
    else if (most < 4096 || open > most * 0.8)
        out.warn("open files", seen, "raise LimitNOFILE= of the service to 65536");
    else
        out.ok("open files", seen);
}

}  // namespace

std::vector<daemon_view> ask_daemons(const std::vector<listen_address>& addresses, bool is_told,
                                     findings& out)
{
    std::vector<daemon_view> all;
    for (const auto& address : addresses) {
        all.push_back({address, std::nullopt});
        if (!is_told && address.port == 0) {
            out.skip("admin port", "listen.admin has port 0", "say --admin ADDRESS:PORT");
            continue;
        }
        const auto ready = ask(address, "/readyz");
        if (ready.status == 0) {
            out.fail("admin port", text_of(address) + ": " + ready.trouble,
                     "is luot running with this configuration? Start it, or say --admin "
                     "ADDRESS:PORT");
            continue;
        }
        if (ready.status == 200)
            out.ok("admin port", text_of(address) + " is ready");
        else
            out.fail("admin port", text_of(address) + " is not ready: " + ready.body,
                     "see its log (journalctl -u luot)");
        const auto metrics = ask(address, "/metrics", std::chrono::seconds(10));
        if (metrics.status == 200)
            all.back().metrics.emplace(metrics.body);
        if (!is_local(address.host) && !is_told)
            out.warn("admin address", "listen.admin is " + address.host + ", and has no password",
                     "127.0.0.1 unless a firewall keeps others away");
    }
    return all;
}

void check_daemons(const config& c, const std::vector<daemon_view>& daemons, findings& out)
{
    const auto any = [&](bool (daemon_view::*is)() const) {
        return std::any_of(daemons.begin(), daemons.end(),
                           [&](const daemon_view& d) { return (d.*is)(); });
    };
    if (any(&daemon_view::is_collector))
        check_collectors(c, daemons, out);
    if (any(&daemon_view::is_aggregator))
        check_aggregators(daemons, out);
    for (const auto& d : daemons)
        if (d.metrics)
            check_process(d, out);
}

}  // namespace luot
