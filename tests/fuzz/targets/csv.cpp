// A table that an operator brings: its records, and what is taken of exports in it. The first line
// steers: in what pieces the rest comes.

#include "core/csv.hpp"

#include "aggregator/export_table.hpp"
#include "core/config.hpp"
#include "core/utf8.hpp"
#include "import/foreign_totals.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <memory>
#include <vector>

namespace luot::fuzz {

namespace {

using rows = std::vector<std::vector<std::string>>;

/// All records in pieces, and how they end as the last row.
rows read(std::string_view text, numbers pieces)
{
    csv_reader reader;
    csv_record record;
    rows out;
    std::size_t line = 0;
    for (;;) {
        const auto outcome = reader.next(record);
        if (outcome == csv_reader::outcome::more) {
            const auto piece = std::min<std::size_t>(1 + pieces.below(40), text.size());
            reader.feed(text.substr(0, piece));
            text.remove_prefix(piece);
            if (text.empty())
                reader.finish();
            continue;
        }
        check(outcome == csv_reader::outcome::end || record.line > line, "lines are in order");
        line = record.line;
        if (outcome != csv_reader::outcome::record) {
            out.push_back({std::to_string(static_cast<int>(outcome))});
            return out;
        }
        check(!record.cells.empty(), "a record has cells");
        out.push_back(record.cells);
    }
}

void try_export(const rows& all, const site_config& site)
{
    std::string wrong;
    std::unique_ptr<importer::foreign_totals> table;
    importer::foreign_options options;
    options.url_pattern = "/{alias}-{id}";
    for (std::size_t i = 0; i + 1 < all.size(); ++i) {
        const csv_record row{i + 1, all[i]};
        if (i > 0) {
            wrong = table->take(row);
        } else if (importer::is_foreign(row.cells)) {
            table = importer::open_foreign(row.cells, site, options, wrong);
            check((table != nullptr) == wrong.empty(), "there is a table, or what is wrong");
        }
        if (!table || !wrong.empty())
            return;
    }
    if (!table)
        return;
    const auto sum = table->sum();
    std::uint64_t pages = 0;
    for (const auto& [path, views] : sum.pages) {
        check(utf8::valid(path), "paths are normalised");
        pages += views;
    }
    check(pages <= sum.views && sum.visits <= sum.views, "the totals can be taken");
}

}  // namespace

void try_input(std::string_view input)
{
    static const site_config site = [] {
        site_config s;
        s.id = "s";
        s.hosts = {"example.vn"};
        return s;
    }();
    const auto steering = take_line(input);
    const auto whole = read(input, numbers{checksum(steering)});
    check(whole == read(input, numbers{1}), "the same in whatever pieces it comes");

    std::string again{utf8_bom};
    rows wanted;
    csv_line line;
    for (std::size_t i = 0; i + 1 < whole.size(); ++i) {
        if (whole[i].size() == 1 && whole[i][0].empty())
            continue;  // an empty line is no record
        for (const auto& cell : whole[i])
            line.add(cell);
        again += line.take();
        wanted.push_back(whole[i]);
    }
    auto reread = read(again, numbers{2});
    if (again.size() < csv_reader::most_bytes) {
        reread.pop_back();
        check(reread == wanted, "what was read is written, and read again the same");
    }
    try_export(whole, site);
    if (aggregator::is_export(input)) {
        try {
            const auto sum = aggregator::totals_of_export(input, "x", site);
            check(sum.visits <= sum.views, "an export can be taken");
        } catch (const totals_error& e) {
            check(std::string_view(e.what()).starts_with("x:"), "or the error says where");
        }
    }
}

}  // namespace luot::fuzz
