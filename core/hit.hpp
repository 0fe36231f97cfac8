// One hit, as it travels from the collector to the aggregator: the same bytes in the spool and in
// the stream. The encoding is described in collector/spool/FORMAT.md.

#pragma once

#include "core/error.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace luot {

/// Version of the encoding below, written into spool segments and stream entries.
inline constexpr std::uint32_t hit_format = 1;

/// What an event has beside its name: so many properties at most, with keys of so many bytes of
/// [A-Za-z0-9_-] and values of so many. In hit::properties each is its key, property_separator, its
/// value and property_end: control characters, which are in none of them.
inline constexpr std::size_t most_properties = 8, most_property_key_bytes = 32,
                             most_property_value_bytes = 100;
inline constexpr char property_separator = '\x1F', property_end = '\x1E';

/// There are so many partitions for ever: a site's partition follows from its id.
inline constexpr unsigned partitions = 16;

/// An accepted hit. The strings are views: into the request when it is encoded, into the record
/// when it was decoded; they live as long as those bytes. All text is valid UTF-8 without control
/// characters, but for user_agent, which is any bytes, and what stands between properties.
struct hit {
    std::int64_t time_ms = 0;     ///< Unix time at which the collector took it
    std::int32_t local_date = 0;  ///< days since 1970-01-01 in the site's zone, as the salt used
    std::uint64_t visitor = 0;    ///< keyed hash of the day's salt, site, address, User-Agent
    std::uint64_t visitor_before =
        0;                       ///< under yesterday's salt; 0 but in the day's first half hour
    std::uint64_t id = 0;        ///< keyed hash of the client's id for this hit; 0: none
    std::uint32_t client = 0;    ///< keyed hash of the day's salt, site, address; 0: not limited
    std::uint32_t width = 0;     ///< of the screen, in CSS pixels; 0: not said
    std::uint32_t bot_hint = 0;  ///< not 0: the client says of itself that it is automated

    std::string_view site;
    std::string_view path;
    std::string_view title;
    std::string_view section;
    std::string_view event;  ///< empty: a view
    std::string_view referrer;
    std::string_view user_agent;
    std::string_view language;
    std::string_view country;
    std::string_view source, medium, campaign, term, content;
    std::string_view properties;    ///< of an event, as most_properties tells; views have none
    std::string_view client_hints;  ///< as collector/client_hints.hpp folds them, at most 64 bytes

    /// It came with the site's token and names no reader's User-Agent: that it has none, or a
    /// program's, makes it no bot.
    bool is_from_server = false;
    bool is_from_data_center = false;  ///< by collector.data_center_networks
    bool is_imported = false;          ///< from an access log: its time tells nothing of our delay

    [[nodiscard]] bool is_event() const noexcept { return !event.empty(); }
};

/// Appends the encoded hit to `out`.
void encode(const hit& h, std::string& out);

/// Decodes one record; the result's views point into `record`. Unknown fields are skipped.
/// Errors: bad_record.
[[nodiscard]] error_code decode(std::string_view record, hit& out) noexcept;

/// Takes the first of hit::properties away from `rest`: key, property_separator, value.
[[nodiscard]] std::string_view take_property(std::string_view& rest) noexcept;

/// The partition of a site: XXH3 of its id, modulo 16. Part of the stored format.
[[nodiscard]] unsigned partition_of(std::string_view site) noexcept;

}  // namespace luot
