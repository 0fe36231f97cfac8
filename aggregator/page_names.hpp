// Under which name a page is shown: what `luot merge` and `luot hide` have said
// (docs/corrections.md). Counts stay under the addresses that were asked for; they meet when they
// are read.

#pragma once

#include "aggregator/fold/fold.hpp"
#include "core/error.hpp"
#include "core/redis/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace luot::aggregator {

/// Addresses of a site that may be merged into others, and into one of them: a read of that page
/// reads them all.
inline constexpr std::size_t most_aliases = 10'000, most_aliases_of_page = 1000;
inline constexpr std::size_t most_hidden = 1000;
/// Times that what was read is read again because an operator's command came between: those are
/// few.
inline constexpr int most_attempts = 5;

/// An address that is another's, and the number of the correction that said so. Stored as
/// "NUMBER TO".
struct page_alias {
    std::uint64_t number = 0;
    std::string to;

    bool operator==(const page_alias&) const = default;
};
using page_aliases = std::map<std::string, page_alias, std::less<>>;

[[nodiscard]] std::string encode(const page_alias& alias);
[[nodiscard]] std::optional<page_alias> decode_alias(std::string_view text);

/// The end of the chain that begins with `from` (itself, when it is no alias); nullopt: it ends in
/// a loop.
[[nodiscard]] std::optional<std::string_view> end_of_chain(const page_aliases& aliases,
                                                           std::string_view from);

/// The names of a site's pages as they were read.
class page_names {
public:
    page_names() = default;
    page_names(std::string mark, const page_aliases& aliases, std::vector<std::string> hidden);

    /// Changes with every correction; empty: there was none.
    [[nodiscard]] const std::string& mark() const noexcept { return mark_; }

    /// The page whose count an address shows. Lives as long as its argument and this.
    [[nodiscard]] std::string_view page_of(std::string_view path) const;

    /// The addresses whose counts are the page's: itself first.
    [[nodiscard]] std::vector<std::string> addresses_of(const std::string& page) const;

    /// Whether a page stands in no list.
    [[nodiscard]] bool is_hidden(std::string_view page) const;

    /// No address is another's and nothing is hidden.
    [[nodiscard]] bool is_plain() const noexcept { return ends_.empty() && hidden_.empty(); }

private:
    struct text_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept
        {
            return std::hash<std::string_view>{}(text);
        }
    };
    std::string mark_;
    std::unordered_map<std::string, std::string, text_hash, std::equal_to<>> ends_;
    std::unordered_map<std::string, std::vector<std::string>, text_hash, std::equal_to<>> merged_;
    std::unordered_set<std::string, text_hash, std::equal_to<>> hidden_;
};
using shared_names = std::shared_ptr<const page_names>;

/// Reads the aliases of a site: of one moment, since each change has a mark. Errors: redis_away,
/// redis_error (also when they keep changing).
struct read_names {
    std::string mark;
    page_aliases aliases;
    std::vector<std::string> hidden;
};
[[nodiscard]] boost::asio::awaitable<result<read_names>> read_page_names(redis::client& redis,
                                                                         std::string site);

/// The names as they are now, which site.names holds from then on: they are read when their mark is
/// another one. Errors as of read_page_names().
[[nodiscard]] boost::asio::awaitable<result<shared_names>> current_names(
    redis::client& redis, const site_table::site& site);

/// The names that were read last; none when nothing was read.
[[nodiscard]] shared_names held_names(const site_table::site& site);

}  // namespace luot::aggregator
