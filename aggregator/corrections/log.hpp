// The log of what operators have corrected, one record a correction (docs/corrections.md).

#pragma once

#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

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
    std::string what;     ///< "merge", "hide", "delete", "prune", or a note (note.hpp)
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
/// What a deletion is of: a page's name follows the first, "2021-07-26" the second.
inline constexpr std::string_view of_page = "page ", of_day = "day ", of_site = "the whole site";

/// Whether the same command goes on with it under its number: a deletion of a page or a day that
/// was cut off and behind which nothing else stands, as deletions are taken back in the reverse
/// order.
[[nodiscard]] bool can_go_on(const correction_log& log, std::uint64_t number);

[[nodiscard]] boost::asio::awaitable<correction_log> read_corrections(redis::client& redis,
                                                                      std::string site);

/// The name of who runs this program; of who called sudo, where root does.
[[nodiscard]] std::string caller_name();

}  // namespace luot::aggregator
