#include "collector/backlog.hpp"

#include <algorithm>
#include <functional>

namespace luot::collector {

namespace {

bool is_reached(const spool::per_partition& offsets, const spool::per_partition& by)
{
    return std::equal(offsets.begin(), offsets.end(), by.begin(), std::less_equal<>{});
}

}  // namespace

void waiting_since::note(std::int64_t now_ms, const spool::per_partition& committed,
                         const spool::per_partition& confirmed)
{
    if (marks_.empty())
        step_ms_ = 0;
    if (!is_reached(committed, marks_.empty() ? done_ : marks_.back().upto)) {
        if (!marks_.empty() && now_ms - marks_.back().at_ms < step_ms_)
            marks_.back().upto = committed;
        else
            marks_.push_back({now_ms, committed});
    }
    while (!marks_.empty() && is_reached(marks_.front().upto, confirmed)) {
        done_ = marks_.front().upto;
        marks_.pop_front();
    }
    has_fallen_back_ = !is_reached(done_, confirmed);
    if (marks_.size() <= most_marks)
        return;
    // Two become one, which began with the first and is confirmed with the second; and later ones
    // have as much in them.
    step_ms_ = (marks_.back().at_ms - marks_.front().at_ms) / std::int64_t{most_marks / 2};
    std::deque<mark> fewer;
    for (std::size_t i = 0; i < marks_.size(); i += 2)
        fewer.push_back({marks_[i].at_ms, marks_[std::min(i + 1, marks_.size() - 1)].upto});
    marks_ = std::move(fewer);
}

std::optional<std::int64_t> waiting_since::since_ms() const
{
    if (marks_.empty() || has_fallen_back_)
        return std::nullopt;
    return marks_.front().at_ms;
}

unconfirmed unconfirmed_of(const std::vector<spool::segment>& segments,
                           const spool::per_partition& ends, const spool::per_partition& confirmed)
{
    unconfirmed out;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const auto& begin = segments[i].header.offsets;
        const auto& end = i + 1 < segments.size() ? segments[i + 1].header.offsets : ends;
        std::uint64_t hits = 0, waiting = 0;
        for (unsigned p = 0; p < partitions; ++p) {
            if (end[p] <= begin[p])
                continue;
            hits += end[p] - begin[p];
            waiting += end[p] - std::clamp(confirmed[p], begin[p], end[p]);
        }
        if (waiting == 0)
            continue;
        if (out.begun_ms == 0)
            out.begun_ms = segments[i].header.begun_ms;
        const auto bytes =
            segments[i].bytes - std::min<std::uint64_t>(segments[i].bytes, spool::header_bytes);
        out.bytes += static_cast<std::uint64_t>(
            static_cast<double>(bytes) * static_cast<double>(waiting) / static_cast<double>(hits));
    }
    return out;
}

}  // namespace luot::collector
