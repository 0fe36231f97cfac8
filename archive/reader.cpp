#include "archive/reader.hpp"

#include "core/clock.hpp"
#include "core/file.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <tuple>

namespace luot::archive {

namespace {

/// The later one sinks in the heap.
constexpr auto is_later = [](const auto* a, const auto* b) {
    return std::tie(a->head_ms, a->producer) > std::tie(b->head_ms, b->producer);
};

}  // namespace

error_code reader::add(const std::string& name)
{
    std::error_code failed;
    if (!std::filesystem::is_directory(name, failed))
        return add_file(name);
    const auto names = list_directory(name);
    if (!names)
        return names.error();
    for (const auto& inner : *names) {
        std::int32_t date = 0;
        if (!parse_file_name(inner, date))
            continue;
        const auto begin = date * day_ms;
        if (begin >= before_ms_ || begin + day_ms <= from_ms_)
            continue;
        const auto error = add_file(name + '/' + inner);
        if (error && error.value() != ENOENT)  // keep_days has passed meanwhile
            return error;
    }
    return {};
}

error_code reader::add_file(const std::string& name)
{
    const auto opened = file::open(name);
    if (!opened)
        return opened.error();
    const auto found = list_frames(*opened);
    if (!found)
        return found.error();
    if (found->is_foreign && found->torn_bytes > 0)
        return errc::bad_record;
    unread_.torn_bytes += found->torn_bytes;
    unread_.damaged_bytes += found->damaged_bytes;
    const auto number = static_cast<std::uint32_t>(files_.size());
    files_.push_back(name);
    for (const auto& place : found->frames) {
        if (place.head.latest_ms < from_ms_ || place.head.earliest_ms >= before_ms_)
            continue;
        auto& l = logs_[place.head.producer];
        l.producer = place.head.producer;
        l.earliest_ms = std::min(l.earliest_ms, place.head.earliest_ms);
        l.frames.push_back({number, place});
    }
    return {};
}

void reader::begin()
{
    is_begun_ = true;
    for (auto& [producer, l] : logs_) {
        std::stable_sort(l.frames.begin(), l.frames.end(), [](const source& a, const source& b) {
            return std::tie(a.place.head.segment, a.place.head.begin) <
                   std::tie(b.place.head.segment, b.place.head.begin);
        });
        waiting_.push_back(&l);
    }
    std::sort(waiting_.begin(), waiting_.end(), [](const log* a, const log* b) {
        return std::tie(a->earliest_ms, a->producer) > std::tie(b->earliest_ms, b->producer);
    });
}

/// Moves a log to its next hit, if there is one.
error_code reader::advance(log& l, bool& is_there)
{
    is_there = false;
    for (;;) {
        while (!l.rest.empty()) {
            const auto r = take_record(l.rest);
            if (!r)
                break;
            auto& seen = l.seen[r->partition];
            if (r->offset <= seen) {
                ++unread_.doubled_hits;
                continue;
            }
            seen = r->offset;
            const auto time_ms = r->time_ms();
            if (time_ms < from_ms_ || time_ms >= before_ms_)
                continue;
            l.head = *r;
            l.head_ms = std::max(l.head_ms, time_ms);
            is_there = true;
            return {};
        }
        if (l.next_frame == l.frames.size()) {
            l.raw = std::string();
            return {};
        }
        const auto& from = l.frames[l.next_frame++];
        const auto opened = file::open(files_[from.file]);
        if (!opened)
            return opened.error();
        const auto error = read_frame(*opened, from.place, l.raw);
        if (error == errc::bad_record) {
            ++unread_.damaged_frames;
            l.raw.clear();
        } else if (error) {
            return error;
        }
        l.rest = l.raw;
    }
}

error_code reader::put_back(log* l)
{
    bool is_there = false;
    if (const auto error = advance(*l, is_there))
        return error;
    if (is_there) {
        open_.push_back(l);
        std::push_heap(open_.begin(), open_.end(), is_later);
    }
    return {};
}

error_code reader::next(archived_hit& out, bool& is_there)
{
    is_there = false;
    if (!is_begun_)
        begin();
    if (in_hand_)
        if (const auto error = put_back(std::exchange(in_hand_, nullptr)))
            return error;
    while (!waiting_.empty() &&
           (open_.empty() || waiting_.back()->earliest_ms <= open_.front()->head_ms)) {
        auto* l = waiting_.back();
        waiting_.pop_back();
        if (const auto error = put_back(l))
            return error;
    }
    if (open_.empty())
        return {};
    std::pop_heap(open_.begin(), open_.end(), is_later);
    in_hand_ = open_.back();
    open_.pop_back();
    out.producer = in_hand_->producer;
    out.what = in_hand_->head;
    is_there = true;
    return {};
}

}  // namespace luot::archive
