// What operators correct (docs/corrections.md): addresses that are merged, pages that are hidden,
// counts that are deleted, all of it in a log from which it can be taken back. The commands; how
// each is done: corrections/.

#pragma once

#include "aggregator/corrections/address_pairs.hpp"
#include "aggregator/corrections/log.hpp"
#include "core/config.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <string>

namespace luot::aggregator {

struct corrected {
    std::uint64_t number = 0;  ///< in the log; 0: nothing was to be done
    std::string changed;
};

/// The commands. Each works beside live hits, in steps that are atomic; cut off it can be undone or
/// run again. Needs correct_script() loaded. All throw correction_error.
[[nodiscard]] boost::asio::awaitable<corrected> merge_pages(redis::client& redis,
                                                            const site_config& site,
                                                            address_pairs pairs, std::string of);
[[nodiscard]] boost::asio::awaitable<corrected> hide_page(redis::client& redis,
                                                          const site_config& site,
                                                          std::string path);
struct delete_options {
    bool is_for_good = false;     ///< what was taken is not kept
    std::int32_t today = 0;       ///< the date on the site
    std::uint32_t keep_days = 0;  ///< of the rows of days
};
[[nodiscard]] boost::asio::awaitable<corrected> delete_page(redis::client& redis,
                                                            const site_config& site,
                                                            std::string path,
                                                            delete_options options);
[[nodiscard]] boost::asio::awaitable<corrected> delete_day(redis::client& redis,
                                                           const site_config& site,
                                                           std::int32_t date,
                                                           delete_options options);
[[nodiscard]] boost::asio::awaitable<corrected> delete_site(redis::client& redis,
                                                            const site_config& site,
                                                            delete_options options);
[[nodiscard]] boost::asio::awaitable<corrected> undo_correction(redis::client& redis,
                                                                const site_config& site,
                                                                std::uint64_t number);

/// Writes into the log what `luot prune` has done.
[[nodiscard]] boost::asio::awaitable<corrected> log_pruning(redis::client& redis,
                                                            const site_config& site, std::string of,
                                                            std::string changed);

}  // namespace luot::aggregator
