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

struct report_query {
    std::shared_ptr<const site_table> sites;  ///< a reload must not pull it away under us
    const site_table::site* site = nullptr;
    date_range range;
    std::map<std::string, std::string, std::less<>> given;  ///< the last of each name
    std::optional<http::response> refused;
};

/// Takes the site and the dates, `from` and `to` included; without them the last 30 days. A name
/// that is not in `known` is refused, so that a misspelt filter never answers for more than was
/// asked. `route`: who may read it.
[[nodiscard]] report_query read_query(const http::request& r,
                                      const std::shared_ptr<const site_table>& sites,
                                      std::initializer_list<std::string_view> known,
                                      public_route route = public_route::stats);

}  // namespace luot::aggregator
