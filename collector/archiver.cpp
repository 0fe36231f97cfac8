#include "collector/archiver.hpp"

#include "archive/format.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/fail_point.hpp"
#include "core/metrics.hpp"

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <optional>

namespace luot::collector {

namespace {

constexpr std::size_t chunk_bytes = 1 << 20;
constexpr std::size_t most_record_bytes = spool::record_head_bytes + spool::max_payload_bytes;
constexpr std::int64_t retry_after_ms = 10'000, remove_every_ms = hour_ms;
/// A collector that archived nothing for longer has no readers, or its clock is ahead.
constexpr std::int32_t most_quiet_days = 2;

std::int32_t date_of(std::int64_t unix_ms)
{
    const auto days = unix_ms >= 0 ? unix_ms / day_ms : 0;
    return static_cast<std::int32_t>(std::min<std::int64_t>(days, 2'932'896));  // 9999-12-31
}

std::uint64_t hits_of(const spool::segment& s, const spool::per_partition& ends)
{
    std::uint64_t sum = 0;
    for (unsigned p = 0; p < partitions; ++p)
        sum += ends[p] - std::min(ends[p], s.header.offsets[p]);
    return sum;
}

}  // namespace

archiver::archiver(archiver_options options, metrics_registry& metrics)
    : options_(std::move(options)),
      writer_(options_.directory),
      hits_(metrics.add_counter("luot_archived_hits_total", "Hits put into the archive.")),
      bytes_(metrics.add_counter("luot_archive_bytes_total", "Bytes written to the archive.")),
      failures_(metrics.add_counter("luot_archive_failures_total",
                                    "Times that the archive could not be written: the segments "
                                    "stay in the spool.")),
      dropped_(metrics.add_counter("luot_archive_dropped_hits_total",
                                   "Hits that are missing in the archive: it could not be written "
                                   "until the spool had no room. They are counted all the same."))
{
}

void archiver::failed(std::string_view why)
{
    failures_.add();
    retry_ms_ = steady_ms() + retry_after_ms;
    if (limit_.pass())
        log::error("archive_not_written",
                   {{"dir", options_.directory},
                    {"why", why},
                    {"held_back", limit_.held_back()},
                    {"what",
                     "counting goes on. Make room on its disk, or give the folder to luot's user; "
                     "until then segments stay in the spool, and are dropped unarchived when that "
                     "is full to 80%"}});
}

/// The records of a segment that are hits of its log, by the rules of spool/FORMAT.md, as frames.
error_code archiver::pack(const spool::segment& s, const spool::per_partition& ends,
                          std::map<std::int32_t, std::string>& frames, std::uint64_t& hits) const
{
    const auto opened = file::open(s.name);
    if (!opened)
        return opened.error();
    auto last = s.header.offsets;
    // A frame ends where the date changes: so frames of a log follow each other as its hits do.
    std::optional<archive::frame_builder> frame;
    std::int32_t date = 0;
    std::string chunk;
    std::uint64_t at = spool::header_bytes;
    while (at < s.bytes) {
        const auto wanted = std::min<std::uint64_t>(chunk_bytes, s.bytes - at);
        if (const auto error = opened->read_at(at, wanted, chunk))
            return error;
        if (chunk.empty())
            break;  // it is shorter than it was
        const bool reaches_end = chunk.size() < wanted || at + chunk.size() >= s.bytes;
        const std::string_view bytes = chunk;
        std::size_t used = 0;
        while (used < bytes.size()) {
            const auto r = spool::decode_record(s.header.producer, bytes.substr(used));
            const auto left = bytes.size() - used;
            if (!r && !reaches_end && left < most_record_bytes)
                break;  // it may only be cut by the chunk
            if (!r) {
                const auto good = spool::find_record(s.header.producer, bytes, used + 1);
                used = good != std::string_view::npos ? good
                       : reaches_end                  ? bytes.size()
                                     : used + std::max<std::size_t>(1, left - most_record_bytes);
                continue;
            }
            const auto begin = at + used;
            used += r->bytes;
            if (r->offset <= last[r->partition] || r->offset > ends[r->partition])
                continue;
            last[r->partition] = r->offset;
            const archive::record hit{r->partition, r->offset, r->payload};
            const auto its_date = date_of(hit.time_ms());
            if (frame && (its_date != date || frame->is_full()))
                frame->finish(frames[date]);
            if (!frame)
                frame.emplace(s.header.producer, s.header.number);
            date = its_date;
            frame->add(hit, begin, begin + r->bytes);
            ++hits;
        }
        at += used;
    }
    if (frame)
        frame->finish(frames[date]);
    return {};
}

bool archiver::take(const spool::segment& s, const spool::per_partition& ends, bool is_urgent)
{
    if (taken_.contains({s.header.producer, s.header.number}))
        return true;
    if (!is_urgent && retry_ms_ != 0 && steady_ms() < retry_ms_)
        return false;
    std::map<std::int32_t, std::string> frames;
    std::uint64_t hits = 0;
    if (const auto error = pack(s, ends, frames, hits)) {
        if (error.value() == ENOENT) {  // somebody removed it: nobody can archive it any more
            give_up(s, ends);
            return true;
        }
        failed("reading the spool: " + error.message());
        return false;
    }
    if (const auto error = writer_.add(frames)) {
        failed(error.value() == EWOULDBLOCK ? "another process writes to this folder"
               : error == errc::bad_record  ? "a file there has the name of one of the archive and "
                                              "is none"
                                            : error.message());
        return false;
    }
    fail_point("archive.written");
    retry_ms_ = 0;
    taken_.emplace(s.header.producer, s.header.number);
    taken_bytes_ += s.bytes;
    hits_.add(hits);
    for (const auto& [date, bytes] : frames)
        bytes_.add(bytes.size());
    return true;
}

void archiver::forget(const spool::segment& s)
{
    taken_.erase({s.header.producer, s.header.number});
}

void archiver::give_up(const spool::segment& s, const spool::per_partition& ends)
{
    const auto hits = hits_of(s, ends);
    dropped_.add(hits);
    log::error("hits_not_archived",
               {{"producer", to_hex(s.header.producer)},
                {"hits", hits},
                {"what",
                 "they are counted, but missing in the archive: the spool had no room for "
                 "them until it can be written again"}});
}

void archiver::remove_old(std::int64_t unix_ms)
{
    const auto now = steady_ms();
    if (!is_on() || (removed_ms_ != 0 && now - removed_ms_ < remove_every_ms))
        return;
    removed_ms_ = now;
    const auto newest = writer_.newest();
    const bool is_doubtful = newest && *newest && date_of(unix_ms) - **newest > most_quiet_days;
    if (is_doubtful && !std::exchange(has_doubted_, true))
        return;
    has_doubted_ = is_doubtful;
    const auto removed =
        writer_.remove_before(date_of(unix_ms) - static_cast<std::int32_t>(options_.keep_days));
    if (!removed)
        failed("removing old files: " + removed.error().message());
    else if (*removed > 0)
        log::info(
            "archive_removed",
            {{"dir", options_.directory}, {"files", *removed}, {"keep_days", options_.keep_days}});
}

}  // namespace luot::collector
