// What operators correct (docs/corrections.md): addresses that are merged, pages that are hidden,
// counts that are deleted, all of it in a log from which it can be taken back.

#pragma once

#include "core/config.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace luot::aggregator {

/// What was asked cannot be done, or Redis cannot be reached. what() is one line that says why and
/// what to do.
class correction_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Records that a log keeps; beyond, those go first that nobody can take back any more.
inline constexpr std::size_t most_corrections = 2000;

/// One line of the log. Stored as a JSON object.
struct correction {
    std::int64_t at_ms = 0;
    std::string by;       ///< name of the user who ran the command
    std::string what;     ///< "merge", "hide", "prune" or "delete"
    std::string of;       ///< what it was asked to correct
    std::string changed;  ///< what that came to
    std::string
        state;  ///< "begun", "begun for good" (cut off, or going on), "made", "for good", "undone"
    std::int64_t imports = -1;  ///< imports of totals before it, when it took imported ones
    std::int64_t undone_at_ms = 0;
    std::string undone_by;
};
[[nodiscard]] std::string encode(const correction& c);
/// False when it is none.
[[nodiscard]] bool decode(std::string_view text, correction& out);

struct correction_log {
    std::string mark;  ///< changes with every correction
    std::uint64_t last = 0;
    using records_type = std::map<std::uint64_t, correction>;
    records_type records;
};
[[nodiscard]] boost::asio::awaitable<correction_log> read_corrections(redis::client& redis,
                                                                      std::string site);

/// The name of who runs this program; of who called sudo, where root does.
[[nodiscard]] std::string caller_name();

/// Pairs of addresses `from,to` as a table, normalised. A first row of words is a heading. Throws
/// correction_error: "FILE:LINE: ...".
using address_pairs = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] address_pairs parse_pairs(std::string_view csv, const std::string& file_name,
                                        const site_config& site);
/// One pair. Throws correction_error.
[[nodiscard]] std::pair<std::string, std::string> normalised_pair(std::string_view from,
                                                                  std::string_view to,
                                                                  const site_config& site);
/// One address. Throws correction_error.
[[nodiscard]] std::string normalised(std::string_view path, const site_config& site);

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
