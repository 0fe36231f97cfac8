#include "collector/spool/reader.hpp"

#include "core/bytes.hpp"

#include <algorithm>

namespace luot::spool {

namespace {

constexpr std::size_t chunk_bytes = 256 * 1024;
constexpr std::size_t most_record_bytes = record_head_bytes + max_payload_bytes;

}  // namespace

void log_reader::set_segments(std::vector<segment> segments)
{
    segments_ = std::move(segments);
}

std::size_t log_reader::find(std::uint64_t number) const noexcept
{
    const auto at = std::find_if(segments_.begin(), segments_.end(),
                                 [number](const segment& s) { return s.header.number >= number; });
    return static_cast<std::size_t>(at - segments_.begin());
}

void log_reader::enter(const segment& s)
{
    at_.number = s.header.number;
    at_.byte = header_bytes;
    // The header tells the truth: what the segment before should have held up to here, it has lost;
    // what it held beyond was refused.
    at_.offsets = s.header.offsets;
    at_.chains = s.header.chains;
    // 0 behind hits stands for a checksum that was not known when the header was written.
    for (unsigned p = 0; p < partitions; ++p)
        at_.chain_known[p] = s.header.chains[p] != 0 || s.header.offsets[p] == 0;
}

void log_reader::seek(const per_partition& shipped)
{
    at_ = place{};
    for (const auto& s : segments_) {
        const bool behind = std::equal(s.header.offsets.begin(), s.header.offsets.end(),
                                       shipped.begin(), std::less_equal<>{});
        if (at_.number == 0 || behind)
            enter(s);
        else
            break;
    }
    at_.sent = shipped;
    before_ = at_;
}

bool log_reader::step_back(const per_partition& shipped)
{
    if (!std::equal(before_.sent.begin(), before_.sent.end(), shipped.begin(), std::less_equal<>{}))
        return false;
    at_ = before_;
    at_.sent = shipped;
    return true;
}

bool log_reader::is_at_end() const noexcept
{
    return segments_.empty() ||
           (at_.number == segments_.back().header.number && at_.byte >= segments_.back().bytes);
}

bool log_reader::has_more() const noexcept
{
    return !is_at_end() || !std::equal(at_.offsets.begin(), at_.offsets.end(), at_.sent.begin(),
                                       std::less_equal<>{});
}

std::optional<std::uint64_t> log_reader::chain(unsigned partition) const noexcept
{
    if (!at_.chain_known[partition])
        return std::nullopt;
    return at_.chains[partition];
}

void log_reader::take(const record& r, const segment* next, const std::bitset<partitions>& held,
                      std::vector<entry>& out, std::size_t first)
{
    const auto p = r.partition;
    if (r.offset <= at_.offsets[p] || (next && r.offset > next->header.offsets[p]))
        return;
    if (const auto missing = r.offset - at_.offsets[p] - 1; missing > 0) {
        at_.chain_known.reset(p);
        if (r.offset > counted_[p])
            damage_.hits += missing;
    }
    counted_[p] = std::max(counted_[p], r.offset);
    const auto before = chain(p);
    at_.offsets[p] = r.offset;
    if (before)
        at_.chains[p] = spool::chain(*before, r.payload);
    if (r.offset <= at_.sent[p] || held[p])
        return;

    auto open = std::find_if(out.rbegin(), out.rend() - static_cast<std::ptrdiff_t>(first),
                             [p](const entry& e) { return e.partition == p; });
    if (open == out.rend() - static_cast<std::ptrdiff_t>(first) || open->count >= max_entry_hits ||
        open->hits.size() + r.payload.size() > max_entry_bytes) {
        auto& added = out.emplace_back();
        added.partition = p;
        added.prev = at_.sent[p];
        if (at_.sent[p] == r.offset - 1)
            added.prev_chain = before;
        open = out.rbegin();
    }
    put_varint(open->hits, r.payload.size());
    open->hits.append(r.payload);
    ++open->count;
    open->last = r.offset;
    open->chain = chain(p);
    at_.sent[p] = r.offset;
}

void log_reader::close_gaps(const std::bitset<partitions>& held, std::vector<entry>& out)
{
    for (unsigned p = 0; p < partitions; ++p) {
        if (held[p] || at_.offsets[p] <= at_.sent[p])
            continue;
        auto& gap = out.emplace_back();
        gap.partition = p;
        gap.prev = at_.sent[p];
        gap.last = at_.offsets[p];
        gap.chain = chain(p);
        at_.sent[p] = gap.last;
    }
}

error_code log_reader::read(std::size_t most_bytes, const std::bitset<partitions>& held,
                            std::vector<entry>& out)
{
    before_ = at_;
    const auto first = out.size();
    std::size_t read_bytes = 0;
    while (read_bytes < most_bytes) {
        const auto index = find(at_.number);
        if (index == segments_.size())
            break;
        const auto& s = segments_[index];
        const auto* next = index + 1 < segments_.size() ? &segments_[index + 1] : nullptr;
        if (at_.number != s.header.number) {  // the one we were in has been removed
            enter(s);
            continue;
        }
        if (at_.byte >= s.bytes) {
            if (!next)
                break;
            enter(*next);
            continue;
        }
        if (file_name_ != s.name) {
            auto opened = file::open(s.name);
            if (!opened) {
                at_ = before_;
                return opened.error();
            }
            file_ = std::move(*opened);
            file_name_ = s.name;
        }
        const auto size = std::min<std::uint64_t>(chunk_bytes, s.bytes - at_.byte);
        if (auto error = file_.read_at(at_.byte, size, chunk_)) {
            at_ = before_;
            return error;
        }
        const bool reaches_end = at_.byte + chunk_.size() >= s.bytes || chunk_.size() < size;
        const std::string_view bytes = chunk_;
        std::size_t used = 0;
        while (used < bytes.size()) {
            if (const auto r = decode_record(producer_, bytes.substr(used))) {
                take(*r, next, held, out, first);
                used += r->bytes;
                continue;
            }
            if (!reaches_end && bytes.size() - used < most_record_bytes)
                break;  // it may only be cut by the chunk
            const auto good = find_record(producer_, bytes, used + 1);
            if (good != std::string_view::npos) {
                damage_.bytes += good - used;
                used = good;
            } else if (reaches_end) {
                (next ? damage_.bytes : damage_.torn_bytes) += bytes.size() - used;
                used = bytes.size();
            } else {
                const auto skipped = bytes.size() - used - most_record_bytes;
                damage_.bytes += skipped;
                used += skipped;
                break;
            }
        }
        at_.byte += used;
        if (chunk_.size() < size)  // the file is shorter than it was: nothing more will come
            at_.byte = s.bytes;
        read_bytes += used;
    }
    if (is_at_end())
        close_gaps(held, out);
    return {};
}

}  // namespace luot::spool
