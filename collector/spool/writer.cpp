#include "collector/spool/writer.hpp"

#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/fail_point.hpp"
#include "core/log.hpp"
#include "core/metrics.hpp"

#include <boost/system/system_error.hpp>

#include <cerrno>

namespace luot::spool {

namespace {

/// Free bytes without which a spool counts as full: what one turn may well need.
constexpr std::uint64_t room_for_a_turn = 128 << 10;

bool is_want_of_room(const error_code& error)
{
    return error == boost::system::errc::no_space_on_device || error == errc::short_write ||
           error == error_code{EDQUOT, boost::system::system_category()};
}

}  // namespace

live_log::state live_log::snapshot() const
{
    const std::scoped_lock lock(mutex_);
    return state_;
}

void live_log::forget_before(std::uint64_t number)
{
    const std::scoped_lock lock(mutex_);
    std::erase_if(state_.segments, [number](const segment& s) { return s.header.number < number; });
}

writer::writer(std::uint64_t producer, writer_options options, disk_budget& budget)
    : options_(std::move(options)), budget_(budget), log_(std::make_shared<live_log>(producer))
{
    const auto error = begin_segment();
    if (is_want_of_room(error)) {
        // Only a luot that runs ships what older logs hold, which makes room: commit() tries again.
        needs_segment_ = true;
        failed_ms_ = steady_ms();
        budget_.short_of_space = true;
        log::error("spool_has_no_room", {{"why", error.message()}});
    } else if (error) {
        throw boost::system::system_error(error, "cannot begin a log in " + options_.directory);
    }
}

std::uint64_t writer::append(unsigned partition, std::string_view payload)
{
    const auto offset = ++offsets_[partition];
    chains_[partition] = chain(chains_[partition], payload);
    encode_record(producer(), partition, offset, payload, turn_);
    return offset;
}

error_code writer::commit()
{
    if (turn_.empty())
        return {};
    const auto error = write_turn();
    failed_ms_ = error ? steady_ms() : 0;
    if (error) {
        budget_.short_of_space =
            true;  // whatever the cause: room helps, and the shipper makes some
        take_back();
        return error;
    }
    committed_offsets_ = offsets_;
    committed_chains_ = chains_;
    file_bytes_ += turn_.size();
    budget_.used_bytes += turn_.size();
    turn_.clear();
    const std::scoped_lock lock(log_->mutex_);
    log_->state_.segments.back().bytes = file_bytes_;
    log_->state_.ends = committed_offsets_;
    return {};
}

bool writer::is_healthy()
{
    if (failed_ms_ != 0 && steady_ms() - failed_ms_ >= options_.try_again_ms)
        failed_ms_ = try_to_write() ? steady_ms() : 0;
    return failed_ms_ == 0 && budget_.used_bytes + room_for_a_turn <= budget_.max_bytes;
}

/// What one turn may well need, into a file that has no name any more and so goes with its
/// descriptor.
error_code writer::try_to_write() const
{
    const auto name = options_.directory + '/' + to_hex(producer()) + ".trial";
    auto trial = file::create(name);
    if (!trial)
        return trial.error();
    if (const auto error = remove_file(name))
        return error;
    const auto error = trial->append(std::string(room_for_a_turn, '\0'));
    return error || options_.sync == spool_sync::os ? error : trial->sync();
}

error_code writer::write_turn()
{
    const bool has_hits = file_bytes_ > header_bytes;
    if (budget_.used_bytes + turn_.size() > budget_.max_bytes) {
        // The segment in hand cannot be removed while it is: end it, so that it can once Redis has
        // it.
        if (has_hits)
            (void)begin_segment();
        return errc::spool_full;
    }
    if (needs_segment_ || file_bytes_ >= options_.segment_bytes ||
        (has_hits && unix_ms() - begun_ms_ >= options_.segment_ms))
        if (const auto error = begin_segment())
            return error;
    fail_point("spool.before_write");
    const auto begun_us = steady_us();
    const auto written = file_.append(turn_);
    if (options_.write_times)
        options_.write_times->observe(steady_us() - begun_us);
    if (const auto error = written) {
        // What was written of the turn must not be found: its hits are refused. Nor is this segment
        // gone on with: once it is ended and confirmed it can be removed, which makes room.
        const bool is_cut = !file_.truncate(file_bytes_);
        needs_segment_ = has_hits || !is_cut;
        return error;
    }
    fail_point("spool.written");
    if (options_.sync == spool_sync::disk) {
        if (const auto error = sync(file_)) {
            // The kernel may have dropped the pages: a later sync that succeeds would prove
            // nothing.
            needs_segment_ = true;
            if (file_.truncate(file_bytes_))
                log::error("spool_truncate_failed");
            return error;
        }
    }
    return {};
}

error_code writer::sync(file& of)
{
    const auto begun_us = steady_us();
    const auto error = of.sync();
    if (options_.sync_times)
        options_.sync_times->observe(steady_us() - begun_us);
    return error;
}

error_code writer::begin_segment()
{
    segment next;
    next.header = {producer(), number_ + 1, unix_ms(), committed_offsets_, committed_chains_};
    next.name = options_.directory + '/' + segment_name(producer(), number_ + 1);
    std::string head;
    encode_header(next.header, head);
    auto created = file::create(next.name);
    if (!created)
        return created.error();
    auto error = created->append(head);
    if (!error && options_.sync == spool_sync::disk)
        error = sync(*created);
    if (!error && options_.sync == spool_sync::disk)
        error = sync_directory(options_.directory);
    if (error) {
        if (remove_file(next.name))
            ++number_;  // the name is taken by a file that cannot be removed
        return error;
    }
    fail_point("segment.begun");
    next.bytes = header_bytes;
    file_ = std::move(*created);
    file_bytes_ = header_bytes;
    budget_.used_bytes += header_bytes;
    begun_ms_ = next.header.begun_ms;
    ++number_;
    needs_segment_ = false;
    const std::scoped_lock lock(log_->mutex_);
    log_->state_.segments.push_back(std::move(next));
    return {};
}

void writer::take_back()
{
    offsets_ = committed_offsets_;
    chains_ = committed_chains_;
    turn_.clear();
}

}  // namespace luot::spool
