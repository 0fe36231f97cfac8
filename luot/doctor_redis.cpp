// `luot doctor`: the Redis that holds the counts. Nothing in it is changed.

#include "aggregator/fold/page_votes.hpp"
#include "core/clock.hpp"
#include "core/hit.hpp"
#include "core/keys.hpp"
#include "core/local_time.hpp"
#include "luot/doctor.hpp"
#include "luot/on_redis.hpp"
#include "luot/terminal.hpp"

#include <boost/asio/awaitable.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <map>
#include <set>
#include <string_view>

namespace luot::embedded {
extern const std::string_view permitted_lua;
}

namespace luot {

namespace {

using boost::asio::awaitable;

constexpr std::chrono::seconds patience{3};
constexpr unsigned least_version = 7;  ///< scripts say what they need by flags since 7.0
constexpr std::int64_t late_ms = 60'000, very_late_ms = 600'000;
/// The fold takes the stream's time for hits that are ahead of it by more.
constexpr std::int64_t clock_warn_ms = 1000, clock_fail_ms = 5000;
constexpr std::size_t most_sites = 100;
/// Titles of so many readers on one page, all different: then it is several pages.
constexpr std::size_t least_titles = 4;
constexpr int looked_at_pages = 20;

/// What luot and its scripts send, with arguments as permitted.lua takes them.
constexpr auto needed_commands = std::to_array<std::string_view>({"append KEY 1",
                                                                  "client setname luot",
                                                                  "del KEY",
                                                                  "evalsha 1 1 KEY",
                                                                  "exists KEY",
                                                                  "get KEY",
                                                                  "getrange KEY 1 1",
                                                                  "hdel KEY 1",
                                                                  "hexists KEY 1",
                                                                  "hget KEY 1",
                                                                  "hgetall KEY",
                                                                  "hincrby KEY 1 1",
                                                                  "hlen KEY",
                                                                  "hmget KEY 1",
                                                                  "hscan KEY 0",
                                                                  "hset KEY 1 1",
                                                                  "hsetnx KEY 1 1",
                                                                  "info",
                                                                  "lindex KEY 1",
                                                                  "lpush KEY 1",
                                                                  "lrange KEY 1 1",
                                                                  "ltrim KEY 1 1",
                                                                  "pexpire KEY 1",
                                                                  "pexpireat KEY 1",
                                                                  "pfadd KEY 1",
                                                                  "pfcount KEY",
                                                                  "pfmerge KEY KEY",
                                                                  "pttl KEY",
                                                                  "rename KEY KEY",
                                                                  "rpop KEY",
                                                                  "rpush KEY 1",
                                                                  "sadd KEY 1",
                                                                  "scan 0",
                                                                  "scard KEY",
                                                                  "script load 1",
                                                                  "set KEY 1",
                                                                  "smembers KEY",
                                                                  "smismember KEY 1",
                                                                  "srem KEY 1",
                                                                  "strlen KEY",
                                                                  "time",
                                                                  "type KEY",
                                                                  "unlink KEY",
                                                                  "xadd KEY * 1 1",
                                                                  "xlen KEY",
                                                                  "xrange KEY - +",
                                                                  "xread streams KEY 0",
                                                                  "xtrim KEY maxlen 1",
                                                                  "zadd KEY 1 1",
                                                                  "zcard KEY",
                                                                  "zcount KEY 1 1",
                                                                  "zincrby KEY 1 1",
                                                                  "zmscore KEY 1",
                                                                  "zrange KEY 1 1",
                                                                  "zrem KEY 1",
                                                                  "zscan KEY 0",
                                                                  "zscore KEY 1"});

const redis::script& permitted_script()
{
    static const redis::script script{embedded::permitted_lua};
    return script;
}

/// The fields of INFO.
std::map<std::string, std::string, std::less<>> fields_of(std::string_view info)
{
    std::map<std::string, std::string, std::less<>> out;
    while (!info.empty()) {
        auto line = info.substr(0, info.find('\n'));
        info.remove_prefix(std::min(line.size() + 1, info.size()));
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        if (const auto colon = line.find(':'); colon != std::string_view::npos)
            out.emplace(line.substr(0, colon), line.substr(colon + 1));
    }
    return out;
}

class redis_check {
public:
    redis_check(redis::client& redis, const config& c, findings& out)
        : redis_(redis), config_(c), out_(out)
    {
    }

    awaitable<void> run()
    {
        co_await settings();
        co_await clock();
        co_await permissions();
        co_await work();
        co_await titles();
    }

private:
    [[nodiscard]] std::string info(std::string_view name) const
    {
        const auto found = info_.find(name);
        return found == info_.end() ? std::string{} : found->second;
    }
    [[nodiscard]] double number(std::string_view name) const
    {
        return std::strtod(info(name).c_str(), nullptr);
    }

    awaitable<void> settings()
    {
        redis::pipeline asked;
        asked.add("INFO");
        asked.add("GET", keys::format_key);
        const auto begun_us = steady_us();
        const auto answers = co_await redis_.exec(asked);
        const auto took_us = steady_us() - begun_us;
        if (!answers) {
            out_.fail("redis", answers.error().message(), "look at its log");
            co_return;
        }
        if ((*answers)[0].is_error()) {
            out_.skip("redis settings", std::string((*answers)[0].text()),
                      "allow INFO to luot's user (docs/redis.md)");
        } else {
            info_ = fields_of((*answers)[0].text());
            judge(took_us);
        }
        const auto format = (*answers)[1].number();
        if (!format)
            out_.warn("redis data", "no luot has counted in this Redis yet",
                      "right for a new one; else: is redis.url the right one, with its database?");
        else if (*format > keys::format)
            out_.fail("redis data", "written by a newer luot", "start that version");
        else
            out_.ok("redis data", fmt::format("format {}", *format));
    }

    void judge(std::int64_t took_us)
    {
        const auto version = info("redis_version");
        const auto seen = fmt::format("Redis {}, answers in {:.1f} ms", version,
                                      static_cast<double>(took_us) / 1000);
        if (std::strtoul(version.c_str(), nullptr, 10) < least_version)
            out_.fail("redis", seen, "luot needs Redis 7.0 or newer");
        else
            out_.ok("redis", seen);

        if (const auto policy = info("maxmemory_policy"); policy != "noeviction")
            out_.fail("redis eviction", "maxmemory-policy is " + policy + ": counts would be lost",
                      "set maxmemory-policy noeviction; luot does not work with any other");
        else
            out_.ok("redis eviction", "noeviction");

        if (info("aof_enabled") != "1")
            out_.fail("redis file",
                      "appendonly is no: a crash takes all counts since the last dump",
                      "redis-cli config set appendonly yes, then config rewrite: a Redis that "
                      "begins with it in its file alone reads no dump, or an old append-only file");
        else if (info("aof_last_write_status") != "ok" || info("aof_last_bgrewrite_status") != "ok")
            out_.fail("redis file", "the append-only file could not be written",
                      "look at its log, its disk and its memory (vm.overcommit_memory = 1)");
        else
            out_.ok("redis file", "append-only file, written");

        if (info("role") != "master")
            out_.fail("redis role", "a " + info("role"), "name the master in redis.url");

        const auto used = number("used_memory"), most = number("maxmemory"),
                   machine = number("total_system_memory");
        const auto memory = fmt::format(
            "{} used of {}", bytes_text(static_cast<std::uint64_t>(used)),
            most > 0 ? bytes_text(static_cast<std::uint64_t>(most)) + " (maxmemory)"
                     : bytes_text(static_cast<std::uint64_t>(machine)) + " of the machine");
        const auto limit = most > 0 ? most * 0.8 : machine * 0.5;
        constexpr auto what_to_do =
            "give it more, luot prune, or lower max_paths, max_ids, keep_days (docs/redis-keys.md)";
        if (most > 0 && used >= most)
            out_.fail("redis memory", memory + ": it takes no more hits, which wait in the spool",
                      what_to_do);
        else if (limit > 0 && used > limit)
            out_.warn("redis memory", memory, what_to_do);
        else
            out_.ok("redis memory", memory);
    }

    awaitable<void> clock()
    {
        redis::pipeline asked;
        asked.add("TIME");
        const auto before_ms = unix_ms();
        const auto answers = co_await redis_.exec(asked);
        const auto after_ms = unix_ms();
        if (!answers || !(*answers)[0].is_array())
            co_return;
        now_ms_ = (*answers)[0][0].count() * 1000 + (*answers)[0][1].count() / 1000;
        const auto ahead_ms = (before_ms + after_ms) / 2 - now_ms_;
        const auto seen = fmt::format("this machine is {} ms {} Redis", std::llabs(ahead_ms),
                                      ahead_ms < 0 ? "behind" : "ahead of");
        if (std::llabs(ahead_ms) > clock_fail_ms)
            out_.fail("redis clock", seen, "let NTP keep the clocks of both machines");
        else if (std::llabs(ahead_ms) > clock_warn_ms)
            out_.warn("redis clock", seen, "let NTP keep the clocks of both machines");
        else
            out_.ok("redis clock", seen);
    }

    /// Whether luot's user may send what luot sends, and its scripts.
    awaitable<void> permissions()
    {
        auto asked = redis::evaluate(permitted_script(), 0);
        asked.add(keys::hits(0));
        for (const auto command : needed_commands)
            asked.add(command);
        redis::pipeline commands;
        commands.add(asked);
        const auto answers = co_await redis_.exec(commands);
        if (!answers)
            co_return;
        const auto answer = (*answers)[0];
        if (answer.is_error()) {
            out_.skip("redis permissions", std::string(answer.text()));
            co_return;
        }
        std::string missing;
        for (std::size_t i = 0; i < answer.size(); ++i)
            missing.append(missing.empty() ? "" : " ").append(answer[i].text());
        if (missing.empty())
            out_.ok("redis permissions", fmt::format("{} commands", needed_commands.size()));
        else
            out_.fail("redis permissions", "luot's user may not: " + missing,
                      "allow them on luot:* (deploy/redis-users.acl)");
    }

    /// What waits, and who works.
    awaitable<void> work()
    {
        redis::pipeline asked;
        for (unsigned p = 0; p < partitions; ++p) {
            asked.add("XLEN", keys::hits(p));
            asked.add("XRANGE", keys::hits(p), "-", "+", "COUNT", "1");
            asked.add("XLEN", keys::rejected(p));
            asked.add("EXISTS", keys::lease(p));
            asked.add("HMGET", keys::producers(p), "lost", "unconfigured");
        }
        const auto answers = co_await redis_.exec(asked);
        if (!answers)
            co_return;
        std::int64_t waiting = 0, oldest_ms = 0, rejected = 0, leases = 0, lost = 0,
                     unconfigured = 0;
        for (unsigned p = 0; p < partitions; ++p) {
            const auto at = [&](std::size_t i) { return (*answers)[p * 5 + i]; };
            waiting += at(0).count();
            if (at(1).size() > 0) {
                const auto id = at(1)[0][0].text();
                std::int64_t ms = 0;
                (void)std::from_chars(id.data(), id.data() + id.size(), ms);
                oldest_ms = std::max(oldest_ms, now_ms_ - ms);
            }
            rejected += at(2).count();
            leases += at(3).count();
            lost += at(4)[0].count();
            unconfigured += at(4)[1].count();
        }
        if (leases == static_cast<std::int64_t>(partitions))
            out_.ok("leases", "all 16 partitions have an aggregator");
        else
            out_.fail("leases",
                      fmt::format("{} of 16 partitions have an aggregator: hits of the other sites "
                                  "are kept, and not counted",
                                  leases),
                      "start luot serve or luot aggregator on this Redis; just started or ended, "
                      "look again in 10 s");
        const auto queue = fmt::format("{} entries wait, the oldest for {}", waiting,
                                       duration_text(static_cast<double>(oldest_ms) / 1000));
        if (oldest_ms > very_late_ms)
            out_.fail("queue", queue, "see the log of the aggregators");
        else if (oldest_ms > late_ms)
            out_.warn("queue", queue, "is it falling? Else see the log of the aggregators");
        else
            out_.ok("queue", waiting == 0 ? "nothing waits" : queue);
        if (rejected > 0)
            out_.warn("rejected", fmt::format("{} entries were set aside", rejected),
                      "see entry_set_aside in docs/log-messages.md");
        if (lost > 0)
            out_.warn("lost", fmt::format("{} acknowledged hits were declared lost", lost),
                      "see hits_lost in docs/log-messages.md");
        if (unconfigured > 0)
            out_.warn(
                "unconfigured",
                fmt::format("{} hits were of sites that the aggregators did not know: in no count",
                            unconfigured),
                "see hits_unconfigured in docs/log-messages.md");
    }

    awaitable<void> titles()
    {
        std::size_t looked_at = 0, found = 0;
        for (std::size_t i = 0; i < std::min(config_.sites.size(), most_sites); ++i) {
            const auto& site = config_.sites[i];
            const local_zone zone(site.timezone);
            redis::pipeline asked;
            asked.add("ZRANGE", keys::day_breakdown(site.id, zone.date(unix_ms()), breakdown::path),
                      "0", looked_at_pages - 1, "REV");
            const auto pages = co_await redis_.exec(asked);
            if (!pages)
                co_return;
            redis::command votes{"HMGET"};
            votes.add(keys::facts(site.id));
            std::vector<std::string> paths;
            for (std::size_t row = 0; row < (*pages)[0].size(); ++row) {
                paths.emplace_back((*pages)[0][row].text());
                votes.add(paths.back());
            }
            if (paths.empty())
                continue;
            redis::pipeline facts;
            facts.add(votes);
            const auto held = co_await redis_.exec(facts);
            if (!held)
                co_return;
            for (std::size_t row = 0; row < paths.size(); ++row) {
                ++looked_at;
                found += judge_titles(site, paths[row], (*held)[0][row].text()) ? 1 : 0;
            }
        }
        if (found == 0 && looked_at > 0)
            out_.ok("titles", fmt::format("{} most read pages have one title each", looked_at));
    }

    bool judge_titles(const site_config& site, const std::string& path, std::string_view encoded)
    {
        const auto votes = aggregator::decode_votes(encoded);
        std::set<std::string_view> titles;
        std::size_t readers = 0;  // of whom a title is kept
        for (const auto& vote : votes.votes) {
            if (vote.title.empty())
                continue;
            titles.insert(vote.title);
            ++readers;
        }
        if (titles.size() < least_titles || titles.size() * 2 < readers)
            return false;
        out_.warn(
            "titles",
            fmt::format("{} of site {} has {} titles among its last {} readers, such as \"{}\" "
                        "and \"{}\": several pages are counted as one",
                        shown(path), site.id, titles.size(), readers, shown(*titles.begin(), 60),
                        shown(*titles.rbegin(), 60)),
            "add the query parameter that names the page to keep_query of the site; luot "
            "explain URL shows what is dropped");
        return true;
    }

    redis::client& redis_;
    const config& config_;
    findings& out_;
    std::map<std::string, std::string, std::less<>> info_;
    std::int64_t now_ms_ = unix_ms();
};

awaitable<void> look(redis::client& redis, const config& c, findings& out)
{
    redis_check check(redis, c, out);
    co_await check.run();
}

}  // namespace

void check_redis(const config& c, findings& out)
{
    try {
        run_on_redis(
            c, "luot-doctor", {&permitted_script()},
            [&](redis::client& redis) { return look(redis, c, out); }, redis_use::only_reads,
            patience);
    } catch (const no_redis& e) {
        out.fail("redis", e.what(),
                 c.redis.configured
                     ? "start Redis; is redis.url right, and does a firewall let this machine in?"
                     : "start luot serve: its own Redis runs as its child; run luot doctor as "
                       "luot's user");
    }
}

}  // namespace luot
