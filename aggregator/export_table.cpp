#include "aggregator/export_table.hpp"

#include "core/breakdown.hpp"
#include "core/bytes.hpp"
#include "core/csv.hpp"
#include "core/path.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <array>
#include <utility>

namespace luot::aggregator {

namespace json = boost::json;

namespace {

constexpr std::uint64_t most_views = 1ULL << 53;  // beyond, numbers in Redis are no longer exact
constexpr std::array<std::string_view, 11> columns{"kind",    "date",     "path",         "views",
                                                   "visits",  "visitors", "events",       "bots",
                                                   "bounces", "reloads",  "visit_seconds"};
/// By which an export is known: those behind came later.
constexpr std::size_t first_columns = 8;
enum column : std::uint8_t { kind_column, date_column, path_column, views_column, visits_column };

json::string_view json_view(std::string_view text)
{
    return {text.data(), text.size()};
}

std::string_view text_of(const json::object& row, std::string_view name)
{
    const auto* found = row.if_contains(json_view(name));
    const auto* text = found ? found->if_string() : nullptr;
    return text ? std::string_view(text->data(), text->size()) : std::string_view{};
}

/// A number that may be missing; nullopt: it is there and is none.
std::optional<std::uint64_t> number_of(const json::object& row, std::string_view name)
{
    const auto* found = row.if_contains(json_view(name));
    if (!found)
        return 0;
    const auto* number = found->if_int64();
    if (!number || *number < 0 || static_cast<std::uint64_t>(*number) > most_views)
        return std::nullopt;
    return static_cast<std::uint64_t>(*number);
}

std::optional<std::uint64_t> number_of(std::string_view cell)
{
    std::uint64_t number = 0;
    if (!cell.empty() && !parse_number(cell, number))
        return std::nullopt;
    return number;
}

/// Adds up what rows say of all time.
class all_time {
public:
    explicit all_time(const site_config& site) : site_(site) {}

    /// What is wrong with a row; empty: nothing.
    std::string add(std::string_view kind, std::string_view path,
                    std::optional<std::uint64_t> views, std::optional<std::uint64_t> visits)
    {
        if (kind == export_kinds::day || kind == export_kinds::month)
            return {};
        if (kind != export_kinds::total && kind != export_kinds::baseline)
            return "kind is total, baseline, month or day";
        if (!views || !visits)
            return "views and visits are numbers without points or commas";
        if (path.empty()) {
            auto& has_row = kind == export_kinds::total ? has_total_ : has_baseline_;
            if (std::exchange(has_row, true))
                return "the site's row is there twice";
            sum_.views += *views;
            sum_.visits += *visits;
            return {};
        }
        pages_ += *views;
        if (path == other_member)
            return {};
        std::string normalised;
        if (const auto error = normalise_page(path, site_, {}, normalised, nullptr))
            return "the path cannot be counted on this site: " + error.message();
        sum_.pages[normalised] += *views;
        return {};
    }

    /// Throws totals_error.
    page_totals sum(const std::string& file_name) const
    {
        if (!has_total_)
            throw totals_error(file_name +
                               ": the site's row `total` is missing: was the export cut?");
        if (sum_.views < pages_ || sum_.views < sum_.visits || sum_.views > most_views)
            throw totals_error(file_name +
                               ": the site's row has fewer views than its pages or its visits");
        return sum_;
    }

private:
    const site_config& site_;
    page_totals sum_;
    std::uint64_t pages_ = 0;
    bool has_total_ = false, has_baseline_ = false;
};

bool is_heading(const std::vector<std::string>& cells)
{
    return cells.size() >= first_columns &&
           std::equal(columns.begin(), columns.begin() + first_columns, cells.begin());
}

void read_csv(std::string_view text, const std::string& file_name, all_time& out)
{
    csv_reader reader;
    reader.feed(text);
    reader.finish();
    csv_record record;
    bool is_first = true;
    for (;; is_first = false) {
        std::string wrong = "a quote is not closed, or the line is too long";
        const auto outcome = reader.next(record);
        if (outcome == csv_reader::outcome::end)
            return;
        if (outcome == csv_reader::outcome::record) {
            auto& cells = record.cells;
            if (is_first)
                continue;  // the heading, which is_export() has seen
            cells.resize(std::max(cells.size(), first_columns));
            wrong = out.add(cells[kind_column], cells[path_column], number_of(cells[views_column]),
                            number_of(cells[visits_column]));
        }
        if (!wrong.empty())
            throw totals_error(fmt::format("{}:{}: {}", file_name, record.line, wrong));
    }
}

void read_json(std::string_view text, const std::string& file_name, all_time& out)
{
    json::error_code error;
    const auto value = json::parse(json_view(text), error);
    const auto* rows =
        !error && value.is_object() ? value.get_object().if_contains("rows") : nullptr;
    if (!rows || !rows->is_array())
        throw totals_error(file_name + ": this is JSON, and not all of what luot export writes");
    std::size_t number = 0;
    for (const auto& row : rows->get_array()) {
        ++number;
        std::string wrong = "it is no object";
        if (const auto* fields = row.if_object())
            wrong = out.add(text_of(*fields, columns[kind_column]),
                            text_of(*fields, columns[path_column]),
                            number_of(*fields, columns[views_column]),
                            number_of(*fields, columns[visits_column]));
        if (!wrong.empty())
            throw totals_error(fmt::format("{}: row {}: {}", file_name, number, wrong));
    }
}

bool is_json(std::string_view text)
{
    const auto begin = text.find_first_not_of(" \t\r\n");
    return begin != std::string_view::npos && text[begin] == '{';
}

}  // namespace

std::string export_text::begin(std::string_view site, std::string_view from,
                               std::string_view to) const
{
    if (format_ == export_format::json)
        return fmt::format("{{\"site\":{},\"from\":\"{}\",\"to\":\"{}\",\"rows\":[",
                           json::serialize(json_view(site)), from, to);
    csv_line line;
    for (const auto name : columns)
        line.add(name);
    return std::string(utf8_bom) + line.take();
}

std::string export_text::row(const export_row& r)
{
    const std::array counts{
        std::optional(r.views), r.visits, r.visitors, r.events, r.bots, r.bounces, r.reloads,
        r.visit_seconds};
    if (format_ == export_format::json) {
        json::object fields{{"kind", json_view(r.kind)}};
        if (!r.date.empty())
            fields["date"] = r.date;
        if (!r.path.empty())
            fields["path"] = r.path;
        for (std::size_t i = 0; i < counts.size(); ++i)
            if (counts[i])
                fields[json_view(columns[views_column + i])] = *counts[i];
        return (std::exchange(has_rows_, true) ? ",\n" : "\n") + json::serialize(fields);
    }
    csv_line line;
    line.add(r.kind).add(r.date).add(r.path);
    for (const auto& count : counts) {
        if (count)
            line.add(*count);
        else
            line.add_nothing();
    }
    return line.take();
}

std::string export_text::end() const
{
    return format_ == export_format::json ? "\n]}\n" : "";
}

bool is_export(std::string_view text)
{
    if (is_json(text))
        return true;
    csv_reader reader;
    csv_record first;
    reader.feed(text.substr(0, text.find('\n')));
    reader.finish();
    return reader.next(first) == csv_reader::outcome::record && is_heading(first.cells);
}

page_totals totals_of_export(std::string_view text, const std::string& file_name,
                             const site_config& site)
{
    all_time sum{site};
    if (is_json(text))
        read_json(text, file_name, sum);
    else
        read_csv(text, file_name, sum);
    return sum.sum(file_name);
}

}  // namespace luot::aggregator
