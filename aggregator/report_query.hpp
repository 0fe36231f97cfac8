// What all reports are asked with: a site, dates, and the parameters of their own.

#pragma once

#include "aggregator/fold/fold.hpp"
#include "aggregator/reports.hpp"
#include "core/http/message.hpp"

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace luot::aggregator {

using report_parameters = std::map<std::string, std::string, std::less<>>;

struct report_query {
    std::shared_ptr<const site_table> sites;  ///< a reload must not pull it away under us
    const site_table::site* site = nullptr;
    date_range range;
    std::optional<row_filter> filter;
    bool compares = false;  ///< with the period before: `compare=previous`
    report_parameters given;
    std::optional<http::response> refused;
};

/// Whether a report can be narrowed to one row of a breakdown (`country=VN`).
enum class filters : bool { refused, taken };

/// Takes the site and the dates, `from` and `to` included; without them the last 30 days. A name
/// that is not in `known` is refused, so that a misspelt filter never answers for more than was
/// asked, and so is one that is given twice; but for `compare`, which must be in it, those have no
/// meaning here. `route`: who may read.
[[nodiscard]] report_query read_query(const http::request& r,
                                      const std::shared_ptr<const site_table>& sites,
                                      std::initializer_list<std::string_view> known,
                                      public_route route = public_route::stats,
                                      filters narrowing = filters::refused);

/// The name of what is no breakdown, but a dimension of `top?by=` all the same: kinds of bots.
inline constexpr std::string_view bots_name = "bot";

/// Whether it names a dimension of `top?by=`.
[[nodiscard]] bool is_dimension(std::string_view name) noexcept;

/// What may be asked for by a dimension and what not, in words.
inline constexpr std::string_view filters_text =
    "counts are kept by one dimension at a time: one filter, in `series`, `summary`, and in `top` "
    "of the same `by`; `report.csv` takes `section`";

inline constexpr std::string_view no_utf8_text = "the value of a parameter is no UTF-8";
inline constexpr std::string_view twice_text = "one of the parameters is given twice";
inline constexpr std::string_view compare_text = "`compare` is previous, or left out";

struct filter_answer {
    std::optional<row_filter> filter;
    std::optional<http::response> refused;
};
/// The row that parameters ask for, by the names of their dimensions; an empty `path` is none.
[[nodiscard]] filter_answer filter_of(const report_parameters& asked, const site_config& site);

/// Whether `compare` was given; nullopt: with a value that is not known.
[[nodiscard]] std::optional<bool> compares(const report_parameters& given);

}  // namespace luot::aggregator
