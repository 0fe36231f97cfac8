#include "aggregator/steps.hpp"

#include "core/keys.hpp"
#include "core/local_time.hpp"

#include <utility>

namespace luot::aggregator {

steps::steps(std::vector<std::string> keys) : keys_(std::move(keys))
{
    for (std::size_t i = 0; i < keys_.size(); ++i)
        index_[keys_[i]] = i + 1;
}

std::size_t steps::key(std::string name)
{
    const auto [at, is_new] = index_.try_emplace(name, keys_.size() + 1);
    if (is_new)
        keys_.push_back(std::move(name));
    return at->second;
}

void steps::counts(char step, std::string name, const fields& values)
{
    if (values.empty())
        return;
    add(std::string_view(&step, 1), key(std::move(name)), values.size());
    for (const auto& [field, delta] : values)
        add(std::string_view(field), delta);
}

void steps::capped(std::string name, std::string whole, const breakdown_name& by, const tally& rows,
                   std::int64_t ends_ms)
{
    add(std::string_view("C"), key(std::move(name)), key(std::move(whole)),
        std::string_view(rows_field(by)), most_members(by.what), ends_ms, rows.size());
    for (const auto& [member, delta] : rows)
        add(std::string_view(member), delta);
}

void steps::rows(const std::string& site, const date_tallies& of_site, std::uint32_t keep_days)
{
    date_tallies by_month;
    for (const auto& [date, day] : of_site) {
        const auto ends = kept_until_ms(date, keep_days);
        auto& month = by_month[month_begin(date)];
        for (const auto& b : breakdown_names) {
            const auto& rows = day[static_cast<std::size_t>(b.what)];
            if (rows.empty())
                continue;
            capped(keys::day_breakdown(site, date, b.what), keys::day(site, date), b, rows, ends);
            add_to(month[static_cast<std::size_t>(b.what)], rows);
        }
    }
    for (const auto& [date, month] : by_month)
        for (const auto& b : breakdown_names)
            if (const auto& rows = month[static_cast<std::size_t>(b.what)]; !rows.empty())
                capped(keys::month_breakdown(site, date, b.what), keys::month(site, date), b, rows,
                       0);
}

redis::command steps::command(const redis::script& s) const
{
    auto c = redis::evaluate(s, keys_.size());
    for (const auto& k : keys_)
        c.add(std::string_view(k));
    c.append(arguments_);
    return c;
}

}  // namespace luot::aggregator
