// Who the visitor is, as far as counting needs it: a number that says "the same one today" and
// nothing else. The client's address goes in here and goes no further.

#pragma once

#include "collector/salts.hpp"
#include "core/hit.hpp"
#include "core/http/address.hpp"
#include "core/local_time.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace luot::collector {

/// A User-Agent is cut to this before it goes into a hit and a visitor's id.
inline constexpr std::size_t max_user_agent_bytes = 1000;

/// Makes visitor ids out of the keys of local dates; keeps those of the last days at hand. One
/// thread at a time.
class visitor_ids {
public:
    /// The key of a date (days since 1970-01-01).
    using keys = std::function<salt_chain::key(std::int32_t)>;

    explicit visitor_ids(keys of_dates);

    /// Sets local_date, visitor and, in the first half hour of a day, visitor_before from the hit's
    /// time, site and user_agent and the client's address (IPv6: its /64); and client from the same
    /// without the User-Agent: one that changes it stays the same client. `tab` (empty: none)
    /// tells visitors of one address and User-Agent apart.
    void identify(hit& h, const local_zone& zone, const http::ip_address& client,
                  std::string_view tab = {});

    void wipe_keys();

private:
    struct dated_key {
        std::int32_t date;
        salt_chain::key key;
    };
    [[nodiscard]] const salt_chain::key& key_of(std::int32_t date);

    keys of_dates_;
    std::vector<dated_key> keys_;
};

/// Makes the ids of one worker thread of a collector.
class identifier {
public:
    /// `salts` must outlive it.
    explicit identifier(const salt_chain& salts);

    /// visitor_ids::identify() with the chain's keys.
    void identify(hit& h, const local_zone& zone, const http::ip_address& client,
                  std::string_view tab = {})
    {
        ids_.identify(h, zone, client, tab);
    }

    /// The keyed hash of a client's id for a hit; never 0.
    [[nodiscard]] std::uint64_t hash_id(std::string_view site, std::string_view id) const;

    /// Wipes the keys at hand when a salt was deleted since the last call: they may be its.
    void forget_old_keys();

private:
    const salt_chain& salts_;
    salt_chain::key id_key_;
    std::int32_t oldest_salt_;  ///< as of the last look
    visitor_ids ids_;
};

}  // namespace luot::collector
