#include "aggregator/prune.hpp"

#include "aggregator/fold/fold.hpp"
#include "aggregator/page_names.hpp"
#include "core/bytes.hpp"
#include "core/hit.hpp"
#include "core/keys.hpp"

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace luot::embedded {
extern const std::string_view prune_lua;
}

namespace luot::aggregator {

namespace asio = boost::asio;

namespace {

constexpr std::size_t paths_per_step = 250;
constexpr std::size_t paths_per_scan = 1000;
constexpr std::int32_t dates_per_read = 2000;

/// One run of the command.
class pruning {
public:
    pruning(redis::client& redis, const site_config& site, const prune_options& options)
        : redis_(redis),
          site_(site),
          options_(options),
          oldest_kept_(options.today - options.older_days)
    {
    }

    asio::awaitable<prune_outcome> run()
    {
        co_await read_merged();
        co_await read_first_seen();
        co_await walk_pages();
        if (!options_.is_dry_run)
            co_await shorten_lists();
        co_return outcome_;
    }

private:
    /// A path with few views that is old enough.
    struct candidate {
        std::string path;
        std::uint64_t hash;
    };

    asio::awaitable<redis::replies> exec(const redis::pipeline& commands)
    {
        auto answers = co_await redis_.exec(commands);
        if (!answers)
            throw prune_error(
                "Redis: " +
                (redis_.trouble().empty() ? answers.error().message() : redis_.trouble()) +
                "; run the same again to go on");
        if (const auto error = answers->first_error(); !error.is_null())
            throw prune_error("Redis: " + std::string(error.text()));
        co_return std::move(*answers);
    }

    /// The count of an address that is merged is that of a page: neither goes by itself.
    asio::awaitable<void> read_merged()
    {
        const auto names = co_await read_page_names(redis_, site_.id);
        if (!names)
            throw prune_error("Redis: " + names.error().message());
        for (const auto& [from, alias] : names->aliases) {
            merged_.insert(path_hash(from));
            merged_.insert(path_hash(alias.to));
        }
    }

    /// Each path's date, the last one when it was pruned since. Any date may have a list: logs of
    /// years ago can be brought in; a hit is dated a day ahead at most.
    asio::awaitable<void> read_first_seen()
    {
        for (std::int32_t from = 0; from <= options_.today + 1; from += dates_per_read) {
            const auto upto = std::min(options_.today + 2, from + dates_per_read);
            redis::pipeline asking;
            for (auto date = from; date < upto; ++date)
                asking.add("STRLEN", keys::day_first_seen(site_.id, date));
            const auto lengths = co_await exec(asking);
            for (auto date = from; date < upto; ++date)
                if (lengths[static_cast<std::size_t>(date - from)].count() > 0)
                    co_await read_list(date);
        }
    }

    asio::awaitable<void> read_list(std::int32_t date)
    {
        redis::pipeline asking;
        asking.add("GET", keys::day_first_seen(site_.id, date));
        const auto answers = co_await exec(asking);
        auto list = unpacked_u64(answers[0].text());
        for (const auto hash : list)
            first_seen_[hash] = date;
        if (date < oldest_kept_)
            old_lists_[date] = std::move(list);
    }

    /// ZSCAN shows every path that is there all the while; some more than once.
    asio::awaitable<void> walk_pages()
    {
        std::string cursor = "0";
        do {
            redis::pipeline asking;
            asking.add("ZSCAN", keys::pages(site_.id), cursor, std::string_view("COUNT"),
                       paths_per_scan);
            const auto answers = co_await exec(asking);
            cursor = answers[0][0].text();
            const auto rows = answers[0][1];
            for (std::size_t i = 0; i + 1 < rows.size(); i += 2)
                look_at(std::string(rows[i].text()), rows[i + 1].count());
            while (candidates_.size() >= paths_per_step)
                co_await take(paths_per_step);
        } while (cursor != "0");
        if (!candidates_.empty())
            co_await take(candidates_.size());
    }

    void look_at(std::string path, std::int64_t views)
    {
        const auto hash = path_hash(path);
        if (path == other_path || !alive_.insert(hash).second)
            return;
        ++outcome_.paths;
        if (views >= static_cast<std::int64_t>(options_.views_below) || merged_.contains(hash))
            return;
        const auto seen = first_seen_.find(hash);
        if (seen != first_seen_.end() && seen->second < oldest_kept_)
            candidates_.push_back({std::move(path), hash});
    }

    /// Takes the last `count` candidates.
    asio::awaitable<void> take(std::size_t count)
    {
        const auto first = candidates_.end() - static_cast<std::ptrdiff_t>(count);
        redis::pipeline commands;
        if (options_.is_dry_run) {
            for (const auto& key : {keys::pages(site_.id), keys::baseline(site_.id)}) {
                redis::command c{"ZMSCORE"};
                c.add(std::string_view(key));
                for (auto at = first; at != candidates_.end(); ++at)
                    c.add(std::string_view(at->path));
                commands.add(c);
            }
        } else {
            auto c = redis::evaluate(prune_script(), 5);
            c.add(std::string_view(keys::pages(site_.id)))
                .add(std::string_view(keys::baseline(site_.id)))
                .add(std::string_view(keys::producers(partition_of(site_.id))))
                .add(std::string_view(keys::totals(site_.id)))
                .add(std::string_view(keys::facts(site_.id)))
                .add(std::string_view("paths"))
                .add(options_.views_below)
                .add(std::string_view("pruned-" + to_hex(random_u64())));
            for (auto at = first; at != candidates_.end(); ++at)
                c.add(std::string_view(at->path));
            commands.add(c);
        }
        const auto answers = co_await exec(commands);
        for (std::size_t i = 0; i < count; ++i) {
            if (options_.is_dry_run && answers[1][i].is_null()) {
                ++outcome_.pruned;
                outcome_.views += static_cast<std::uint64_t>(answers[0][i].count());
            } else if (!options_.is_dry_run && answers[0][0].text().substr(i, 1) == "1") {
                ++outcome_.pruned;
                alive_.erase((first + static_cast<std::ptrdiff_t>(i))->hash);
            }
        }
        if (!options_.is_dry_run)
            outcome_.views += static_cast<std::uint64_t>(answers[0][1].count());
        candidates_.erase(first, candidates_.end());
    }

    /// Lists of days long ago keep only paths that are there and were not seen anew since: else
    /// years of attacks would add up.
    asio::awaitable<void> shorten_lists()
    {
        for (const auto& [date, list] : old_lists_) {
            std::vector<std::uint64_t> rest;
            for (const auto hash : list)
                if (alive_.contains(hash) && first_seen_[hash] == date)
                    rest.push_back(hash);
            if (rest.size() == list.size())
                continue;
            redis::pipeline commands;
            commands.add(redis::evaluate(prune_script(), 1)
                             .add(std::string_view(keys::day_first_seen(site_.id, date)))
                             .add(std::string_view("day"))
                             .add(list.size() * sizeof(std::uint64_t))
                             .add(std::string_view(packed_u64(rest))));
            co_await exec(commands);  // 'moved': the next run does it
        }
    }

    redis::client& redis_;
    const site_config& site_;
    const prune_options options_;
    const std::int32_t oldest_kept_;  // paths first seen from this date on stay
    prune_outcome outcome_;
    boost::unordered_flat_map<std::uint64_t, std::int32_t> first_seen_;
    std::map<std::int32_t, std::vector<std::uint64_t>> old_lists_;
    boost::unordered_flat_set<std::uint64_t> alive_, merged_;
    std::vector<candidate> candidates_;
};

}  // namespace

const redis::script& prune_script()
{
    static const redis::script s{embedded::prune_lua};
    return s;
}

asio::awaitable<prune_outcome> prune(redis::client& redis, const site_config& site,
                                     prune_options options)
{
    pruning run{redis, site, options};
    co_return co_await run.run();
}

}  // namespace luot::aggregator
