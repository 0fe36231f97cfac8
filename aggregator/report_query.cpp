#include "aggregator/report_query.hpp"

#include "aggregator/answers.hpp"
#include "core/clock.hpp"
#include "core/local_time.hpp"
#include "core/path.hpp"
#include "core/utf8.hpp"

#include <algorithm>
#include <utility>

namespace luot::aggregator {

namespace {

constexpr std::int32_t default_days = 30;

std::string_view value_of(const report_parameters& given, std::string_view name)
{
    const auto found = given.find(name);
    return found == given.end() ? std::string_view{} : std::string_view(found->second);
}

}  // namespace

report_query read_query(const http::request& r, const std::shared_ptr<const site_table>& sites,
                        std::initializer_list<std::string_view> known, public_route route,
                        filters narrowing)
{
    report_query q;
    q.sites = sites;
    const auto refuse = [&q](std::string_view message) {
        q.refused = failure(400, "bad_request", message);
    };
    report_parameters narrowed_to;
    for (auto& [name, value] : http::query_values(r.query)) {
        const bool is_known = name == "site" || name == "from" || name == "to" ||
                              std::find(known.begin(), known.end(), name) != known.end();
        bool is_new = true;
        if (!utf8::valid(value))  // answers repeat it, and they are JSON
            return refuse(no_utf8_text), q;
        if (is_known)
            is_new = q.given.insert_or_assign(std::move(name), std::move(value)).second;
        else if (!is_dimension(name))
            return refuse("one of the parameters is not known here"), q;
        else if (narrowing == filters::refused)
            return refuse(filters_text), q;
        else
            is_new = narrowed_to.insert_or_assign(std::move(name), std::move(value)).second;
        if (!is_new)
            return refuse(twice_text), q;
    }
    const auto id = value_of(q.given, "site");
    if (id.empty())
        return refuse("name a site"), q;
    q.site = sites->find(id);
    if (!q.site)
        return q.refused = unknown_site(), q;
    q.refused = refusal(r, *q.site->settings, route);
    if (q.refused)
        return q;
    q.range.to = q.site->zone.date(unix_ms());
    const auto from = value_of(q.given, "from"), to = value_of(q.given, "to");
    if (!to.empty() && !parse_date(to, q.range.to))
        return refuse("`to` is no date such as 2021-07-26"), q;
    q.range.from = q.range.to - default_days + 1;
    if (!from.empty() && !parse_date(from, q.range.from))
        return refuse("`from` is no date such as 2021-07-26"), q;
    if (q.range.from > q.range.to)
        return refuse("`from` is later than `to`"), q;
    if (q.range.days() > most_report_days)
        return refuse("a report reads ten years at most"), q;
    const auto is_compared = compares(q.given);
    if (!is_compared)
        return refuse(compare_text), q;
    q.compares = *is_compared;
    auto narrowed = filter_of(narrowed_to, *q.site->settings);
    q.filter = std::move(narrowed.filter);
    q.refused = std::move(narrowed.refused);
    return q;
}

bool is_dimension(std::string_view name) noexcept
{
    return breakdown_of_request(name) || name == bots_name;
}

filter_answer filter_of(const report_parameters& asked, const site_config& site)
{
    filter_answer out;
    const auto refuse = [&out](std::string_view code, std::string_view message) {
        out.refused = failure(400, code, message);
    };
    if (asked.size() > 1)
        return refuse("bad_request", filters_text), out;
    if (asked.empty())
        return out;
    const auto& [name, value] = *asked.begin();
    row_filter row{breakdown_of_request(name), value};
    if (row.by && is_of_pages(*row.by)) {
        if (value.empty() && row.by == breakdown::path)
            return out;
        if (normalise_page(value, site, {}, row.key, nullptr))
            return refuse("bad_path", "the path is malformed or on a foreign host"), out;
    } else if (value.empty()) {
        return refuse("bad_request", "a filter names a row; what is not known is `(none)`"), out;
    } else if (!utf8::valid(value)) {
        return refuse("bad_request", no_utf8_text), out;
    }
    out.filter = std::move(row);
    return out;
}

std::optional<bool> compares(const report_parameters& given)
{
    const auto found = given.find("compare");
    if (found == given.end())
        return false;
    return found->second == "previous" ? std::optional(true) : std::nullopt;
}

}  // namespace luot::aggregator
