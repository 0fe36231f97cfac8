#include "aggregator/corrections/address_pairs.hpp"

#include "aggregator/corrections/log.hpp"
#include "aggregator/page_names.hpp"
#include "core/csv.hpp"
#include "core/path.hpp"

#include <fmt/format.h>

namespace luot::aggregator {

std::string normalised(std::string_view path, const site_config& site)
{
    std::string out;
    if (const auto error = normalise_page(path, site, {}, out, nullptr))
        throw correction_error(
            fmt::format("{} is no page of this site: {}", path, error.message()));
    return out;
}

std::pair<std::string, std::string> normalised_pair(std::string_view from, std::string_view to,
                                                    const site_config& site)
{
    std::pair pair{normalised(from, site), normalised(to, site)};
    if (pair.first == pair.second)
        throw correction_error(fmt::format("{} and {} are one page, {}: nothing is to be merged",
                                           from, to, pair.first));
    if (!site.counts_apart(pair.second))
        throw correction_error(
            fmt::format("{} matches none of the site's `only`: it has no count", pair.second));
    // Else its hits would go on being among the others, and the merge would say nothing of it.
    if (!site.counts_apart(pair.first))
        throw correction_error(
            fmt::format("{} matches none of the site's `only`, so its hits are counted in (other), "
                        "which cannot be merged: add it to `only` and reload (SIGHUP), then merge",
                        pair.first));
    return pair;
}

address_pairs parse_pairs(std::string_view csv, const std::string& file_name,
                          const site_config& site)
{
    address_pairs out;
    csv_reader reader;
    reader.feed(csv);
    reader.finish();
    csv_record record;
    for (bool is_first = true;; is_first = false) {
        const auto outcome = reader.next(record);
        const auto fail = [&](std::string_view what) {
            return correction_error(fmt::format("{}:{}: {}", file_name, record.line, what));
        };
        if (outcome == csv_reader::outcome::end)
            break;
        if (outcome != csv_reader::outcome::record)
            throw fail("a quote is not closed, or the line is too long");
        auto& cells = record.cells;
        while (cells.size() > 2 && cells.back().empty())  // as spreadsheets pad their rows
            cells.pop_back();
        if (cells.size() != 2 || cells[0].empty() || cells[1].empty())
            throw fail("a row is `from,to`, two addresses");
        if (is_first && cells[0].find('/') == std::string::npos &&
            cells[1].find('/') == std::string::npos)
            continue;
        if (out.size() == most_aliases)
            throw fail(fmt::format("a site has at most {} merged addresses", most_aliases));
        try {
            out.push_back(normalised_pair(cells[0], cells[1], site));
        } catch (const correction_error& e) {
            throw fail(e.what());
        }
    }
    if (out.empty())
        throw correction_error(file_name + ": there is no row in it");
    return out;
}

}  // namespace luot::aggregator
