// What must always be true of the counts in Redis, as pure functions of what was read at one
// moment. docs/verify.md lists the rules and why each holds.

#pragma once

#include "core/breakdown.hpp"
#include "core/redis/reply.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace luot::aggregator {

/// Something that is not as it must be.
struct difference {
    std::string rule;    ///< one of docs/verify.md
    std::string keys;    ///< the key that is wrong, or those that do not agree
    std::string field;   ///< of the first key; empty: the whole key
    std::string member;  ///< a path or the like: what clients say, never for the log
    std::string found, expected;

    /// Whether both tell of the same, whatever the numbers are by now.
    [[nodiscard]] bool is_about_the_same(const difference& other) const
    {
        return rule == other.rule && keys == other.keys && field == other.field &&
               member == other.member;
    }
};

/// One line for a person, in ASCII.
[[nodiscard]] std::string text_of(const difference& d);

using differences = std::vector<difference>;

/// A hash of counts as it was read.
struct count_hash {
    std::string key;
    std::map<std::string, std::int64_t, std::less<>> counts;

    [[nodiscard]] std::int64_t operator[](std::string_view field) const
    {
        const auto found = counts.find(field);
        return found == counts.end() ? 0 : found->second;
    }
};

/// Reads the reply of HGETALL. A value that is no count (a whole number from 0 on) is a difference
/// and is left out.
[[nodiscard]] count_hash read_counts_of(std::string key, const redis::reply_view& reply,
                                        differences& out);

/// What must be true within the hash of a day, of a month, or of all time.
void check_hash(const count_hash& hash, differences& out);

/// Whether a hash is the sum of others: a month of its days, all time of the months. `parts_name`
/// stands for the parts when they are many.
void check_sum(std::string_view rule, const count_hash& whole, const std::vector<count_hash>& parts,
               const std::string& parts_name, differences& out);

/// Whether a breakdown (the reply of ZRANGE ... WITHSCORES) has counts and no more rows than it
/// may, and adds up to what its day's or month's hash (`whole_key`) has broken down.
void check_breakdown(const std::string& key, const std::string& whole_key, breakdown by,
                     const redis::reply_view& rows, std::int64_t whole, differences& out);

/// Whether rows that wait (the reply of LRANGE) can be read.
void check_tallies(const std::string& key, const redis::reply_view& waiting, differences& out);

/// Whether what is kept of a page (of `facts`) can be read.
void check_facts(const std::string& key, std::string_view path, std::string_view bytes,
                 differences& out);

/// Whether the log of a site's corrections (the reply of HGETALL) can be read. Answers the numbers
/// of its records.
[[nodiscard]] std::set<std::uint64_t> check_log(const std::string& key,
                                                const redis::reply_view& log, differences& out);

/// Whether addresses that are merged (the reply of HGETALL) lead to pages.
void check_aliases(const std::string& key, const redis::reply_view& aliases, differences& out);

/// Whether hidden pages (the reply of SMEMBERS) are no more than there may be, and paths.
void check_hidden(const std::string& key, const redis::reply_view& pages, differences& out);

/// Whether a member of `visits` is one, and the visit can be read.
void check_visit(const std::string& key, std::string_view visitor, std::string_view bytes,
                 differences& out);

/// Whether a day's list of new paths (its length in bytes) agrees with how many the day has
/// brought.
void check_first_seen(const std::string& key, const std::string& day_key, std::uint64_t bytes,
                      std::uint64_t brought, differences& out);

/// How many new paths each client has brought in an hour, as it was read in parts.
struct client_paths {
    std::string key;
    std::map<std::string, std::uint64_t, std::less<>> counts;

    /// Takes fields and values. What is no client, or no count that one may have, is a difference.
    void add(const redis::reply_view& part, differences& out);

    /// All together; a client that was read twice is one.
    [[nodiscard]] std::uint64_t sum() const noexcept;
};

/// Whether the list of aggregators at work (the reply of HGETALL) has the form that present.lua
/// gives it, at a time of Redis' clock that is no earlier.
void check_aggregators(const std::string& key, const redis::reply_view& reply, std::int64_t now_ms,
                       differences& out);

/// An entry of a stream, without its hits.
struct stream_entry {
    std::string id, producer;
    std::uint64_t prev = 0, last = 0, bytes = 0;
    bool has_reason = false;
};

/// How far one log has got in one partition, as Redis has it. Offsets count the hits that are
/// declared lost, too.
struct producer_position {
    std::optional<std::uint64_t> shipped;  ///< none: its name was taken off Redis
    std::uint64_t applied = 0, lost = 0;
    std::string chain;
    std::uint64_t queued = 0;  ///< offsets of the entries that wait in the stream
};

/// A partition's producers hash, taken apart.
struct producers_state {
    std::string key;
    std::map<std::string, producer_position> producers;
    std::map<std::string, producer_position> retired;  ///< of another key; filled in beside
    std::uint64_t applied = 0, lost = 0, damaged = 0, unconfigured = 0, bare = 0, bytes = 0,
                  last_ms = 0, tidied = 0;
    std::string tip;
};

/// Reads the reply of HGETALL. Fields that are none of those, or no numbers, are differences.
[[nodiscard]] producers_state read_producers(std::string key, const redis::reply_view& reply,
                                             differences& out);

/// Reads what is kept of retired logs (pairs, as HSCAN answers them): all of it was applied. What
/// has not the form that retire.lua gives it is a difference.
[[nodiscard]] std::map<std::string, producer_position> read_retired(const std::string& key,
                                                                    const redis::reply_view& pairs,
                                                                    differences& out);

/// shipped >= applied, lost <= shipped for each producer, and their sums.
void check_producers(const producers_state& state, differences& out);

/// Whether the entries that wait (all of them, oldest first) agree with the producers at the same
/// moment; fills in `queued` of each.
void check_stream(const std::string& key, const std::vector<stream_entry>& waiting,
                  producers_state& state, differences& out);

/// Whether the entry `a` came before `b` ("<ms>-<bits>").
[[nodiscard]] bool is_earlier(std::string_view a, std::string_view b) noexcept;

/// Milliseconds of an entry's id.
[[nodiscard]] std::uint64_t ms_of(std::string_view id) noexcept;

}  // namespace luot::aggregator
