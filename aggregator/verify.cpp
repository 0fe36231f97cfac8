#include "aggregator/verify.hpp"

#include "aggregator/fold/fold.hpp"
#include "aggregator/page_counts.hpp"
#include "aggregator/page_names.hpp"
#include "aggregator/page_sum.hpp"
#include "aggregator/step_size.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/keys.hpp"
#include "core/local_time.hpp"
#include "core/log.hpp"
#include "core/metrics.hpp"
#include "core/redis/reads.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <utility>

namespace luot::embedded {
extern const std::string_view rows_lua, entries_lua;
}

namespace luot::aggregator {

namespace asio = boost::asio;
using namespace std::string_view_literals;

namespace {

constexpr std::size_t most_differences = 1000;
constexpr int scan_count = 1000;
/// Redis and its other clients have so many times what the steps took to themselves. It is given
/// before each walk, since one without a pause is exact more often, and when so much is owed.
constexpr std::int64_t rest_times = 2, most_owed_us = 100'000, longest_rest_us = 1'000'000;
constexpr std::size_t keys_per_pipeline = 200, days_per_pipeline = 50, sites_per_read = 100;
constexpr std::uint64_t bytes_per_step = 1 << 20;  ///< of a stream
constexpr std::uint64_t fewest_entries = 16, most_entries = 500;
constexpr int most_steps = 20'000;  ///< through a stream that grows as fast as it is read
/// Over the pages of a busy site. The third is the first in which pages are looked up that grow.
constexpr int most_walks = 20, fewest_walks = 3;
constexpr std::int64_t walks_ms = 60'000;  ///< after so long no more than the fewest
constexpr int most_connections = 3;        ///< until a run is through over one
/// Of the lists of new paths, so many of the newest are looked for among the pages, and of each its
/// last ones: together no more than a step may answer.
constexpr std::size_t most_lists = 4;
constexpr std::int64_t most_listed_bytes = 32 << 10;
constexpr std::int64_t day_s = 86'400;
/// No zone's date is further from that of UTC.
constexpr std::int32_t zones_days = 1;
constexpr int clients_per_step = 500, most_tallies = 100;
/// A hit is at most so much later than the entry that brought it (fold.hpp).
constexpr std::uint64_t tolerance_ms = clock_tolerance_ms;

const redis::script& rows_script()
{
    static const redis::script s{embedded::rows_lua};
    return s;
}

const redis::script& entries_script()
{
    static const redis::script s{embedded::entries_lua};
    return s;
}

/// What the keys say that a site has.
struct found_site {
    std::set<std::int32_t> months;         ///< by their first days
    std::set<std::int32_t> visitor_days;   ///< with a HyperLogLog
    std::set<std::int32_t> list_days;      ///< with a list of new paths
    std::set<std::int64_t> hours;          ///< with new paths by client
    std::vector<keys::parsed> breakdowns;  ///< of days and months
    std::set<std::uint64_t> corrections;   ///< which have kept what they took
    bool has_wrong_type = false;
};

struct found_partition {
    std::set<std::int64_t> id_sets;
    bool is_there = false, has_wrong_type = false;
};

bool was_found_before(const differences& before, const difference& d)
{
    return std::any_of(before.begin(), before.end(),
                       [&d](const difference& other) { return d.is_about_the_same(other); });
}

/// One walk after the other over a site's pages.
struct page_walk {
    /// False when more than hits have changed the pages since the last answer.
    [[nodiscard]] bool is_of_same_edits(const redis::reply_view& answer)
    {
        const auto known = std::exchange(edits, answer.count());
        return !known || known == edits;
    }

    page_sum sum;
    differences wrong_rows;  ///< of the last walk
    /// Hashes of paths that are not yet met, and the dates of their lists.
    boost::unordered_flat_map<std::uint64_t, std::int32_t> awaited;
    std::optional<std::int64_t> edits;  ///< of the totals
    std::int64_t views = 0;             ///< of the site, at the last step
    step_size size;
};

enum class walk_end { whole, edited, failed };

/// One run of all checks over one connection.
class verification {
public:
    verification(redis::client& redis, const verify_options& options)
        : redis_(redis), options_(options)
    {
    }

    /// False when Redis did not answer or what it answered makes no sense: error() and trouble().
    [[nodiscard]] asio::awaitable<bool> run();

    [[nodiscard]] verify_report& report() noexcept { return report_; }
    [[nodiscard]] error_code error() const noexcept { return error_; }
    [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }

private:
    [[nodiscard]] asio::awaitable<void> rest();
    [[nodiscard]] asio::awaitable<bool> exec(const redis::pipeline& commands);
    [[nodiscard]] asio::awaitable<bool> ask(const redis::pipeline& commands);
    [[nodiscard]] asio::awaitable<bool> read(const redis::reads& wanted);
    [[nodiscard]] asio::awaitable<bool> scan(const std::string& pattern, std::string& cursor,
                                             std::vector<std::string>& names);
    [[nodiscard]] asio::awaitable<bool> look_at_keys();
    [[nodiscard]] asio::awaitable<bool> look_at(const std::vector<std::string>& names);
    [[nodiscard]] asio::awaitable<bool> check_globals();
    [[nodiscard]] asio::awaitable<bool> check_site(const std::string& site,
                                                   const found_site& there);
    [[nodiscard]] asio::awaitable<bool> check_all_time(const std::string& site,
                                                       std::set<std::int32_t>& months);
    [[nodiscard]] asio::awaitable<bool> check_month(const std::string& site, std::int32_t month,
                                                    std::set<std::int32_t>& days);
    [[nodiscard]] asio::awaitable<bool> check_visitors(const std::string& site,
                                                       const std::set<std::int32_t>& days);
    [[nodiscard]] asio::awaitable<bool> check_seen(const std::string& site);
    [[nodiscard]] asio::awaitable<bool> check_each_of(
        const std::string& key,
        void (*check)(const std::string&, std::string_view, std::string_view, differences&));
    [[nodiscard]] asio::awaitable<bool> check_first_seen_of(const std::string& site,
                                                            const std::set<std::int32_t>& days);
    [[nodiscard]] asio::awaitable<bool> check_breakdowns(
        const std::string& site, const std::vector<keys::parsed>& breakdowns);
    [[nodiscard]] asio::awaitable<bool> check_new_paths(const std::string& site, std::int64_t hour);
    [[nodiscard]] asio::awaitable<bool> check_pages(const std::string& site,
                                                    const std::set<std::int32_t>& list_days);
    [[nodiscard]] asio::awaitable<walk_end> await_new_paths(const std::string& site,
                                                            const std::set<std::int32_t>& list_days,
                                                            page_walk& w);
    [[nodiscard]] asio::awaitable<walk_end> walk_over_pages(const std::string& site, page_walk& w);
    [[nodiscard]] asio::awaitable<bool> check_baseline(const std::string& site);
    [[nodiscard]] asio::awaitable<bool> check_corrections(const std::string& site,
                                                          const std::set<std::uint64_t>& kept);
    [[nodiscard]] asio::awaitable<bool> check_partition(unsigned partition,
                                                        const found_partition& there);
    [[nodiscard]] asio::awaitable<bool> check_waiting(unsigned partition);
    [[nodiscard]] asio::awaitable<bool> check_rejected(unsigned partition);
    [[nodiscard]] asio::awaitable<bool> check_tallies_of(unsigned partition);
    [[nodiscard]] asio::awaitable<bool> check_ids(unsigned partition, std::set<std::int64_t> sets);
    [[nodiscard]] asio::awaitable<bool> check_counted_once(unsigned partition);
    [[nodiscard]] asio::awaitable<bool> check_retired_logs(unsigned partition);
    void take_name(const std::string& name, std::string_view type);
    void differ(std::string_view rule, std::string keys, std::string_view field, std::string found,
                std::string expected, std::string member = {});
    void append(differences found);

    redis::client& redis_;
    const verify_options& options_;
    verify_report report_;
    redis::replies answers_;    ///< to the last ask()
    redis::reply_view moment_;  ///< what the last read() read, in answers_
    error_code error_;
    std::string trouble_;
    std::int64_t owed_us_ = 0;  ///< rest, to Redis
    std::map<std::string, found_site> sites_;
    std::map<unsigned, found_partition> partitions_;
};

void verification::differ(std::string_view rule, std::string keys, std::string_view field,
                          std::string found, std::string expected, std::string member)
{
    difference d{std::string(rule), std::move(keys),  std::string(field),
                 std::move(member), std::move(found), std::move(expected)};
    // SCAN may name a key twice.
    if (report_.found.size() < most_differences && !was_found_before(report_.found, d))
        report_.found.push_back(std::move(d));
}

void verification::append(differences found)
{
    for (auto& d : found)
        if (report_.found.size() < most_differences)
            report_.found.push_back(std::move(d));
}

asio::awaitable<void> verification::rest()
{
    const auto us = std::min(std::exchange(owed_us_, 0), longest_rest_us);
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::microseconds(us));
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

/// One step.
asio::awaitable<bool> verification::exec(const redis::pipeline& commands)
{
    const bool is_time_to_rest = owed_us_ >= most_owed_us;
    if (is_time_to_rest)
        co_await rest();
    const auto begun_us = steady_us();
    auto answers = co_await redis_.exec(commands);
    owed_us_ += rest_times * (steady_us() - begun_us);
    if (!answers) {
        error_ = answers.error();
        co_return false;
    }
    answers_ = std::move(*answers);
    co_return true;
}

/// Replies that are errors end the run: every type was looked at before.
asio::awaitable<bool> verification::ask(const redis::pipeline& commands)
{
    const bool is_answered = co_await exec(commands);
    if (!is_answered)
        co_return false;
    if (const auto refusal = answers_.first_error(); !refusal.is_null()) {
        error_ = make_error_code(errc::redis_error);
        trouble_ = refusal.text();
        co_return false;
    }
    co_return true;
}

asio::awaitable<bool> verification::read(const redis::reads& wanted)
{
    redis::pipeline commands;
    commands.add(wanted.call());
    const bool is_read = co_await ask(commands);
    moment_ = answers_[0];
    co_return is_read;
}

/// One part of the keys; the cursor begins and ends with "0".
asio::awaitable<bool> verification::scan(const std::string& pattern, std::string& cursor,
                                         std::vector<std::string>& names)
{
    redis::pipeline commands;
    commands.add("SCAN", std::string_view(cursor), "MATCH"sv, std::string_view(pattern), "COUNT"sv,
                 scan_count);
    const bool is_read = co_await ask(commands);
    if (!is_read)
        co_return false;
    const auto part = answers_[0];
    cursor = part[0].text();
    for (std::size_t i = 0; i < part[1].size(); ++i)
        names.emplace_back(part[1][i].text());
    co_return true;
}

/// Sorts a key into what is to be checked, if it is of the type that it must have.
void verification::take_name(const std::string& name, std::string_view type)
{
    const auto key = keys::parse(name);
    const bool is_global = key.what == keys::kind::format || key.what == keys::kind::salts ||
                           key.what == keys::kind::aggregators;
    if (type == "none")
        return;  // it ended meanwhile: a lease, a set of ids, visitors that were forgotten
    if (key.what == keys::kind::unknown) {
        if (options_.site.empty())
            differ("unknown_key", name, {}, std::string(type), "no such key");
        return;
    }
    const bool is_asked = is_global || options_.of[key.partition];
    if (!is_asked || (!options_.site.empty() && key.site != options_.site))
        return;
    ++report_.keys;
    const auto wanted = keys::redis_type(key.what == keys::kind::kept ? key.was : key.what);
    const bool is_right = type == wanted;
    if (!is_right)
        differ("wrong_type", name, {}, std::string(type), std::string(wanted));
    if (is_global)
        return;
    if (key.site.empty()) {
        auto& p = partitions_[key.partition];
        p.is_there = true;
        p.has_wrong_type |= !is_right;
        if (key.what == keys::kind::id_set)
            p.id_sets.insert(key.ten_minutes);
        return;
    }
    auto& s = sites_[key.site];
    s.has_wrong_type |= !is_right;
    if (key.what == keys::kind::day || key.what == keys::kind::day_visitors ||
        key.what == keys::kind::month)
        s.months.insert(month_begin(key.date));
    if (key.what == keys::kind::day_visitors)
        s.visitor_days.insert(key.date);
    if (key.what == keys::kind::taken || key.what == keys::kind::kept)
        s.corrections.insert(key.correction);
    if (key.what == keys::kind::day_first_seen)
        s.list_days.insert(key.date);
    if (key.what == keys::kind::new_paths)
        s.hours.insert(key.hour);
    if (key.what == keys::kind::day_breakdown || key.what == keys::kind::month_breakdown) {
        s.months.insert(month_begin(key.date));
        s.breakdowns.push_back(key);
    }
}

/// All keys, part by part: days are kept for ever, so there may be millions.
asio::awaitable<bool> verification::look_at_keys()
{
    const std::string all = "luot:*";
    std::string cursor = "0";
    do {
        std::vector<std::string> names;
        if (!co_await scan(all, cursor, names) || !co_await look_at(names))
            co_return false;
    } while (cursor != "0");
    co_return true;
}

asio::awaitable<bool> verification::look_at(const std::vector<std::string>& names)
{
    for (std::size_t from = 0; from < names.size(); from += keys_per_pipeline) {
        redis::pipeline commands;
        const auto upto = std::min(names.size(), from + keys_per_pipeline);
        for (auto i = from; i < upto; ++i)
            commands.add("TYPE", std::string_view(names[i]));
        if (!co_await ask(commands))
            co_return false;
        for (auto i = from; i < upto; ++i)
            take_name(names[i], answers_[i - from].text());
    }
    co_return true;
}

/// The keys that belong to no partition.
asio::awaitable<bool> verification::check_globals()
{
    const std::string format(keys::format_key), salts(keys::salts_key),
        aggregators(keys::aggregators_key);
    const auto wrong = [this](const std::string& key) {
        return std::any_of(report_.found.begin(), report_.found.end(),
                           [&key](const difference& d) { return d.keys == key; });
    };
    if (!wrong(format)) {
        redis::pipeline commands;
        commands.add("GET", std::string_view(format));
        if (!co_await ask(commands))
            co_return false;
        const auto version = answers_[0].text();
        if (!answers_[0].is_null() && version != std::to_string(keys::format))
            differ("format", format, {}, std::string(version), std::to_string(keys::format));
    }
    if (!wrong(salts)) {
        redis::pipeline commands;
        commands.add("HGETALL", std::string_view(salts));
        if (!co_await ask(commands))
            co_return false;
        const auto fields = answers_[0];
        for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
            std::int32_t date = 0;
            const auto value = fields[i + 1].text();
            const bool is_hex = !value.empty() && value.find_first_not_of("0123456789abcdef") ==
                                                      std::string_view::npos;
            if (!parse_date(fields[i].text(), date) || !is_hex)
                differ("salt_fingerprints", salts, fields[i].text(), std::string(value),
                       "a date and a fingerprint in hexadecimal digits");
        }
    }
    if (!wrong(aggregators)) {
        redis::pipeline commands;
        commands.add("HGETALL", std::string_view(aggregators));
        commands.add("TIME");
        if (!co_await ask(commands))
            co_return false;
        differences found;
        check_aggregators(aggregators, answers_[0], answers_[1][0].count() * 1000, found);
        append(std::move(found));
    }
    co_return true;
}

asio::awaitable<bool> verification::run()
{
    const bool are_listed = co_await look_at_keys();
    if (!are_listed || (options_.site.empty() && !co_await check_globals()))
        co_return false;
    for (const auto& [site, there] : sites_) {
        ++report_.sites;
        if (there.has_wrong_type)
            continue;  // said already; what is read of it would be errors
        if (!co_await check_site(site, there))
            co_return false;
    }
    for (const auto& [partition, there] : partitions_)
        if (options_.site.empty() && there.is_there && !there.has_wrong_type)
            if (!co_await check_partition(partition, there))
                co_return false;
    co_return true;
}

asio::awaitable<bool> verification::check_site(const std::string& site, const found_site& there)
{
    auto days = there.visitor_days;
    auto months = there.months;
    if (!co_await check_all_time(site, months))
        co_return false;
    for (const auto month : months)
        if (!co_await check_month(site, month, days))
            co_return false;
    if (!co_await check_visitors(site, days))
        co_return false;
    if (!co_await check_first_seen_of(site, there.list_days) ||
        !co_await check_breakdowns(site, there.breakdowns))
        co_return false;
    for (const auto hour : there.hours)
        if (!co_await check_new_paths(site, hour))
            co_return false;
    if (!co_await check_corrections(site, there.corrections))
        co_return false;
    if (!co_await check_pages(site, there.list_days) || !co_await check_baseline(site))
        co_return false;
    if (partitions_[partition_of(site)].has_wrong_type)
        co_return true;
    co_return co_await check_seen(site) &&
        co_await check_each_of(keys::visits(site), check_visit) &&
        co_await check_each_of(keys::facts(site), check_facts);
}

/// All time against the months, read at one moment. A month that began after the keys were listed
/// is missing then: a difference stands only when keys that are listed after it was found show no
/// other month (months are never removed).
asio::awaitable<bool> verification::check_all_time(const std::string& site,
                                                   std::set<std::int32_t>& months)
{
    const auto pattern = keys::month(site, 0);
    const auto all_months = pattern.substr(0, pattern.rfind(':')) + ":*";
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        redis::reads wanted;
        wanted.add("HGETALL", keys::totals(site));
        for (const auto month : months)
            wanted.add("HGETALL", keys::month(site, month));
        if (!co_await read(wanted))
            co_return false;
        differences sums, of_hash, said_elsewhere;
        const auto totals = read_counts_of(keys::totals(site), moment_[0], of_hash);
        check_hash(totals, of_hash);
        std::vector<count_hash> parts;
        std::size_t at = 1;
        for (const auto month : months)
            parts.push_back(
                read_counts_of(keys::month(site, month), moment_[at++], said_elsewhere));
        check_sum("sum_of_months", totals, parts, all_months, sums);
        const auto known = months.size();
        if (!sums.empty()) {
            std::vector<std::string> names;
            std::string cursor = "0";
            do {
                if (!co_await scan(all_months, cursor, names))
                    co_return false;
            } while (cursor != "0");
            for (const auto& name : names)
                if (const auto key = keys::parse(name); key.what == keys::kind::month)
                    months.insert(key.date);
        }
        if (months.size() == known) {
            append(std::move(of_hash));
            append(std::move(sums));
            co_return true;
        }
    }
    report_.undecided.push_back(keys::totals(site) + ": months kept appearing");
    co_return true;
}

/// A month against its days, each of which may be there, read at one moment; and each hash by
/// itself. Adds the days that are there to `days`.
asio::awaitable<bool> verification::check_month(const std::string& site, std::int32_t month,
                                                std::set<std::int32_t>& days)
{
    const auto end = month_begin(month, 1);
    redis::reads wanted;
    wanted.add("HGETALL", keys::month(site, month));
    for (auto date = month; date < end; ++date)
        wanted.add("HGETALL", keys::day(site, date));
    if (!co_await read(wanted))
        co_return false;
    differences found;
    const auto whole = read_counts_of(keys::month(site, month), moment_[0], found);
    check_hash(whole, found);
    std::vector<count_hash> parts;
    for (auto date = month; date < end; ++date) {
        parts.push_back(read_counts_of(keys::day(site, date),
                                       moment_[static_cast<std::size_t>(date - month) + 1], found));
        if (!parts.back().counts.empty())
            days.insert(date);
        check_hash(parts.back(), found);
    }
    const auto name = keys::day(site, month);
    check_sum("sum_of_days", whole, parts, name.substr(0, name.size() - 2) + "*", found);
    append(std::move(found));
    co_return true;
}

/// A day's visitors against its HyperLogLog. PFCOUNT is not allowed to a script that only reads, so
/// it is put between two reads of the day: every addition to the HyperLogLog comes with views.
asio::awaitable<bool> verification::check_visitors(const std::string& site,
                                                   const std::set<std::int32_t>& days)
{
    for (auto at = days.begin(); at != days.end();) {
        redis::pipeline commands;
        const auto first = at;
        for (std::size_t i = 0; i < days_per_pipeline && at != days.end(); ++i, ++at) {
            commands.add("HMGET", keys::day(site, *at), "visitors"sv, "views"sv, "deleted_views"sv);
            commands.add("PFCOUNT", keys::day_visitors(site, *at));
            commands.add("HMGET", keys::day(site, *at), "visitors"sv, "views"sv);
        }
        if (!co_await exec(commands))
            co_return false;
        std::size_t i = 0;
        for (auto date = first; date != at; ++date, i += 3) {
            const auto before = answers_[i], estimate = answers_[i + 1], after = answers_[i + 2];
            const auto key = keys::day_visitors(site, *date);
            if (estimate.is_error()) {
                if (!estimate.is_error("WRONGTYPE")) {
                    error_ = make_error_code(errc::redis_error);
                    trouble_ = estimate.text();
                    co_return false;
                }
                differ("wrong_type", key, {}, "no HyperLogLog", "a HyperLogLog");
                continue;
            }
            if (before[1].count() != after[1].count())
                continue;  // hits came in between: the next run sees it, or the day is over
            const auto visitors = before[0].count(), views = before[1].count();
            const auto least = std::min(estimate.count(), views);
            // The estimate of a set that grows does not fall, but for a rounding. A deleted page
            // leaves its visitors there.
            const bool has_only_visitors =
                estimate.count() > 0 && views == 0 && before[2].count() == 0;
            if (visitors < least || visitors > estimate.count() + 1 || has_only_visitors)
                differ("visitors_of_day", keys::day(site, *date) + ',' + key, "visitors",
                       std::to_string(visitors),
                       fmt::format("{} of {} views", estimate.count(), views));
        }
    }
    co_return true;
}

/// The last hits of visitors are none of a time to come.
asio::awaitable<bool> verification::check_seen(const std::string& site)
{
    const auto key = keys::seen(site);
    if (partitions_[partition_of(site)].has_wrong_type)
        co_return true;
    redis::reads wanted;
    wanted.add("ZRANGE", key, 0, 0, "WITHSCORES"sv);
    wanted.add("ZRANGE", key, -1, -1, "WITHSCORES"sv);
    wanted.add("HGET", keys::producers(partition_of(site)), "last_ms"sv);
    if (!co_await read(wanted))
        co_return false;
    if (moment_[0].size() != 2 || moment_[2].is_null())
        co_return true;
    const auto newest = moment_[2].count() + static_cast<std::int64_t>(tolerance_ms);
    for (std::size_t i = 0; i < 2; ++i) {
        const auto member = moment_[i][0].text();
        const auto time = moment_[i][1].number();
        if (member.size() != 8)
            differ("seen_members", key, {}, fmt::format("{} bytes", member.size()), "8 bytes",
                   std::string(member));
        else if (!time || *time < 0 || *time > newest)
            differ("seen_times", key, {}, std::string(moment_[i][1].text()),
                   fmt::format("0 to {}", newest), std::string(member));
    }
    co_return true;
}

/// What is remembered of visits that go on, and of pages, can be read.
asio::awaitable<bool> verification::check_each_of(const std::string& key,
                                                  void (*check)(const std::string&,
                                                                std::string_view, std::string_view,
                                                                differences&))
{
    differences found;
    std::string cursor = "0";
    do {
        redis::pipeline commands;
        commands.add("HSCAN", std::string_view(key), std::string_view(cursor), "COUNT"sv,
                     clients_per_step);
        if (!co_await ask(commands))
            co_return false;
        const auto part = answers_[0][1];
        for (std::size_t i = 0; i + 1 < part.size(); i += 2)
            check(key, part[i].text(), part[i + 1].text(), found);
        cursor = answers_[0][0].text();
    } while (cursor != "0");
    append(std::move(found));
    co_return true;
}

/// The days' lists of new paths against what the days have brought. `luot prune` shortens lists.
asio::awaitable<bool> verification::check_first_seen_of(const std::string& site,
                                                        const std::set<std::int32_t>& days)
{
    for (auto at = days.begin(); at != days.end();) {
        redis::reads wanted;
        const auto first = at;
        for (std::size_t i = 0; i < days_per_pipeline && at != days.end(); ++i, ++at) {
            wanted.add("STRLEN", keys::day_first_seen(site, *at));
            wanted.add("HGET", keys::day(site, *at), "new_paths"sv);
        }
        if (!co_await read(wanted))
            co_return false;
        differences found;
        std::size_t i = 0;
        for (auto date = first; date != at; ++date, i += 2)
            check_first_seen(keys::day_first_seen(site, *date), keys::day(site, *date),
                             static_cast<std::uint64_t>(moment_[i].count()),
                             static_cast<std::uint64_t>(moment_[i + 1].count()), found);
        append(std::move(found));
    }
    co_return true;
}

/// Each breakdown against its day or month, at one moment. One that has ended meanwhile is none.
asio::awaitable<bool> verification::check_breakdowns(const std::string& site,
                                                     const std::vector<keys::parsed>& breakdowns)
{
    for (const auto& b : breakdowns) {
        const bool is_day = b.what == keys::kind::day_breakdown;
        const auto whole = is_day ? keys::day(site, b.date) : keys::month(site, b.date);
        const auto key = is_day ? keys::day_breakdown(site, b.date, b.by)
                                : keys::month_breakdown(site, b.date, b.by);
        redis::reads wanted;
        wanted.add("ZRANGE", key, 0, -1, "WITHSCORES"sv);
        wanted.add("HGET", whole, std::string_view(rows_field(name_of(b.by))));
        if (!co_await read(wanted))
            co_return false;
        differences found;
        if (moment_[0].size() > 0)
            check_breakdown(key, whole, b.by, moment_[0], moment_[1].count(), found);
        append(std::move(found));
    }
    co_return true;
}

/// What clients have brought in an hour, read in parts, against the days on which it may lie, read
/// after it: what is brought is counted in both at once, and days forget nothing.
asio::awaitable<bool> verification::check_new_paths(const std::string& site, std::int64_t hour)
{
    if (partitions_[partition_of(site)].has_wrong_type)
        co_return true;
    client_paths clients{keys::new_paths(site, hour), {}};
    differences found;
    std::string cursor = "0";
    do {
        redis::pipeline commands;
        commands.add("HSCAN", std::string_view(clients.key), std::string_view(cursor), "COUNT"sv,
                     clients_per_step);
        if (!co_await ask(commands))
            co_return false;
        clients.add(answers_[0][1], found);
        cursor = answers_[0][0].text();
    } while (cursor != "0");
    const auto date = static_cast<std::int32_t>(hour / 24);
    redis::reads wanted;
    wanted.add("PTTL", clients.key);
    wanted.add("HGET", keys::producers(partition_of(site)), "last_ms"sv);
    for (const auto day : {date - 1, date, date + 1})
        wanted.add("HGET", keys::day(site, day), "new_paths"sv);
    if (!co_await read(wanted))
        co_return false;
    append(std::move(found));
    if (moment_[0].number() == -1)
        differ("new_paths_expire", clients.key, {}, "no expiry", "an expiry: it tells of clients");
    const auto newest = moment_[1].count() + static_cast<std::int64_t>(tolerance_ms);
    if (!moment_[1].is_null() && hour > newest / hour_ms)
        differ("new_paths_hour", clients.key, {}, std::to_string(hour),
               fmt::format("0 to {}", newest / hour_ms));
    const auto brought = moment_[2].count() + moment_[3].count() + moment_[4].count();
    if (clients.sum() > static_cast<std::uint64_t>(brought))
        differ("new_paths_of_clients", clients.key + ',' + keys::day(site, date), {},
               std::to_string(clients.sum()),
               fmt::format("at most {} of this day, the one before and the next", brought));
    co_return true;
}

/// One step over `walked`, with `other` beside it.
redis::pipeline rows_step(const std::string& walked, const std::string& other,
                          const std::string& totals, const std::string& cursor, int count,
                          const std::vector<std::string>& looked_up = {})
{
    auto c = redis::evaluate(rows_script(), 3);
    c.add(std::string_view(walked)).add(std::string_view(other)).add(std::string_view(totals));
    c.add(std::string_view(cursor)).add(count);
    for (const auto& page : looked_up)
        c.add(std::string_view(page));
    redis::pipeline commands;
    commands.add(c);
    return commands;
}

/// What the newest lists say is new: each is a page, and stays one unless `luot prune` is at work,
/// which `edits` tells, as imports take away no page that has hits. What was new before the last
/// pruning may be gone.
asio::awaitable<walk_end> verification::await_new_paths(const std::string& site,
                                                        const std::set<std::int32_t>& list_days,
                                                        page_walk& w)
{
    w.awaited.clear();
    redis::pipeline commands;
    commands.add("HMGET", keys::totals(site), "edits"sv, "pruned_at"sv);
    std::vector<std::int32_t> dates;
    for (auto at = list_days.rbegin(); at != list_days.rend() && dates.size() < most_lists; ++at) {
        dates.push_back(*at);
        commands.add("GETRANGE", keys::day_first_seen(site, *at), -most_listed_bytes, -1);
    }
    if (!co_await ask(commands))
        co_return walk_end::failed;
    if (!w.is_of_same_edits(answers_[0][0]))
        co_return walk_end::edited;
    const auto pruned = answers_[0][1];
    for (std::size_t i = 0; i < dates.size(); ++i) {
        const auto list = answers_[i + 1].text();
        const bool is_cut = list.size() % sizeof(std::uint64_t) != 0;  // said already
        if (is_cut || (!pruned.is_null() && dates[i] <= pruned.count() / day_s + zones_days))
            continue;
        for (byte_reader in{list}; !in.rest().empty();)
            w.awaited.emplace(in.u64(), dates[i]);
    }
    co_return walk_end::whole;
}

/// Walks over all pages. The moment that page_sum is told of is that of a step of its own, in which
/// all looked_up() pages are read, or else that of the first step.
asio::awaitable<walk_end> verification::walk_over_pages(const std::string& site, page_walk& w)
{
    const auto pages = keys::pages(site), baseline = keys::baseline(site),
               totals = keys::totals(site);
    const auto one_of = [](const redis::reply_view& views, const redis::reply_view& imported) {
        return views.count() - imported.count();
    };
    std::string cursor = "0";
    bool has_begun = false;
    w.wrong_rows.clear();
    co_await rest();
    if (!w.sum.looked_up().empty()) {
        const auto step = rows_step(pages, baseline, totals, cursor, 0, w.sum.looked_up());
        if (!co_await ask(step))
            co_return walk_end::failed;
        const auto part = answers_[0];
        if (!w.is_of_same_edits(part[3]))
            co_return walk_end::edited;
        std::vector<std::int64_t> exact;
        for (std::size_t i = 0; i + 1 < part[5].size(); i += 2)
            exact.push_back(one_of(part[5][i], part[5][i + 1]));
        w.sum.begin(part[1].count(), exact);
        has_begun = true;
    }
    do {
        const auto step = rows_step(pages, baseline, totals, cursor, w.size.rows());
        if (!co_await ask(step))
            co_return walk_end::failed;
        const auto part = answers_[0];
        if (!w.is_of_same_edits(part[3]))
            co_return walk_end::edited;
        cursor = part[0].text();
        w.views = part[1].count();
        if (!std::exchange(has_begun, true))
            w.sum.begin(w.views, {});
        const auto rows = part[4];
        std::size_t bytes = 0;
        for (std::size_t i = 0; i + 2 < rows.size(); i += 3) {
            bytes += rows[i].text().size();
            w.sum.add(rows[i].text(), one_of(rows[i + 1], rows[i + 2]));
            if (!w.awaited.empty())
                w.awaited.erase(path_hash(rows[i].text()));
            const auto score = rows[i + 1].number();
            const bool is_right = score && *score >= 0 && *score >= rows[i + 2].count();
            if (!is_right && w.wrong_rows.size() < most_differences)
                w.wrong_rows.push_back(
                    {"page_within_baseline",
                     pages + ',' + baseline,
                     {},
                     std::string(rows[i].text()),
                     std::string(rows[i + 1].text()),
                     fmt::format("a whole number from {}", rows[i + 2].count())});
        }
        w.size.answered(bytes);
    } while (cursor != "0");
    w.sum.end(w.views);
    co_return walk_end::whole;
}

/// The pages, less what was imported, sum up to the site's views; and no page has less than was
/// imported for it.
asio::awaitable<bool> verification::check_pages(const std::string& site,
                                                const std::set<std::int32_t>& list_days)
{
    const auto pages = keys::pages(site), baseline = keys::baseline(site),
               totals = keys::totals(site);
    page_walk w;
    int restarts = 0;
    const auto until = steady_ms() + walks_ms;
    const auto is_open = [&w] { return !w.sum.differs() && !w.sum.is_exact(); };
    for (int walks = 0;
         is_open() && walks < most_walks && (walks < fewest_walks || steady_ms() < until);) {
        auto end = co_await await_new_paths(site, list_days, w);
        if (end == walk_end::whole)
            end = co_await walk_over_pages(site, w);
        if (end == walk_end::failed)
            co_return false;
        if (end == walk_end::whole) {
            ++walks;
            continue;
        }
        // Pages were changed by more than hits: begin again.
        if (++restarts > most_walks) {
            report_.undecided.push_back(pages + ": it is being imported to");
            co_return true;
        }
        w.sum = page_sum{};
        w.awaited.clear();
    }
    append(std::move(w.wrong_rows));
    for (const auto& [hash, date] : w.awaited)
        differ("first_seen_is_page", keys::day_first_seen(site, date) + ',' + pages, {}, "no page",
               "a page with this hash", to_hex(hash));
    if (w.sum.differs())
        differ("sum_of_pages", totals + ',' + pages + ',' + baseline, "views",
               std::to_string(w.views),
               w.sum.is_exact()
                   ? std::to_string(w.views + w.sum.low())
                   : fmt::format("{} to {}", w.views + w.sum.low(), w.views + w.sum.high()));
    else if (!w.sum.is_exact())
        report_.undecided.push_back(
            fmt::format("{}: the site is busy, the sum is right to within {} views", pages,
                        std::max(-w.sum.low(), w.sum.high())));
    co_return true;
}

/// What was imported for pages is at most what was imported for the site, and each of them is a
/// page.
asio::awaitable<bool> verification::check_baseline(const std::string& site)
{
    const auto pages = keys::pages(site), baseline = keys::baseline(site),
               totals = keys::totals(site);
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        std::string cursor = "0";
        const page_hash hash;
        page_counts imported;
        step_size size;
        differences found;
        std::int64_t edits = -1, whole = 0;
        bool is_one_state = true;
        do {
            const auto step = rows_step(baseline, pages, totals, cursor, size.rows());
            if (!co_await ask(step))
                co_return false;
            const auto part = answers_[0];
            cursor = part[0].text();
            whole = part[2].count();
            is_one_state = is_one_state && (edits == -1 || edits == part[3].count());
            edits = part[3].count();
            const auto rows = part[4];
            std::size_t bytes = 0;
            for (std::size_t i = 0; i + 2 < rows.size(); i += 3) {
                const auto views = rows[i + 1].number();
                bytes += rows[i].text().size();
                imported.add(hash(rows[i].text()), views.value_or(0));
                const bool has_room = found.size() < most_differences;
                if (has_room && (!views || *views <= 0))
                    found.push_back({"not_a_count",
                                     baseline,
                                     {},
                                     std::string(rows[i].text()),
                                     std::string(rows[i + 1].text()),
                                     "a whole number from 1"});
                if (has_room && rows[i + 2].is_null())
                    found.push_back({"baseline_is_page",
                                     pages + ',' + baseline,
                                     {},
                                     std::string(rows[i].text()),
                                     "no page",
                                     fmt::format("{} or more views", views.value_or(0))});
            }
            size.answered(bytes);
        } while (cursor != "0" && is_one_state);
        if (!is_one_state)
            continue;
        std::int64_t sum = 0;
        imported.sort();
        for (const auto& [page, views] : imported.rows())
            sum += views;
        append(std::move(found));
        if (sum > whole)
            differ("sum_of_baseline", totals + ',' + baseline, "baseline_views",
                   std::to_string(whole), fmt::format("at least {}", sum));
        co_return true;
    }
    report_.undecided.push_back(baseline + ": it is being imported to");
    co_return true;
}

/// The log of corrections, the names that they have given, and that what they keep is in the log:
/// of one moment.
asio::awaitable<bool> verification::check_corrections(const std::string& site,
                                                      const std::set<std::uint64_t>& kept)
{
    redis::reads wanted;
    wanted.add("HGETALL", keys::corrections(site));
    wanted.add("HGETALL", keys::aliases(site));
    wanted.add("SMEMBERS", keys::hidden(site));
    for (const auto number : kept)
        wanted.add("EXISTS", keys::taken(site, number));
    if (!co_await read(wanted))
        co_return false;
    differences found;
    const auto numbers = check_log(keys::corrections(site), moment_[0], found);
    check_aliases(keys::aliases(site), moment_[1], found);
    check_hidden(keys::hidden(site), moment_[2], found);
    std::size_t at = 3;
    for (const auto number : kept)
        if (moment_[at++].count() > 0 && !numbers.contains(number))
            found.push_back({"correction_kept",
                             keys::corrections(site) + ',' + keys::taken(site, number),
                             std::to_string(number),
                             {},
                             "no record",
                             "the record of what took it"});
    append(std::move(found));
    co_return true;
}

asio::awaitable<bool> verification::check_partition(unsigned partition,
                                                    const found_partition& there)
{
    if (!co_await check_waiting(partition) || !co_await check_rejected(partition) ||
        !co_await check_ids(partition, there.id_sets) || !co_await check_tallies_of(partition) ||
        !co_await check_counted_once(partition))
        co_return false;
    if (!co_await check_retired_logs(partition))
        co_return false;
    redis::pipeline commands;
    commands.add("PTTL", keys::lease(partition));
    if (!co_await ask(commands))
        co_return false;
    if (answers_[0].number() == -1)
        differ("lease_ends", keys::lease(partition), {}, "no expiry",
               "an expiry: nobody else takes the partition");
    co_return true;
}

/// A log comes back or goes while this looks: each entry is right for itself.
asio::awaitable<bool> verification::check_retired_logs(unsigned partition)
{
    const auto key = keys::retired(partition);
    std::string cursor = "0";
    do {
        redis::pipeline commands;
        commands.add("HSCAN", key, std::string_view(cursor), "COUNT", 500);
        if (!co_await ask(commands))
            co_return false;
        if (answers_[0].size() != 2)
            co_return true;  // of another type, which was said
        differences found;
        report_.producers[partition].retired.merge(read_retired(key, answers_[0][1], found));
        append(std::move(found));
        cursor = answers_[0][0].text();
    } while (cursor != "0");
    co_return true;
}

stream_entry entry_of(const redis::reply_view& reply)
{
    stream_entry e;
    e.id = reply[0].text();
    e.producer = reply[1].text();
    e.prev = static_cast<std::uint64_t>(reply[2].count());
    e.last = static_cast<std::uint64_t>(reply[3].count());
    e.bytes = static_cast<std::uint64_t>(reply[4].count());
    e.has_reason = reply[5].text() == "1";
    return e;
}

/// The stream against the producers. Entries do not change, go from the front and come at the back:
/// those that were read before and have not gone are known, so the last step, which reads what is
/// new beside the producers, makes the picture of one moment whole.
asio::awaitable<bool> verification::check_waiting(unsigned partition)
{
    const auto stream = keys::hits(partition), producers = keys::producers(partition);
    std::vector<stream_entry> known;
    std::string from = "-";
    std::uint64_t count = fewest_entries, bytes = 0, entries = 0;
    int attempts = 0;
    for (int step = 0; step < most_steps; ++step) {
        redis::pipeline commands;
        commands.add(redis::evaluate(entries_script(), 2)
                         .add(std::string_view(stream))
                         .add(std::string_view(producers))
                         .add(std::string_view(from))
                         .add(count));
        if (!co_await ask(commands))
            co_return false;
        const auto part = answers_[0];
        for (std::size_t i = 0; i < part[0].size(); ++i) {
            known.push_back(entry_of(part[0][i]));
            bytes += known.back().bytes;
            ++entries;
        }
        if (!known.empty())
            from = '(' + known.back().id;
        if (part.size() == 1) {
            count =
                std::clamp(bytes_per_step / (bytes / entries + 1), fewest_entries, most_entries);
            continue;
        }
        const auto first = part[1].text();
        std::erase_if(known, [first](const stream_entry& e) {
            return first.empty() || is_earlier(e.id, first);
        });
        if (known.size() != static_cast<std::size_t>(part[2].count())) {
            // Somebody took an entry out of the middle.
            if (++attempts == most_attempts)
                break;
            known.clear();
            from = "-";
            continue;
        }
        differences found;
        auto state = read_producers(producers, part[3], found);
        check_producers(state, found);
        check_stream(stream, known, state, found);
        append(std::move(found));
        report_.producers[partition] = std::move(state);
        co_return true;
    }
    report_.undecided.push_back(stream + ": it changes faster than it can be read");
    co_return true;
}

/// Entries that were set aside have a reason.
asio::awaitable<bool> verification::check_rejected(unsigned partition)
{
    const auto stream = keys::rejected(partition);
    std::string from = "-";
    for (int step = 0; step < most_steps; ++step) {
        redis::pipeline commands;
        commands.add(redis::evaluate(entries_script(), 1)
                         .add(std::string_view(stream))
                         .add(std::string_view(from))
                         .add(fewest_entries));
        if (!co_await ask(commands))
            co_return false;
        const auto part = answers_[0];
        for (std::size_t i = 0; i < part[0].size(); ++i) {
            const auto e = entry_of(part[0][i]);
            if (!e.has_reason)
                differ("rejected_entry", stream, e.id, "no reason", "a reason");
            from = '(' + e.id;
        }
        if (part.size() > 1)
            co_return true;
    }
    co_return true;
}

/// Rows that wait to be written can be read (looked at: the first of them).
asio::awaitable<bool> verification::check_tallies_of(unsigned partition)
{
    const auto key = keys::tallies(partition);
    redis::pipeline reading;
    reading.add("LRANGE", key, 0, most_tallies - 1);
    if (!co_await ask(reading))
        co_return false;
    differences found;
    check_tallies(key, answers_[0], found);
    append(std::move(found));
    co_return true;
}

/// The index of the sets of ids tells how many are in each.
asio::awaitable<bool> verification::check_ids(unsigned partition, std::set<std::int64_t> sets)
{
    const auto index = keys::id_sets(partition);
    redis::pipeline listing;
    listing.add("ZRANGE", index, 0, -1);
    if (!co_await ask(listing))
        co_return false;
    for (std::size_t i = 0; i < answers_[0].size(); ++i) {
        const auto set = answers_[0][i].number();
        if (set && *set >= 0)
            sets.insert(*set);
        else
            differ("id_index", index, answers_[0][i].text(), "no ten minutes", "a number");
    }
    for (auto at = sets.begin(); at != sets.end();) {
        redis::reads wanted;
        const auto first = at;
        for (std::size_t i = 0; i < keys_per_pipeline && at != sets.end(); ++i, ++at) {
            wanted.add("ZSCORE", index, *at);
            wanted.add("SCARD", keys::id_set(partition, *at));
        }
        if (!co_await read(wanted))
            co_return false;
        std::size_t i = 0;
        for (auto set = first; set != at; ++set, i += 2)
            if (moment_[i].count() != moment_[i + 1].count())
                differ("id_index", index + ',' + keys::id_set(partition, *set),
                       std::to_string(*set), std::string(moment_[i].text()),
                       std::to_string(moment_[i + 1].count()));
    }
    co_return true;
}

/// Nothing is counted that was not applied, and nothing twice: the offsets applied are those of
/// what was counted, of hits that could not be, of repeats, and of those without a hit. Counts are
/// read first: all of them only grow.
asio::awaitable<bool> verification::check_counted_once(unsigned partition)
{
    std::int64_t counted = 0;
    std::vector<std::string> here;
    for (const auto& [site, there] : sites_)
        if (partition_of(site) == partition && !there.has_wrong_type)
            here.push_back(site);
    for (std::size_t from = 0; from < here.size(); from += sites_per_read) {
        redis::reads wanted;
        const auto upto = std::min(here.size(), from + sites_per_read);
        for (auto i = from; i < upto; ++i)
            wanted.add("HMGET", keys::totals(here[i]), "views"sv, "events"sv, "bots"sv);
        if (!co_await read(wanted))
            co_return false;
        for (std::size_t i = 0; i < upto - from; ++i)
            for (std::size_t field = 0; field < 3; ++field)
                counted += moment_[i][field].count();
    }
    redis::pipeline commands;
    commands.add("HMGET", keys::producers(partition), "applied"sv, "damaged"sv, "unconfigured"sv,
                 "bare"sv);
    if (!co_await ask(commands))
        co_return false;
    const auto held = answers_[0];
    const auto least = counted + held[1].count() + held[2].count() + held[3].count();
    if (held[0].count() < least)
        differ("counted_once", keys::producers(partition), "applied",
               std::to_string(held[0].count()),
               fmt::format("at least {} (counted, damaged, unconfigured and bare)", least));
    co_return true;
}

constexpr std::chrono::seconds first_run_after{10}, run_every{3600}, try_again_after{60};
constexpr std::size_t most_lines = 20;

/// Keys, fields and numbers, but nothing that a client has said.
void log_difference(const difference& d)
{
    log::error("verify_difference", {{"rule", d.rule},
                                     {"keys", d.keys},
                                     {"field", d.field},
                                     {"found", d.found},
                                     {"expected", d.expected},
                                     {"what", "see docs/verify.md; luot verify tells it whole"}});
}

}  // namespace

std::vector<const redis::script*> verify_scripts()
{
    return {&redis::reads::source(), &rows_script(), &entries_script()};
}

std::chrono::seconds pause_after(error_code outcome) noexcept
{
    return outcome == errc::redis_away ? try_again_after : run_every;
}

asio::awaitable<result<verify_report>> verify(redis::client& redis, verify_options options,
                                              std::string& trouble)
{
    for (int attempt = 0; attempt < most_connections; ++attempt) {
        const auto connection = redis.connection();
        std::optional<differences> before;
        for (;;) {
            verification v{redis, options};
            if (!co_await v.run()) {
                trouble = v.trouble();
                if (v.error() != errc::redis_away)
                    co_return v.error();
                break;
            }
            if (connection == 0 || redis.connection() != connection)
                break;
            auto& report = v.report();
            if (before)
                std::erase_if(report.found, [&before](const difference& d) {
                    return !was_found_before(*before, d);
                });
            // What is wrong stays wrong. A Redis that was emptied or set back over this connection
            // in the middle of a run is the only thing that does not.
            if (before || report.found.empty())
                co_return std::move(report);
            before = std::move(report.found);
        }
        co_await redis.wait_connected(std::chrono::seconds(5));
    }
    co_return make_error_code(errc::redis_away);
}

asio::awaitable<void> verify_hourly(asio::io_context& context, redis::client& redis,
                                    std::function<std::bitset<partitions>()> held,
                                    metrics_registry& metrics)
{
    struct outcome {
        std::atomic<std::uint64_t> differences{0};
        std::atomic<std::int64_t> run_ms{0};
    };
    const auto last = std::make_shared<outcome>();
    metrics.add_gauge("luot_verify_differences",
                      "Differences that the last check of the counts has found.",
                      [last] { return static_cast<double>(last->differences.load()); });
    metrics.add_gauge("luot_verify_last_run_timestamp_seconds",
                      "Unix time at which the counts were checked last; 0: not yet.",
                      [last] { return static_cast<double>(last->run_ms.load()) / 1000; });
    auto& failures = metrics.add_counter(
        "luot_verify_failures_total", "Checks of the counts that could not be made to their end.");
    asio::steady_timer pause(context, first_run_after);
    for (;;) {
        co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
        verify_options options;
        options.of = held();
        std::string trouble;
        const auto checked = co_await verify(redis, options, trouble);
        if (!checked && checked.error() == errc::stopping)
            co_return;
        if (checked) {
            const auto& found = checked->found;
            for (std::size_t i = 0; i < std::min(found.size(), most_lines); ++i)
                log_difference(found[i]);
            last->differences = found.size();
            last->run_ms = unix_ms();
        } else {
            failures.add();
            log::warn(
                "verify_failed",
                {{"why", trouble.empty() ? checked.error().message() : trouble},
                 {"what", "the counts could not be checked; it is tried again, within the hour"}});
        }
        pause.expires_after(pause_after(checked ? error_code{} : checked.error()));
    }
}

}  // namespace luot::aggregator
