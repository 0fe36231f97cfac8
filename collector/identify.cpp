#include "collector/identify.hpp"

#include <algorithm>
#include <cstring>
#include <sodium.h>
#include <utility>

namespace luot::collector {

namespace {

constexpr std::int64_t half_hour_ms = 30 * 60 * 1000;
constexpr std::size_t most_keys = 8;
/// Before what a client is hashed from; no site begins with it, so it never is a visitor's.
constexpr char client_mark = '\1';

/// SipHash-2-4; 0 is kept for "none".
std::uint64_t keyed_hash(const salt_chain::key& key, std::string_view bytes)
{
    static_assert(crypto_shorthash_KEYBYTES == std::tuple_size_v<salt_chain::key>);
    static_assert(crypto_shorthash_BYTES == sizeof(std::uint64_t));
    std::uint64_t value = 0;
    crypto_shorthash(reinterpret_cast<unsigned char*>(&value),
                     reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                     key.data());
    return value == 0 ? 1 : value;
}

}  // namespace

visitor_ids::visitor_ids(keys of_dates) : of_dates_(std::move(of_dates))
{
    keys_.reserve(most_keys);  // it never moves, which would leave copies behind
}

void visitor_ids::wipe_keys()
{
    sodium_memzero(keys_.data(), keys_.size() * sizeof(dated_key));
    keys_.clear();
}

const salt_chain::key& visitor_ids::key_of(std::int32_t date)
{
    const auto known = std::find_if(keys_.begin(), keys_.end(),
                                    [date](const dated_key& k) { return k.date == date; });
    if (known != keys_.end())
        return known->key;
    if (keys_.size() >= most_keys)
        wipe_keys();
    return keys_.emplace_back(dated_key{date, of_dates_(date)}).key;
}

void visitor_ids::identify(hit& h, const local_zone& zone, const http::ip_address& client,
                           std::string_view tab)
{
    thread_local std::string who;
    who.assign(1, client_mark);
    who.append(h.site);
    who += '\0';
    const auto address = http::client_key(client);
    who.append(reinterpret_cast<const char*>(address.data()), address.size());

    h.local_date = zone.date(h.time_ms);
    const auto client_hash = keyed_hash(key_of(h.local_date), who);
    h.client = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(client_hash));

    who.append(h.user_agent);
    if (!tab.empty()) {
        who += '\0';  // no User-Agent has one
        who.append(tab);
    }
    const auto visitor = std::string_view(who).substr(1);
    h.visitor = keyed_hash(key_of(h.local_date), visitor);
    // Not by the wall clock: a day may begin at 01:00, and skip the date before it.
    const auto date_before = zone.date(h.time_ms - half_hour_ms);
    h.visitor_before = date_before < h.local_date ? keyed_hash(key_of(date_before), visitor) : 0;
    sodium_memzero(who.data(), who.size());
}

identifier::identifier(const salt_chain& salts)
    : salts_(salts),
      id_key_(salts.id_key()),
      oldest_salt_(salts.oldest()),
      ids_([&salts](std::int32_t date) { return salts.visitor_key(date); })
{
}

void identifier::forget_old_keys()
{
    if (const auto oldest = salts_.oldest(); oldest != oldest_salt_) {
        oldest_salt_ = oldest;
        ids_.wipe_keys();
    }
}

std::uint64_t identifier::hash_id(std::string_view site, std::string_view id) const
{
    thread_local std::string what;
    what.assign(site);
    what += '\0';
    what.append(id);
    return keyed_hash(id_key_, what);
}

}  // namespace luot::collector
