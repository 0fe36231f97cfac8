// Days that are over: their rows of pages are cut to the most read ones, by close.lua.

#pragma once

#include "aggregator/fold/fold.hpp"
#include "core/breakdown.hpp"
#include "core/log.hpp"
#include "core/redis/client.hpp"
#include "core/redis/pipeline.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <map>
#include <string>

namespace luot {
class counter;
class metrics_registry;
}  // namespace luot

namespace luot::aggregator {

/// Rows of each breakdown that stay of a day once it is closed, beside other_member. While a day
/// lasts it has up to most_members(): which article will be among the first is not known yet.
inline constexpr std::int64_t most_of_closed_day = 1000;

[[nodiscard]] const redis::script& close_script();

/// The call that takes up to `most` rows out of a day's breakdown.
[[nodiscard]] redis::command close_command(const std::string& site, std::int32_t date, breakdown by,
                                           std::int64_t stay, std::int64_t most);

/// Closes the days of sites. Belongs to one worker. Nothing is remembered that matters: what was
/// closed and gets late hits (of a spool that was drained days later) is cut again with the next
/// day, and after a start.
class day_closer {
public:
    /// Days that are looked at again whenever one closes.
    static constexpr std::int32_t looks_back = 40;

    day_closer(redis::client& redis, metrics_registry& metrics);

    /// Closes the site's days that ended before `passed_ms`: no hits of them are expected any more,
    /// and nobody wants to count them again.
    [[nodiscard]] boost::asio::awaitable<void> close(const site_table::site& site,
                                                     std::int64_t passed_ms);

private:
    /// False when Redis did not do it: it is tried again.
    [[nodiscard]] boost::asio::awaitable<bool> cut(const std::string& site, std::int32_t date,
                                                   breakdown by);
    void refused(std::string_view command, std::string_view site, std::string_view answer);

    redis::client& redis_;
    std::map<std::string, std::int32_t, std::less<>> closed_;  ///< up to this date, by site
    counter& rows_;
    log::limiter error_limit_{10};
};

}  // namespace luot::aggregator
