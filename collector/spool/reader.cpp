#include "collector/spool/reader.hpp"

#include "core/bytes.hpp"

#include <algorithm>
#include <cerrno>

namespace luot::spool {

namespace {

constexpr std::size_t chunk_bytes = 256 * 1024;
constexpr std::size_t most_record_bytes = record_head_bytes + max_payload_bytes;
constexpr std::size_t most_varint_bytes = 3;  // before a payload
constexpr std::size_t page_bytes = 4096;
constexpr int most_failed_reads = 3;

}  // namespace

void log_reader::set_segments(std::vector<segment> segments)
{
    segments_ = std::move(segments);
    // A file that was removed must not stay open: its space would stay taken.
    if (std::none_of(segments_.begin(), segments_.end(),
                     [this](const segment& s) { return s.name == file_name_; }))
        close_file();
}

void log_reader::close_file()
{
    file_ = file{};
    file_name_.clear();
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
    at_.bad_bytes = 0;
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
    return go_to(before_, shipped);
}

bool log_reader::go_to(const bookmark& there, const per_partition& shipped)
{
    if (!std::equal(there.sent.begin(), there.sent.end(), shipped.begin(), std::less_equal<>{}))
        return false;
    at_ = there;
    at_.sent = shipped;
    return true;
}

bool log_reader::has_passed_over() const noexcept
{
    return !std::equal(at_.offsets.begin(), at_.offsets.end(), at_.sent.begin(),
                       std::less_equal<>{});
}

bool log_reader::is_at_end() const noexcept
{
    return segments_.empty() ||
           (at_.number == segments_.back().header.number && at_.byte >= segments_.back().bytes);
}

bool log_reader::has_more() const noexcept
{
    return !is_at_end() || has_passed_over();
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
        open->hits.size() + most_varint_bytes + r.payload.size() > max_entry_bytes) {
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

/// Puts bad bytes up to `byte` where they belong, once, however often a place is read.
void log_reader::judge(std::uint64_t& sum, std::uint64_t byte)
{
    const std::pair here{at_.number, byte};
    if (at_.bad_bytes > 0 && here > judged_) {
        sum += at_.bad_bytes;
        judged_ = here;
    }
    at_.bad_bytes = 0;
}

/// The next bytes of a segment. Nothing without an error: what is there cannot be had.
error_code log_reader::read_chunk(const segment& s, std::string& chunk)
{
    chunk.clear();
    if (file_name_ != s.name) {
        auto opened = file::open(s.name);
        if (!opened)
            return opened.error().value() == ENOENT ? error_code{} : opened.error();
        file_ = std::move(*opened);
        file_name_ = s.name;
    }
    const auto size = std::min<std::uint64_t>(chunk_bytes, s.bytes - at_.byte);
    const auto error = file_.read_at(at_.byte, size, chunk);
    if (!error)
        return {};
    const std::pair here{at_.number, at_.byte};
    failed_reads_ = std::exchange(failed_at_, here) == here ? failed_reads_ + 1 : 1;
    if (failed_reads_ < most_failed_reads)
        return error;
    // The pages that can be read, and damage where they cannot.
    chunk.clear();
    std::string page;
    const auto end = at_.byte + size;
    for (auto at = at_.byte; at < end; at += page.size()) {
        const auto wanted = std::min(at / page_bytes * page_bytes + page_bytes, end) - at;
        if (file_.read_at(at, wanted, page) || page.empty())
            page.assign(wanted, '\0');
        chunk += page;
    }
    return {};
}

error_code log_reader::read(std::size_t most_bytes, const std::bitset<partitions>& held,
                            std::vector<entry>& out)
{
    thread_local std::string chunk;
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
        if (const auto error = read_chunk(s, chunk)) {
            at_ = before_;
            out.resize(first);
            return error;
        }
        if (chunk.empty()) {  // gone, or shorter than it was: nothing more will come
            at_.bad_bytes += s.bytes - at_.byte;
            at_.byte = s.bytes;
        }
        const bool reaches_end = at_.byte + chunk.size() >= s.bytes;
        const std::string_view bytes = chunk;
        std::size_t used = 0;
        while (used < bytes.size()) {
            if (const auto r = decode_record(producer_, bytes.substr(used))) {
                judge(damage_.bytes, at_.byte + used);
                take(*r, next, held, out, first);
                used += r->bytes;
                continue;
            }
            const auto left = bytes.size() - used;
            if (!reaches_end && left < most_record_bytes)
                break;  // it may only be cut by the chunk
            const auto good = find_record(producer_, bytes, used + 1);
            const auto upto = good != std::string_view::npos ? good
                              : reaches_end
                                  ? bytes.size()
                                  : used + std::max<std::size_t>(1, left - most_record_bytes);
            at_.bad_bytes += upto - used;
            used = upto;
        }
        at_.byte += used;
        read_bytes += used;
        if (at_.byte >= s.bytes && (next || !is_live_))
            judge(next ? damage_.bytes : damage_.torn_bytes, at_.byte);
    }
    if (is_at_end()) {
        close_gaps(held, out);
        if (!is_live_)
            close_file();
    }
    return {};
}

}  // namespace luot::spool
