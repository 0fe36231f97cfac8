#include "collector/spool_check.hpp"

#include "collector/spool/reader.hpp"
#include "core/bytes.hpp"
#include "core/file.hpp"

#include <algorithm>
#include <bitset>
#include <cerrno>
#include <utility>

namespace luot::collector {

namespace {

using segments_by_log = std::map<std::uint64_t, std::vector<spool::segment>>;

constexpr std::size_t bytes_per_read = 1 << 20;
constexpr int most_attempts = 5;  ///< while the collector removes segments

struct listing {
    segments_by_log logs;
    std::map<std::uint64_t, std::string> unread;  ///< log -> why
    bool has_changed = false;                     ///< while it was looked at
};

/// The segments of all logs, as the shipper takes them up, but nothing is mended or removed here.
result<listing> list_spool(const std::string& directory)
{
    const auto names = list_directory(directory);
    if (!names)
        return names.error();
    listing out;
    for (const auto& name : *names) {
        std::uint64_t producer = 0, number = 0;
        if (!spool::parse_segment_name(name, producer, number))
            continue;
        spool::segment s;
        s.name = directory + '/' + name;
        const auto opened = file::open(s.name);
        std::string head;
        if (!opened) {
            out.has_changed |= opened.error().value() == ENOENT;
            out.unread[producer] = opened.error().message();
            continue;
        }
        const auto size = opened->size();
        s.bytes = size ? *size : 0;
        auto error = opened->read_at(0, spool::header_bytes, head);
        if (!error)
            error = spool::decode_header(head, s.header);
        if (error && error != errc::newer_format && s.bytes <= spool::header_bytes)
            continue;  // it is just being begun, or a crash came then: nothing is in it
        if (error)
            out.unread[producer] = error.message();
        else
            out.logs[producer].push_back(std::move(s));
    }
    for (const auto& [producer, why] : out.unread)
        out.logs.erase(producer);
    return out;
}

/// Reads a log to its end. Errors: the system's.
result<log_on_disk> read_log(std::uint64_t producer, std::vector<spool::segment> segments,
                             const log_in_redis& redis)
{
    log_on_disk out;
    out.producer = producer;
    out.begun_ms = segments.back().header.begun_ms;
    // As a live log: what stands at its end may be half of a record that is being written.
    spool::log_reader reader{producer, true};
    reader.set_segments(std::move(segments));
    reader.seek(redis.shipped);
    const std::bitset<partitions> none;
    std::vector<spool::entry> entries;
    do {
        entries.clear();
        if (const auto error = reader.read(bytes_per_read, none, entries))
            return error;
        for (const auto& e : entries) {
            const auto p = e.partition;
            out.unshipped[p] += e.count;
            out.missing[p] += e.lost();
            if (e.prev == redis.shipped[p])
                out.chains[p] = e.prev_chain;
        }
    } while (!reader.is_at_end());
    out.spooled = reader.known();
    for (unsigned p = 0; p < partitions; ++p)
        if (out.spooled[p] == redis.shipped[p])
            out.chains[p] = reader.chain(p);
    return out;
}

bool are_all_there(const std::vector<spool::segment>& segments)
{
    return std::all_of(segments.begin(), segments.end(),
                       [](const spool::segment& s) { return file::open(s.name).has_value(); });
}

}  // namespace

result<spool_on_disk> read_spool(const std::string& directory,
                                 const std::map<std::uint64_t, log_in_redis>& redis)
{
    spool_on_disk out;
    std::map<std::uint64_t, std::string> unread;
    std::map<std::uint64_t, log_on_disk> logs;
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        const auto found = list_spool(directory);
        if (!found)
            return found.error();
        unread = found->unread;
        bool is_whole = !found->has_changed;
        std::erase_if(logs, [&](const auto& log) { return !found->logs.contains(log.first); });
        for (const auto& [producer, segments] : found->logs) {
            if (logs.contains(producer))
                continue;
            const auto known = redis.find(producer);
            auto log =
                read_log(producer, segments, known == redis.end() ? log_in_redis{} : known->second);
            if (!are_all_there(segments)) {  // what was removed meanwhile may look like a loss
                is_whole = false;
                unread[producer] = "its segments kept being removed";
            } else if (!log) {
                unread[producer] = log.error().message();
            } else {
                logs.emplace(producer, std::move(*log));
            }
        }
        if (is_whole)
            break;
    }
    for (auto& [producer, log] : logs)
        out.logs.push_back(std::move(log));
    for (const auto& [producer, why] : unread)
        out.unread.push_back(to_hex(producer) + ": " + why);
    return out;
}

std::vector<spool_difference> compare(const log_on_disk& log, const log_in_redis& redis,
                                      std::int64_t boot_ms)
{
    std::vector<spool_difference> found;
    for (unsigned p = 0; p < partitions; ++p) {
        if (log.begun_ms > boot_ms && redis.shipped[p] > log.spooled[p])
            found.push_back({"shipped_within_spooled", log.producer, p, "shipped",
                             std::to_string(redis.shipped[p]),
                             "at most " + std::to_string(log.spooled[p])});
        if (log.missing[p] > 0)
            found.push_back({"spool_holds_unshipped", log.producer, p, "shipped",
                             std::to_string(log.missing[p]) + " of " +
                                 std::to_string(log.missing[p] + log.unshipped[p]) +
                                 " hits behind it are missing",
                             "none: they will be declared lost"});
        if (log.chains[p] && !redis.chains[p].empty() && redis.chains[p] != to_hex(*log.chains[p]))
            found.push_back({"same_hits_in_spool", log.producer, p, "chain", redis.chains[p],
                             to_hex(*log.chains[p])});
    }
    return found;
}

}  // namespace luot::collector
