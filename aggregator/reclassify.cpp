#include "aggregator/reclassify.hpp"

#include "aggregator/corrections/log.hpp"
#include "aggregator/page_names.hpp"
#include "aggregator/recount.hpp"
#include "aggregator/steps.hpp"
#include "archive/reader.hpp"
#include "core/bytes.hpp"
#include "core/hit.hpp"
#include "core/keys.hpp"
#include "core/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace luot::embedded {
extern const std::string_view reclassify_lua;
}

namespace luot::aggregator {

namespace asio = boost::asio;

namespace {

/// What reclassify.lua begins its refusals with: of one day, so the next may be tried.
constexpr std::string_view script_says = "LUOT reclassify: ";
/// No zone is further from UTC.
constexpr std::int64_t most_zone_ms = 15 * hour_ms;
constexpr std::int64_t silent_after_ms = day_ms;  // as tidy.lua is told
constexpr std::size_t paths_per_question = 500;
/// Rows that one step changes at most, of all breakdowns and pages together.
constexpr std::size_t most_changes = 200'000;
constexpr std::array<std::string_view, 4> hit_fields{"views", "reloads", "bots", "events"};

using rows = std::map<std::string, std::int64_t, std::less<>>;

std::int64_t count_of(const fields& counts, std::string_view name)
{
    const auto found = counts.find(name);
    return found == counts.end() ? 0 : found->second;
}

/// What every hit of a day is one of, whatever its class.
std::int64_t hits_of(const fields& counts)
{
    std::int64_t sum = 0;
    for (const auto name : hit_fields)
        sum += count_of(counts, name);
    return sum;
}

/// One day as Redis has it.
struct stored_day {
    std::vector<std::pair<std::string, std::string>> texts;  ///< of its hash, as they were read
    fields counts;
    std::array<rows, breakdown_count> broken_down;
    std::string first_seen;
    std::map<std::int32_t, std::int64_t> hits;  ///< of it and of the days beside it
    bool rows_wait = false;
    /// Pages of the day that `luot prune` took away later and that came again: their views of the
    /// day are among the others of the pages.
    std::set<std::string, std::less<>> came_again;
};

/// Rows within the bound: those that there are keep their place, the largest of the others come
/// next, and the rest is counted together.
rows capped(const tally& counted, const rows& before, breakdown by)
{
    rows out;
    std::vector<std::pair<std::int64_t, std::string>> others;
    std::int64_t rest = 0;
    for (const auto& [member, count] : counted) {
        if (count == 0)
            continue;
        if (member == other_member)
            rest += count;
        else if (before.contains(member))
            out[member] = count;
        else
            others.emplace_back(-count, member);
    }
    std::sort(others.begin(), others.end());
    for (auto& [count, member] : others) {
        if (static_cast<std::int64_t>(out.size()) < most_members(by))
            out.emplace(std::move(member), -count);
        else
            rest -= count;
    }
    if (rest != 0)
        out.emplace(other_member, rest);
    return out;
}

/// What has to be added to `before` to make it `now`.
template <class Now, class Before>
fields difference_of(const Now& now, const Before& before)
{
    fields out;
    for (const auto& [name, count] : now)
        out[std::string(name)] += count;
    for (const auto& [name, count] : before)
        out[std::string(name)] -= count;
    std::erase_if(out, [](const auto& d) { return d.second == 0; });
    return out;
}

/// What a day is to become.
struct change {
    fields counts;                                    ///< of the day's hash, without visitors
    std::array<fields, breakdown_count> broken_down;  ///< rows of the day and of its month
    fields pages;
    std::string first_seen;                    ///< all of it
    std::map<std::string, std::string> votes;  ///< of pages that come, encoded
    std::vector<std::string> born;             ///< pages that are new on the day
    std::vector<std::string> unborn;           ///< those that were and are no longer

    [[nodiscard]] std::size_t rows() const
    {
        auto sum = pages.size();
        for (const auto& r : broken_down)
            sum += r.size();
        return sum;
    }
    [[nodiscard]] std::size_t size() const { return counts.size() + rows(); }
};

/// One run of the command.
class reclassification {
public:
    reclassification(redis::client& redis, reclassify_options options,
                     std::function<void(const reclassified_day&)> tell)
        : redis_(redis),
          options_(std::move(options)),
          tell_(std::move(tell)),
          sites_(options_.settings),
          site_(*sites_.find(options_.site)),
          classes_{{}, {}, spam_of(*options_.settings)}
    {
    }

    asio::awaitable<void> run()
    {
        co_await read_watermark();
        for (auto date = options_.from; date <= options_.to; ++date) {
            reclassified_day day;
            day.date = date;
            co_await one_day(day);
            tell_(day);
        }
    }

private:
    static spam_list spam_of(const config& c)
    {
        const auto& file = c.aggregator.referrer_spam;
        return file.empty() ? spam_list{} : spam_list::read(file);
    }

    asio::awaitable<redis::replies> exec(const redis::pipeline& commands)
    {
        auto answers = co_await redis_.exec(commands);
        if (!answers)
            throw reclassify_error(
                "Redis: " +
                (redis_.trouble().empty() ? answers.error().message() : redis_.trouble()) +
                "; run the same again to go on");
        if (const auto error = answers->first_error(); !error.is_null())
            throw reclassify_error("Redis: " + std::string(error.text()));
        co_return std::move(*answers);
    }

    /// The time up to which all hits are counted, as tidy.lua works it out.
    asio::awaitable<void> read_watermark()
    {
        redis::pipeline asking;
        asking.add("HGETALL", keys::producers(partition_of(options_.site)));
        asking.add("TIME");
        const auto answers = co_await exec(asking);
        const auto now_ms = answers[1][0].count() * 1000;
        std::map<std::string, std::map<std::string, std::string>, std::less<>> producers;
        for (std::size_t i = 0; i + 1 < answers[0].size(); i += 2) {
            const auto field = answers[0][i].text();
            if (const auto colon = field.find(':'); colon != std::string_view::npos)
                producers[std::string(field.substr(0, colon))]
                         [std::string(field.substr(colon + 1))] = answers[0][i + 1].text();
        }
        // A hit may be stamped five seconds later than Redis takes it.
        closed_ms_ = now_ms - 2 * clock_tolerance_ms;
        for (auto& [name, p] : producers) {
            const auto number = [&p = p](const char* field) {
                std::uint64_t value = 0;
                (void)parse_number(p[field], value);
                return static_cast<std::int64_t>(value);
            };
            const bool waits = number("shipped") != number("applied");
            const bool is_silent =
                number("heard") > 0 && now_ms - number("heard") > silent_after_ms;
            if (p.contains("shipped") && (waits || !is_silent))
                closed_ms_ = std::min(closed_ms_, number("watermark"));
        }
    }

    std::int64_t begin_of(std::int32_t date) const
    {
        for (;; ++date)
            if (const auto hours = site_.zone.hours_of(date); !hours.empty())
                return hours.front() * 1000;
    }

    asio::awaitable<void> one_day(reclassified_day& day)
    {
        const auto next_ends = begin_of(day.date + 2);
        if (closed_ms_ < next_ends) {
            day.refused = fmt::format(
                "it may still change: visits go over midnight, so all hits up to {} must be "
                "counted, and are up to {}",
                site_.zone.local_text(next_ends), site_.zone.local_text(closed_ms_));
            co_return;
        }
        recount again{
            sites_, classes_, options_.site, day.date,
            std::chrono::milliseconds(options_.settings->aggregator.dedupe_window).count()};
        auto stored = co_await read_day(day.date);
        const auto missed = co_await count_again(day.date, stored, again);
        for (int attempt = 0;; ++attempt) {
            day.refused = why_not(day.date, stored, again, missed);
            if (day.refused.empty())
                day.refused = co_await what_deleted(day.date, again);
            if (!day.refused.empty())
                co_return;
            const auto wanted = change_of(day.date, stored, again);
            day.figures = figures_of(stored.counts, wanted.counts);
            day.has_changed = wanted.size() > 0;
            day.rows = wanted.rows();
            if (!day.has_changed) {
                remember(wanted);
                co_return;
            }
            if (wanted.size() > most_changes) {
                day.refused = fmt::format("{} rows would change, more than {} at once",
                                          wanted.size(), most_changes);
                co_return;
            }
            if (options_.is_dry_run) {
                remember(wanted);
                co_return;
            }
            bool is_done = false;
            try {
                is_done = co_await apply(day.date, stored, again, wanted);
            } catch (const reclassify_error& e) {
                const std::string_view why = e.what();
                const auto at = why.find(script_says);
                if (at == std::string_view::npos)
                    throw;
                day.refused = why.substr(at + script_says.size());
                co_return;
            }
            if (is_done) {
                remember(wanted);
                co_return;
            }
            if (attempt == most_attempts) {
                day.refused = "it keeps changing; run this again";
                co_return;
            }
            stored = co_await read_day(day.date);
        }
    }

    /// For the days that follow in this run.
    void remember(const change& done)
    {
        born_.insert(done.born.begin(), done.born.end());
        for (const auto& path : done.unborn)
            if (!born_.contains(path))
                unborn_.insert(path);
    }

    asio::awaitable<stored_day> read_day(std::int32_t date)
    {
        redis::pipeline asking;
        asking.add("HGETALL", keys::day(options_.site, date));
        for (const auto beside : {date - 1, date + 1})
            asking.add("HMGET", keys::day(options_.site, beside), hit_fields[0], hit_fields[1],
                       hit_fields[2], hit_fields[3]);
        asking.add("GET", keys::day_first_seen(options_.site, date));
        asking.add("LRANGE", keys::tallies(partition_of(options_.site)), 0, -1);
        for (const auto& b : breakdown_names)
            asking.add("ZRANGE", keys::day_breakdown(options_.site, date, b.what), 0, -1,
                       std::string_view("WITHSCORES"));
        const auto answers = co_await exec(asking);
        stored_day out;
        const auto hash = answers[0];
        for (std::size_t i = 0; i + 1 < hash.size(); i += 2) {
            out.texts.emplace_back(hash[i].text(), hash[i + 1].text());
            out.counts[std::string(hash[i].text())] = hash[i + 1].count();
        }
        out.hits[date] = hits_of(out.counts);
        for (std::size_t side = 0; side < 2; ++side)
            for (std::size_t i = 0; i < hit_fields.size(); ++i)
                out.hits[side == 0 ? date - 1 : date + 1] += answers[1 + side][i].count();
        out.first_seen = answers[3].text();
        site_tallies waiting;
        for (std::size_t i = 0; i < answers[4].size(); ++i)
            out.rows_wait |= !add_encoded(waiting, answers[4][i].text());
        if (const auto of_site = waiting.find(options_.site); of_site != waiting.end())
            out.rows_wait |= of_site->second.contains(date);
        for (std::size_t by = 0; by < breakdown_count; ++by) {
            const auto list = answers[5 + by];
            for (std::size_t i = 0; i + 1 < list.size(); i += 2)
                out.broken_down[by].emplace(list[i].text(), list[i + 1].count());
        }
        co_await find_pages_that_came_again(date, out);
        co_return out;
    }

    asio::awaitable<void> find_pages_that_came_again(std::int32_t date, stored_day& day)
    {
        std::vector<std::string> paths;
        for (const auto& [path, views] : day.broken_down[static_cast<std::size_t>(breakdown::path)])
            paths.push_back(path);
        for (std::size_t from = 0; from < paths.size(); from += paths_per_question) {
            const auto upto = std::min(paths.size(), from + paths_per_question);
            redis::command facts{"HMGET"};
            facts.add(std::string_view(keys::facts(options_.site)));
            for (auto i = from; i < upto; ++i)
                facts.add(std::string_view(paths[i]));
            redis::pipeline asking;
            asking.add(facts);
            const auto answers = co_await exec(asking);
            for (auto i = from; i < upto; ++i)
                if (decode_votes(answers[0][i - from].text()).first_seen > date)
                    day.came_again.insert(paths[i]);
        }
    }

    /// Answers hits that the archive has, but could not be read.
    asio::awaitable<archive::unread> count_again(std::int32_t date, const stored_day& stored,
                                                 recount& again)
    {
        archive::reader reader{(date - 1) * day_ms - most_zone_ms,
                               (date + 2) * day_ms + most_zone_ms};
        for (const auto& name : options_.archives)
            if (const auto error = reader.add(name))
                throw reclassify_error(
                    name + ": " +
                    (error == errc::bad_record ? "this is no archive of luot" : error.message()));
        co_await begin_paths(date, stored, again);
        for (bool is_there = true; is_there;) {
            archive::archived_hit hit;
            if (const auto error = reader.next(hit, is_there))
                throw reclassify_error("the archive cannot be read: " + error.message());
            if (is_there)
                again.add(hit.what.payload);
            if (!is_there || again.is_full()) {
                co_await tell_of_paths(date, stored, again);
                again.fold();
            }
        }
        co_return reader.passed_over();
    }

    asio::awaitable<void> begin_paths(std::int32_t date, const stored_day& stored, recount& again)
    {
        redis::pipeline asking;
        asking.add("ZCARD", keys::pages(options_.site));
        asking.add("ZSCORE", keys::pages(options_.site), other_path);
        asking.add("GET", keys::day_first_seen(options_.site, date + 1));
        const auto answers = co_await exec(asking);
        const auto pages = answers[0].count() - (answers[1].is_null() ? 0 : 1);
        again.set_path_count(static_cast<std::uint64_t>(std::max<std::int64_t>(0, pages)));
        new_then_.clear();
        for (const auto& list : {stored.first_seen, std::string(answers[2].text())})
            for (const auto hash : unpacked_u64(list))
                new_then_.insert(hash);
    }

    /// Which paths existed before the day: those that are pages (or were on the day, and have been
    /// pruned since), but for those first seen on it or later.
    asio::awaitable<void> tell_of_paths(std::int32_t date, const stored_day& stored, recount& again)
    {
        const auto paths = again.unknown_paths();
        const auto& rows_then = stored.broken_down[static_cast<std::size_t>(breakdown::path)];
        for (std::size_t from = 0; from < paths.size(); from += paths_per_question) {
            const auto upto = std::min(paths.size(), from + paths_per_question);
            redis::command scores{"ZMSCORE"}, facts{"HMGET"};
            scores.add(std::string_view(keys::pages(options_.site)));
            facts.add(std::string_view(keys::facts(options_.site)));
            for (auto i = from; i < upto; ++i) {
                scores.add(std::string_view(paths[i]));
                facts.add(std::string_view(paths[i]));
            }
            redis::pipeline asking;
            asking.add(scores).add(facts);
            const auto answers = co_await exec(asking);
            for (auto i = from; i < upto; ++i) {
                const auto& path = paths[i];
                const auto at = i - from;
                const bool is_page = !answers[0][at].is_null();
                const auto first_seen = decode_votes(answers[1][at].text()).first_seen;
                const bool is_new =
                    !born_.contains(path) &&
                    (new_then_.contains(path_hash(path)) || unborn_.contains(path) ||
                     (first_seen >= date && !stored.came_again.contains(path)));
                again.tell(path, (is_page || rows_then.contains(path)) && !is_new);
                if (is_page && is_new)
                    again.is_to_come();
            }
        }
    }

    /// The correction that has taken hits of the day out, if one stands: what was imported since
    /// may make up for them in number.
    asio::awaitable<std::string> what_deleted(std::int32_t date, const recount& again)
    {
        const auto log = co_await read_corrections(redis_, options_.site);
        const auto names = co_await current_names(redis_, site_);
        if (!names)
            throw reclassify_error("Redis: " + names.error().message());
        // A page goes with the addresses that are merged into it.
        std::set<std::string, std::less<>> pages;
        for (const auto& [path, views] : again.rows()[static_cast<std::size_t>(breakdown::path)]) {
            pages.insert(std::string(of_page) + utf8::one_line(path));
            pages.insert(std::string(of_page) + utf8::one_line((*names)->page_of(path)));
        }
        const auto day = std::string(of_day) + date_text(date);
        for (const auto& [number, r] : log.records) {
            const bool is_of_all_before =
                r.at_ms >= begin_of(date) && (r.of == of_site || pages.contains(r.of));
            if (r.what == "delete" && r.state != "undone" && (is_of_all_before || r.of == day))
                co_return fmt::format(
                    "luot delete ({}, correction {}) has taken hits of it out{}", r.of, number,
                    r.state.ends_with("for good") ? " for good" : ": undo that first");
        }
        co_return std::string{};
    }

    std::string why_not(std::int32_t date, const stored_day& stored, const recount& again,
                        const archive::unread& missed) const
    {
        for (const auto& [d, counted] : stored.hits) {
            const auto found = again.days().find(d);
            const auto archived = found == again.days().end() ? 0 : hits_of(found->second);
            if (archived == counted)
                continue;
            std::string why;
            if (archived < counted)
                why = fmt::format(
                    "the archive lacks {} of the {} hits counted {}: they were imported from a "
                    "log, "
                    "are still in a spool or another collector's archive (--archive), or came "
                    "before the archive was on",
                    counted - archived, counted,
                    d == date ? "on it" : "on " + date_text(d) + ", over whose midnight visits go");
            else
                why = fmt::format(
                    "the archive has {} hits more than the {} counted {}: luot delete has taken "
                    "them out (luot corrections), Redis has lost them, or they were repeats that "
                    "came later than aggregator.dedupe_window",
                    archived - counted, counted, d == date ? "on it" : "on " + date_text(d));
            if (missed.damaged_bytes > 0 || missed.damaged_frames > 0)
                why += "; a file of the archive is damaged";
            return why;
        }
        if (stored.rows_wait)
            return "rows of its reports wait to be written; run this again";
        if (stored.counts.contains("cut"))
            return "only its most read pages are kept apart, so what the others have of it is not "
                   "known: aggregators keep all rows for archive.keep_days if archive.dir is set "
                   "in "
                   "their configuration, too";
        const auto& pages = stored.broken_down[static_cast<std::size_t>(breakdown::path)];
        std::int64_t sum = 0;
        for (const auto& [path, views] : pages)
            sum += views;
        if (sum != count_of(stored.counts, "views"))
            return "its views by page are not whole: its reports are older than "
                   "aggregator.keep_days, or rows of it were given up";
        if (pages.size() - (pages.contains(other_path) ? 1 : 0) >=
            static_cast<std::size_t>(most_members(breakdown::path)))
            return "it has more pages than its report holds, so what each page has of it is not "
                   "known";
        return {};
    }

    change change_of(std::int32_t date, const stored_day& stored, const recount& again) const
    {
        change out;
        static const fields none;
        const auto counted = again.days().find(date);
        auto now = counted == again.days().end() ? none : counted->second;
        auto before = stored.counts;
        before.erase("visitors");
        for (std::size_t by = 0; by < breakdown_count; ++by) {
            const auto& b = breakdown_names[by];
            const auto wanted = capped(again.rows()[by], stored.broken_down[by], b.what);
            out.broken_down[by] = difference_of(wanted, stored.broken_down[by]);
            std::int64_t sum = 0;
            for (const auto& [member, delta] : out.broken_down[by])
                sum += delta;
            // The sum of the rows goes with the rows.
            before.erase(rows_field(b));
            if (sum != 0)
                now[rows_field(b)] = sum;
        }
        const auto& pages = stored.broken_down[static_cast<std::size_t>(breakdown::path)];
        rows page_rows;
        for (const auto& [path, views] : again.rows()[static_cast<std::size_t>(breakdown::path)])
            page_rows[path] += views;
        out.pages = difference_of(page_rows, pages);
        for (const auto& path : stored.came_again)
            if (const auto found = out.pages.find(path); found != out.pages.end()) {
                const auto delta = found->second;
                out.pages.erase(found);
                out.pages[std::string(other_path)] += delta;
            }
        std::erase_if(out.pages, [](const auto& page) { return page.second == 0; });
        list_new_paths(stored, again, now, before, out);
        out.counts = difference_of(now, before);
        return out;
    }

    /// Paths that are new on the day, or are no longer. Where nothing has changed the list stays as
    /// it is: `luot prune` may have shortened it.
    void list_new_paths(const stored_day& stored, const recount& again, fields& now,
                        const fields& before, change& out) const
    {
        std::unordered_map<std::uint64_t, std::string> names;
        for (const auto& [path, views] : again.rows()[static_cast<std::size_t>(breakdown::path)])
            names.emplace(path_hash(path), path);
        for (const auto& [path, views] :
             stored.broken_down[static_cast<std::size_t>(breakdown::path)])
            names.emplace(path_hash(path), path);
        const std::unordered_set<std::uint64_t> wanted(again.first_seen().begin(),
                                                       again.first_seen().end());
        std::unordered_set<std::uint64_t> held;
        std::int64_t new_paths = count_of(before, "new_paths");
        for (const auto hash : unpacked_u64(stored.first_seen)) {
            held.insert(hash);
            if (wanted.contains(hash)) {
                put_u64(out.first_seen, hash);
                continue;
            }
            --new_paths;
            if (const auto name = names.find(hash); name != names.end())
                out.unborn.push_back(name->second);
        }
        for (const auto hash : again.first_seen()) {
            const auto name = names.find(hash);
            if (name != names.end())
                out.born.push_back(name->second);
            if (held.contains(hash))
                continue;
            ++new_paths;
            put_u64(out.first_seen, hash);
            const auto* votes = name == names.end() ? nullptr : again.votes_of(name->second);
            if (votes)
                out.votes[name->second] = *votes;
        }
        now["new_paths"] = std::clamp<std::int64_t>(new_paths, 0, count_of(now, "views"));
    }

    static std::vector<reclassified_day::figure> figures_of(const fields& before,
                                                            const fields& more)
    {
        std::vector<reclassified_day::figure> out;
        const auto add = [&](const std::string& name) {
            const auto was = count_of(before, name);
            out.push_back({name, was, was + count_of(more, name)});
        };
        for (const char* name : {"views", "visits", "events", "bots", "new_paths"})
            add(name);
        std::map<std::string, int> kinds;
        for (const auto* counts : {&before, &more})
            for (const auto& [name, count] : *counts)
                if (name.starts_with("bots:"))
                    kinds[name];
        for (const auto& [name, unused] : kinds)
            add(name);
        return out;
    }

    /// False when the day is another one by now.
    asio::awaitable<bool> apply(std::int32_t date, const stored_day& stored, const recount& again,
                                const change& wanted)
    {
        const auto& site = options_.site;
        steps out{{keys::day(site, date), keys::month(site, date), keys::totals(site),
                   keys::pages(site), keys::baseline(site), keys::facts(site),
                   keys::producers(partition_of(site)), keys::day_visitors(site, date),
                   keys::day_first_seen(site, date)}};
        out.add(std::string_view("reclassified-" + to_hex(random_u64())),
                options_.settings->aggregator.max_paths, stored.first_seen.size(),
                std::string_view(wanted.first_seen), std::string_view(packed_u64(again.visitors())),
                stored.texts.size());
        for (const auto& [field, value] : stored.texts)
            out.add(std::string_view(field), std::string_view(value));

        auto of_month = wanted.counts;
        std::erase_if(of_month, [](const auto& f) {
            return f.first == "new_paths" || f.first.find('@') != std::string::npos;
        });
        auto of_all = of_month;
        std::erase_if(of_all, [](const auto& f) { return f.first.starts_with("rows:"); });
        out.counts('H', keys::day(site, date), wanted.counts);
        out.counts('H', keys::month(site, date), of_month);
        out.counts('H', keys::totals(site), of_all);
        const auto ends_ms = kept_until_ms(date, options_.settings->aggregator.keep_days);
        for (const auto& b : breakdown_names) {
            const auto& rows = wanted.broken_down[static_cast<std::size_t>(b.what)];
            if (rows.empty())
                continue;
            const auto add = [&](std::string key, std::int64_t ends) {
                out.add(std::string_view("C"), out.key(std::move(key)), most_members(b.what), ends,
                        rows.size());
                for (const auto& [member, delta] : rows)
                    out.add(std::string_view(member), delta);
            };
            add(keys::day_breakdown(site, date, b.what), ends_ms);
            add(keys::month_breakdown(site, date, b.what), 0);
        }
        if (!wanted.pages.empty()) {
            out.add(std::string_view("Z"), wanted.pages.size());
            for (const auto& [path, delta] : wanted.pages)
                out.add(std::string_view(path), delta);
        }
        if (!wanted.votes.empty()) {
            out.add(std::string_view("V"), wanted.votes.size());
            for (const auto& [path, votes] : wanted.votes)
                out.add(std::string_view(path), std::string_view(votes));
        }
        redis::pipeline commands;
        commands.add(out.command(reclassify_script()));
        const auto answers = co_await exec(commands);
        co_return answers[0].text() == "ok";
    }

    redis::client& redis_;
    const reclassify_options options_;
    const std::function<void(const reclassified_day&)> tell_;
    const site_table sites_;
    const site_table::site& site_;
    const classifier classes_;
    std::int64_t closed_ms_ = 0;
    std::unordered_set<std::uint64_t> new_then_;  ///< hashes of paths first seen on the day or next
    /// Pages that the days so far bring, and those that they no longer do.
    std::unordered_set<std::string> born_, unborn_;
};

}  // namespace

const redis::script& reclassify_script()
{
    static const redis::script s{embedded::reclassify_lua};
    return s;
}

asio::awaitable<void> reclassify(redis::client& redis, reclassify_options options,
                                 std::function<void(const reclassified_day&)> tell)
{
    reclassification run{redis, std::move(options), std::move(tell)};
    co_await run.run();
}

}  // namespace luot::aggregator
