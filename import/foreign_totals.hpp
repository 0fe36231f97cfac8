// Totals out of what other counters export: GoatCounter's hits, and tables of articles with a
// column `hitstotal` (NukeViet). What is taken of each: docs/moving.md.

#pragma once

#include "core/config.hpp"
#include "core/csv.hpp"
#include "core/page_totals.hpp"

#include <memory>
#include <string>
#include <vector>

namespace luot::importer {

struct foreign_options {
    /// How the address of an article is made of its columns: "/{catalias}/{alias}-{id}.html".
    std::string url_pattern;
    /// Of GoatCounter's hits only the first of each page in each session, which is what it shows.
    bool first_visits_only = false;
};

/// An export, taken row by row. One thread.
class foreign_totals {
public:
    virtual ~foreign_totals() = default;

    /// Takes the next row. What is wrong with it, for a person; empty: nothing.
    [[nodiscard]] virtual std::string take(const csv_record& row) = 0;

    /// What came together; pages are normalised for the site.
    [[nodiscard]] virtual page_totals sum() const = 0;

    /// What was not taken, or not for any page; empty: all was.
    [[nodiscard]] virtual std::string left_out() const { return {}; }
};

/// Whether a first row is the heading of such an export.
[[nodiscard]] bool is_foreign(const std::vector<std::string>& heading);

/// The export that begins with this heading; null, and what is wrong, when it cannot be taken.
/// `site` must outlive it.
[[nodiscard]] std::unique_ptr<foreign_totals> open_foreign(const std::vector<std::string>& heading,
                                                           const site_config& site,
                                                           const foreign_options& options,
                                                           std::string& wrong);

}  // namespace luot::importer
