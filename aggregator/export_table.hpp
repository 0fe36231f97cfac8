// A site's counts as one table, as `luot export` writes it and `luot import totals` reads it back.
// The format: docs/moving.md.

#pragma once

#include "core/config.hpp"
#include "core/page_totals.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace luot::aggregator {

/// A row: counts of a site (without a path) or of a page, in one time.
struct export_row {
    std::string_view kind;  ///< one of export_kinds
    std::string date;       ///< of a day or a month; empty: of all time
    std::string path;       ///< empty: the site's
    std::int64_t views = 0;
    /// What is not counted by page is not there.
    std::optional<std::int64_t> visits = {}, visitors = {}, events = {}, bots = {};
    std::optional<std::int64_t> bounces = {}, reloads = {}, visit_seconds = {};
};

/// total: counted since the beginning. baseline: starting totals, shown added to it.
struct export_kinds {
    static constexpr std::string_view total = "total", baseline = "baseline", month = "month",
                                      day = "day";
};

enum class export_format : std::uint8_t { csv, json };

/// The rows as text, piece by piece.
class export_text {
public:
    explicit export_text(export_format f) : format_(f) {}

    /// What comes before the first row. The dates are as asked for.
    [[nodiscard]] std::string begin(std::string_view site, std::string_view from,
                                    std::string_view to) const;
    [[nodiscard]] std::string row(const export_row& r);
    [[nodiscard]] std::string end() const;

private:
    const export_format format_;
    bool has_rows_ = false;
};

/// Whether a text begins as an export does, in either format.
[[nodiscard]] bool is_export(std::string_view text);

/// What an export says of all time, totals and baseline together: imported into an empty site it
/// shows the same numbers. Views of `(other)` are the site's alone. Throws totals_error.
[[nodiscard]] page_totals totals_of_export(std::string_view text, const std::string& file_name,
                                           const site_config& site);

}  // namespace luot::aggregator
