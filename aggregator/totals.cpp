#include "aggregator/totals.hpp"

#include "aggregator/fold/fold.hpp"
#include "aggregator/page_names.hpp"
#include "core/bytes.hpp"
#include "core/csv.hpp"
#include "core/keys.hpp"
#include "core/path.hpp"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <vector>

namespace luot::embedded {
extern const std::string_view baseline_lua;
}

namespace luot::aggregator {

namespace asio = boost::asio;

namespace {

constexpr std::size_t rows_per_step = 250;
constexpr std::uint64_t most_views = 1ULL << 53;  // beyond, numbers in Redis are no longer exact
constexpr std::size_t rows_per_read = 1000;

/// "path,views", "Đường dẫn;Lượt xem": words, neither an address nor a number.
bool is_heading(const std::vector<std::string>& cells)
{
    return cells.size() >= 2 && cells[0] != "*" && cells[0].find('/') == std::string::npos &&
           cells[1].find_first_of("0123456789") == std::string::npos;
}

std::string checked(const result<redis::replies>& answers, const redis::client& redis)
{
    if (!answers)
        return "Redis: " + (redis.trouble().empty() ? answers.error().message() : redis.trouble());
    const auto error = answers->first_error();
    return error.is_null() ? std::string{} : "Redis: " + std::string(error.text());
}

}  // namespace

const redis::script& baseline_script()
{
    static const redis::script s{embedded::baseline_lua};
    return s;
}

totals parse_totals(std::string_view csv, const std::string& file_name, const site_config& site)
{
    totals out;
    std::optional<std::size_t> site_line;
    std::uint64_t sum = 0;
    const auto fail = [&](std::size_t line, std::string_view what) -> totals_error {
        return totals_error(fmt::format("{}:{}: {}", file_name, line, what));
    };
    csv_reader reader;
    reader.feed(csv);
    reader.finish();
    csv_record record;
    bool is_first = true;
    for (;; is_first = false) {
        const auto outcome = reader.next(record);
        if (outcome == csv_reader::outcome::end)
            break;
        if (outcome != csv_reader::outcome::record)
            throw fail(record.line, "a quote is not closed, or the line is too long");
        const auto line_number = record.line;
        auto& cells = record.cells;
        while (cells.size() > 1 && cells.back().empty())  // as spreadsheets pad their rows
            cells.pop_back();
        std::uint64_t views = 0;
        if (cells.size() < 2 || !parse_number(cells[1], views)) {
            if (is_first && is_heading(cells))
                continue;
            throw fail(line_number, "a row is `path,views`, or `*,views,visits` for the site");
        }
        if (cells[0] == "*") {
            if (site_line)
                throw fail(line_number, "the site's row `*` is there twice");
            site_line = line_number;
            out.views = views;
            if (cells.size() != 3 || !parse_number(cells[2], out.visits))
                throw fail(line_number,
                           "the site's row is `*,views,visits`, numbers without points or commas "
                           "(visits 0 when they are not known)");
            continue;
        }
        if (cells.size() > 2)
            throw fail(line_number,
                       "a page's row is `path,views`, a number without points or commas (and a "
                       "path with a comma in quotes)");
        std::string path;
        if (const auto error = normalise_page(cells[0], site, {}, path, nullptr))
            throw fail(line_number, "the path cannot be counted on this site: " + error.message());
        if (!out.pages.emplace(path, views).second)
            throw fail(line_number, "the path is there twice: after normalising it is " + path);
        sum += views;
        if (sum > most_views)
            throw fail(line_number, "the views of all rows together are too many to be counted");
    }
    if (!site_line)
        out.views = sum;
    if (out.views < sum)
        throw fail(*site_line, fmt::format("the site's {} views are fewer than the {} of its pages",
                                           out.views, sum));
    if (out.visits > out.views)
        throw fail(*site_line, "the site has more visits than views");
    if (out.pages.empty() && !site_line)
        throw totals_error(file_name + ": there is no row in it");
    return out;
}

asio::awaitable<totals> read_totals(redis::client& redis, const site_config& site)
{
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        totals out;
        std::int64_t edits = -1;
        bool is_one_state = true;
        for (std::size_t from = 0; is_one_state; from += rows_per_read) {
            redis::pipeline commands;
            commands.add("ZRANGE", keys::baseline(site.id), from, from + rows_per_read - 1,
                         std::string_view("WITHSCORES"));
            commands.add("HMGET", keys::totals(site.id), std::string_view("baseline_views"),
                         std::string_view("baseline_visits"), std::string_view("edits"));
            const auto answers = co_await redis.exec(commands);
            if (const auto trouble = checked(answers, redis); !trouble.empty())
                throw totals_error(trouble);
            const auto rows = (*answers)[0], held = (*answers)[1];
            for (std::size_t i = 0; i + 1 < rows.size(); i += 2)
                out.pages[std::string(rows[i].text())] =
                    static_cast<std::uint64_t>(rows[i + 1].count());
            out.views = static_cast<std::uint64_t>(held[0].count());
            out.visits = static_cast<std::uint64_t>(held[1].count());
            is_one_state = edits == -1 || edits == held[2].count();
            edits = held[2].count();
            if (is_one_state && rows.size() < 2 * rows_per_read)
                co_return out;
        }
    }
    throw totals_error("the site's starting totals are being changed: run this again");
}

std::string totals_text(const totals& t)
{
    csv_line line;
    auto out = std::string(utf8_bom) + line.add("path").add("views").add("visits").take();
    const auto number = [](std::uint64_t n) { return static_cast<std::int64_t>(n); };
    out += line.add("*").add(number(t.views)).add(number(t.visits)).take();
    for (const auto& [path, views] : t.pages)
        out += line.add(path).add(number(views)).take();
    return out;
}

asio::awaitable<import_outcome> import_totals(redis::client& redis, const site_config& site,
                                              std::uint32_t max_paths, const totals& wanted)
{
    auto held = co_await read_totals(redis, site);
    auto& present = held.pages;

    // Falling rows first, then the site, then rising ones: at no moment do the pages explain more
    // than the site has.
    std::vector<std::pair<std::string, std::uint64_t>> falling, rising;
    for (const auto& [path, views] : present) {
        const auto now = wanted.pages.find(path);
        const auto next = now == wanted.pages.end() ? 0 : now->second;
        if (next < views)
            falling.emplace_back(path, next);
    }
    for (const auto& [path, views] : wanted.pages) {
        const auto before = present.find(path);
        if (views > (before == present.end() ? 0 : before->second))
            rising.emplace_back(path, views);
    }
    // How many paths the site would have: new ones come, and those go that have only been imported.
    std::int64_t path_count = 0;
    const auto look_at = [&](const std::vector<std::pair<std::string, std::uint64_t>>& rows,
                             const auto& change) -> asio::awaitable<void> {
        for (std::size_t from = 0; from < rows.size(); from += rows_per_step) {
            const auto upto = std::min(rows.size(), from + rows_per_step);
            redis::command c{"ZMSCORE"};
            c.add(std::string_view(keys::pages(site.id)));
            for (auto i = from; i < upto; ++i)
                c.add(std::string_view(rows[i].first));
            redis::pipeline commands;
            commands.add(c);
            const auto answers = co_await redis.exec(commands);
            if (const auto trouble = checked(answers, redis); !trouble.empty())
                throw totals_error(trouble);
            for (auto i = from; i < upto; ++i)
                path_count += change(rows[i], (*answers)[0][i - from]);
        }
    };
    const auto comes = [](const auto&, const redis::reply_view& views) {
        return views.is_null() ? 1 : 0;
    };
    const auto goes = [&present](const auto& row, const redis::reply_view& views) {
        const bool is_only_imported =
            views.count() == static_cast<std::int64_t>(present[row.first]);
        return row.second == 0 && is_only_imported ? -1 : 0;
    };
    co_await look_at(rising, comes);
    co_await look_at(falling, goes);
    redis::pipeline counting;
    counting.add("ZCARD", keys::pages(site.id));
    counting.add("ZSCORE", keys::pages(site.id), other_path);
    const auto counted = co_await redis.exec(counting);
    if (const auto trouble = checked(counted, redis); !trouble.empty())
        throw totals_error(trouble);
    path_count += (*counted)[0].count() - ((*counted)[1].is_null() ? 0 : 1);
    if (!rising.empty() && path_count > max_paths)
        throw totals_error(
            fmt::format("the site would have {} paths, more than aggregator.max_paths = {}: raise "
                        "it, or import fewer",
                        path_count, max_paths));

    const auto step = [&](const redis::command& arguments) -> asio::awaitable<void> {
        redis::pipeline commands;
        commands.add(arguments);
        const auto answers = co_await redis.exec(commands);
        if (const auto trouble = checked(answers, redis); !trouble.empty())
            throw totals_error(trouble + "; run the same import again to go on");
    };
    const auto call = [&](std::string_view what) {
        auto c = redis::evaluate(baseline_script(), 3);
        c.add(std::string_view(keys::pages(site.id)))
            .add(std::string_view(keys::baseline(site.id)))
            .add(std::string_view(keys::totals(site.id)))
            .add(what);
        return c;
    };
    const auto all_rows = [&](const std::vector<std::pair<std::string, std::uint64_t>>& rows)
        -> asio::awaitable<void> {
        for (std::size_t from = 0; from < rows.size(); from += rows_per_step) {
            auto c = call("rows");
            for (auto i = from; i < std::min(rows.size(), from + rows_per_step); ++i)
                c.add(std::string_view(rows[i].first)).add(rows[i].second);
            co_await step(c);
        }
    };
    co_await all_rows(falling);
    auto whole = call("site");
    whole.add(wanted.views).add(wanted.visits);
    co_await step(whole);
    co_await all_rows(rising);
    co_return import_outcome{wanted.pages.size(), falling.size() + rising.size(), held.views,
                             held.visits};
}

}  // namespace luot::aggregator
