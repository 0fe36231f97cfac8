// The arguments of a script that makes additions (steps.lua), while they are put together.

#pragma once

#include "aggregator/fold/fold.hpp"
#include "aggregator/tallies.hpp"
#include "core/breakdown.hpp"
#include "core/redis/pipeline.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace luot::aggregator {

/// Rows of one breakdown of one day or month; what comes beyond is counted in other_member.
[[nodiscard]] constexpr std::int64_t most_members(breakdown by) noexcept
{
    return is_of_pages(by) ? 10'000 : 1000;
}

/// When what is kept of a day for `keep_days` ends, Unix milliseconds. By UTC: a local day has
/// ended two days after its date began there.
[[nodiscard]] constexpr std::int64_t kept_until_ms(std::int32_t date,
                                                   std::uint32_t keep_days) noexcept
{
    return (std::int64_t{date} + 2 + keep_days) * day_ms;
}

class steps {
public:
    /// `keys`: those that the script itself knows by their place.
    explicit steps(std::vector<std::string> keys);

    template <class... Arguments>
    void add(const Arguments&... arguments)
    {
        (arguments_.add(arguments), ...);
    }

    /// The number of a key among KEYS.
    [[nodiscard]] std::size_t key(std::string name);

    /// What is added to the fields of a hash ('H') or to the scores of a sorted set ('Z').
    void counts(char step, std::string name, const fields& values);

    /// The rows of a site's breakdowns, of days and their months, and their sums. A day's are
    /// forgotten after `keep_days`.
    void rows(const std::string& site, const date_tallies& of_site, std::uint32_t keep_days);

    [[nodiscard]] redis::command command(const redis::script& s) const;

private:
    void capped(std::string name, std::string whole, const breakdown_name& by, const tally& rows,
                std::int64_t ends_ms);

    std::vector<std::string> keys_;
    std::unordered_map<std::string, std::size_t> index_;
    redis::command arguments_;
};

}  // namespace luot::aggregator
