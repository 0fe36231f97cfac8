#include "aggregator/correct.hpp"
#include "aggregator/corrections/note.hpp"
#include "aggregator/export_table.hpp"
#include "aggregator/totals.hpp"
#include "core/config.hpp"
#include "core/log.hpp"
#include "import/byte_source.hpp"
#include "import/foreign_totals.hpp"
#include "luot/commands.hpp"
#include "luot/on_redis.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

namespace luot {

namespace {

using aggregator::totals;

constexpr std::size_t most_text_bytes = 256 << 20;
constexpr std::size_t piece_bytes = 64 << 10;

/// A file that is read piece by piece.
class totals_file {
public:
    explicit totals_file(const std::string& name)
        : name_(name), source_(importer::byte_source::open(name))
    {
        check(source_.has_error() ? source_.error() : error_code{});
    }

    /// The next bytes; empty: there are no more.
    std::string next()
    {
        std::string piece(piece_bytes, 0);
        const auto size = source_->read(piece.data(), piece.size());
        check(size.has_error() ? size.error() : error_code{});
        piece.resize(*size);
        return piece;
    }

    /// `head` and all that follows.
    std::string rest(std::string head)
    {
        for (std::string piece; !(piece = next()).empty();) {
            head += piece;
            if (head.size() > most_text_bytes)
                throw totals_error(name_ + " is larger than 256 MiB: are these totals?");
        }
        return head;
    }

private:
    void check(error_code error) const
    {
        if (error)
            throw totals_error("cannot read " + name_ + ": " + error.message());
    }

    const std::string& name_;
    result<importer::byte_source> source_;
};

/// What another counter has exported: hits may be many more than fit into memory.
totals sum_foreign(totals_file& file, const std::string& name, std::string head,
                   const site_config& site, const importer::foreign_options& options,
                   std::string& left_out)
{
    csv_reader reader;
    csv_record record;
    std::unique_ptr<importer::foreign_totals> table;
    for (bool is_over = false; !is_over;) {
        is_over = head.empty();
        if (is_over)
            reader.finish();
        else
            reader.feed(head);
        auto outcome = csv_reader::outcome::more;
        while ((outcome = reader.next(record)) == csv_reader::outcome::record) {
            std::string wrong;
            if (table)
                wrong = table->take(record);
            else
                table = importer::open_foreign(record.cells, site, options, wrong);
            if (!wrong.empty())
                throw totals_error(fmt::format("{}:{}: {}", name, record.line, wrong));
        }
        if (outcome == csv_reader::outcome::too_long || outcome == csv_reader::outcome::open_quote)
            throw totals_error(fmt::format("{}:{}: a quote is not closed, or the line is too long",
                                           name, record.line));
        if (!is_over)
            head = file.next();
    }
    left_out = table->left_out();
    return table->sum();
}

/// By its mark, or by its first character, which is ASCII in every format that is known.
bool is_utf16(std::string_view text)
{
    return text.size() >= 2 && (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF") ||
                                text[0] == 0 || text[1] == 0);
}

/// The totals of a file in any format that is known: its first line tells which.
totals read_file_of_totals(const std::string& name, const site_config& site,
                           const importer::foreign_options& options, std::string& left_out)
{
    totals_file file{name};
    std::string head;
    while (head.size() < csv_reader::most_bytes && head.find('\n') == std::string::npos) {
        const auto piece = file.next();
        if (piece.empty())
            break;
        head += piece;
    }
    if (is_utf16(head))
        throw totals_error(name +
                           " is in UTF-16: save it as UTF-8 (\"CSV UTF-8\" in a spreadsheet; "
                           "iconv -f UTF-16 -t UTF-8)");
    csv_reader reader;
    csv_record first;
    reader.feed(head);
    reader.finish();
    if (reader.next(first) == csv_reader::outcome::record && importer::is_foreign(first.cells))
        return sum_foreign(file, name, std::move(head), site, options, left_out);
    const auto text = file.rest(std::move(head));
    if (aggregator::is_export(text))
        return aggregator::totals_of_export(text, name, site);
    return aggregator::parse_totals(text, name, site);
}

/// Runs `work` on the site's Redis, and says what keeps it from being done.
template <class Work>
int run(const std::string& config_file, const std::string& site_id, const Work& work)
{
    config c;
    const auto* site = load_with_site(config_file, site_id, c);
    if (!site)
        return 2;
    try {
        work(c, *site);
        return 0;
    } catch (const aggregator::correction_error& e) {
        std::fprintf(stderr, "luot: the totals are imported, but not in the log: %s\n", e.what());
        return 1;
    } catch (const std::runtime_error& e) {  // totals_error, no_redis
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 1;
    }
}

/// `of`: whence they are, for the log of the site's corrections.
boost::asio::awaitable<void> import(redis::client& redis, const config& c, const site_config& site,
                                    const totals& wanted, const char* event, std::string_view of,
                                    aggregator::import_outcome& done)
{
    done = co_await aggregator::import_totals(redis, site, c.aggregator.max_paths, wanted);
    log::info(event, {{"site", site.id},
                      {"pages", done.pages},
                      {"changed", done.changed},
                      {"views", wanted.views},
                      {"visits", wanted.visits}});
    if (done.changed == 0 && done.views_before == wanted.views &&
        done.visits_before == wanted.visits)
        co_return;
    auto changed = fmt::format("views {} -> {}, visits {} -> {}, {} {} changed", done.views_before,
                               wanted.views, done.visits_before, wanted.visits, done.changed,
                               done.changed == 1 ? "page" : "pages");
    std::string name(of);
    (void)co_await aggregator::log_note(redis, site, aggregator::totals_note, std::move(name),
                                        std::move(changed));
}

const std::vector<const redis::script*>& scripts_of_import()
{
    static const std::vector<const redis::script*> all{&aggregator::baseline_script(),
                                                       &aggregator::correct_script()};
    return all;
}

}  // namespace

int import_totals_file(const std::string& config_file, const std::string& file,
                       const std::string& site_id, const std::string& url_pattern,
                       bool first_visits_only)
{
    return run(config_file, site_id, [&](const config& c, const site_config& site) {
        std::string left_out;
        const auto wanted =
            read_file_of_totals(file, site, {url_pattern, first_visits_only}, left_out);
        aggregator::import_outcome done;
        run_on_redis(c, "luot-import", scripts_of_import(), [&](redis::client& redis) {
            return import(redis, c, site, wanted, "totals_imported", file, done);
        });
        fmt::print("{}: {} views and {} visits in all, {} pages ({} changed)\n", site.id,
                   wanted.views, wanted.visits, done.pages, done.changed);
        if (!left_out.empty())
            fmt::print("{}: {}\n", site.id, left_out);
    });
}

int show_totals(const std::string& config_file, const std::string& site_id)
{
    return run(config_file, site_id, [&](const config& c, const site_config& site) {
        totals held;
        const auto read = [&](redis::client& redis) -> boost::asio::awaitable<void> {
            held = co_await aggregator::read_totals(redis, site);
        };
        run_on_redis(c, "luot-import", {}, read, redis_use::only_reads);
        const auto text = aggregator::totals_text(held);
        if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
            std::fflush(stdout) != 0)
            throw totals_error("standard output takes no more");
    });
}

int remove_totals(const std::string& config_file, const std::string& site_id)
{
    return run(config_file, site_id, [&](const config& c, const site_config& site) {
        totals held;
        aggregator::import_outcome done;
        const auto work = [&](redis::client& redis) -> boost::asio::awaitable<void> {
            held = co_await aggregator::read_totals(redis, site);
            const totals none;
            co_await import(redis, c, site, none, "totals_removed", "taken back", done);
        };
        run_on_redis(c, "luot-import", scripts_of_import(), work);
        fmt::print("{}: {} views and {} visits of {} pages taken back\n", site.id, held.views,
                   held.visits, held.pages.size());
    });
}

}  // namespace luot
