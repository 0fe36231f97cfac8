// A log of the spool that was damaged: whatever is done to its bytes, what is read was written, in
// order, once, and the rest is declared lost. Input: a script of hits and of damage.

#include "collector/spool/reader.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdlib>
#include <optional>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace luot::fuzz {

namespace {

using namespace spool;

constexpr std::uint64_t producer = 0x0123456789ABCDEF;
constexpr std::size_t most_segments = 4;
constexpr std::size_t most_hits = 64;
constexpr std::size_t most_rounds = 1000;
constexpr std::size_t most_repeats = 20;  // a reader that is always sent back never ends

/// A file in memory, with a name that the reader can open.
class memory_file {
public:
    explicit memory_file(std::string_view bytes) : descriptor_(memfd_create("segment", MFD_CLOEXEC))
    {
        check(descriptor_ >= 0, "there are files in memory");
        check(write(descriptor_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
              "a file in memory takes its bytes");
    }
    memory_file(memory_file&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    memory_file& operator=(memory_file&&) = delete;
    ~memory_file()
    {
        if (descriptor_ >= 0)
            close(descriptor_);
    }

    [[nodiscard]] std::string name() const
    {
        return "/proc/self/fd/" + std::to_string(descriptor_);
    }

private:
    int descriptor_;
};

struct written_segment {
    segment_header header;
    std::string bytes;
};

/// A log that was written, and its payloads by partition and offset (from 1).
struct written_log {
    std::vector<written_segment> segments;
    std::array<std::vector<std::string>, partitions> hits;
    bool is_damaged = false;

    void begin_segment()
    {
        segment_header h;
        h.producer = producer;
        h.number = segments.size() + 1;
        for (unsigned p = 0; p < partitions; ++p) {
            h.offsets[p] = hits[p].size();
            for (const auto& payload : hits[p])
                h.chains[p] = chain(h.chains[p], payload);
        }
        std::string bytes;
        encode_header(h, bytes);
        segments.push_back({h, bytes});
    }

    void append(unsigned partition, std::string payload)
    {
        encode_record(producer, partition, hits[partition].size() + 1, payload,
                      segments.back().bytes);
        hits[partition].push_back(std::move(payload));
    }
};

/// Does what the script says until it ends. Headers stay: whoever finds the segments of a log mends
/// those.
written_log write_log(byte_reader& script)
{
    written_log log;
    log.begin_segment();
    std::size_t hits = 0;
    while (script.ok() && !script.rest().empty()) {
        const auto step = script.u8();
        if (step < 0x80) {  // a hit
            if (++hits > most_hits)
                continue;
            const auto size = std::min<std::size_t>(script.u8(), script.rest().size());
            std::string payload(script.bytes(size));
            payload.resize(std::max<std::size_t>(1, payload.size()) * (step >= 0x60 ? 60 : 1), 'x');
            payload.resize(std::min(payload.size(), max_payload_bytes));
            log.append(step % partitions, std::move(payload));
            continue;
        }
        if (step < 0x90) {
            if (log.segments.size() < most_segments)
                log.begin_segment();
            continue;
        }
        // Damage: somewhere behind the header of a segment written so far.
        auto& bytes = log.segments[step % log.segments.size()].bytes;
        const auto records = bytes.size() - header_bytes;
        const auto at = script.varint() % (records + 1);
        log.is_damaged = true;
        if (step < 0xB0) {  // other bytes
            const auto other = script.bytes(script.u8() & 15);
            for (std::size_t i = 0; i < other.size() && at + i < records; ++i)
                bytes[header_bytes + at + i] = other[i];
        } else if (step < 0xC0) {  // cut
            bytes.resize(header_bytes + at);
        } else if (step < 0xD0) {  // bytes too many
            bytes.insert(header_bytes + at, script.bytes(script.u8() & 63));
        } else if (step < 0xE0) {  // bytes missing
            bytes.erase(header_bytes + at, script.u8());
        } else if (step < 0xF0) {  // records again, at another place
            bytes.insert(bytes.size(), bytes.substr(header_bytes + at, script.u8()));
        } else {  // another segment's bytes
            const auto& from = log.segments[script.u8() % log.segments.size()].bytes;
            bytes.insert(header_bytes + at, from.substr(header_bytes, 1000));
        }
    }
    return log;
}

/// What a reader answered, partition by partition, checked as it comes.
class received {
public:
    explicit received(const written_log& log) : log_(log) {}

    void take(const entry& e)
    {
        const auto& hits = log_.hits[e.partition];
        check(e.partition < partitions && e.prev == last_[e.partition], "entries join");
        check(e.last > e.prev, "an entry goes on");
        check(e.count <= log_reader::max_entry_hits && e.hits.size() <= log_reader::max_entry_bytes,
              "an entry has limits");
        check(e.last - e.prev >= e.count, "an entry holds no more than its offsets");
        byte_reader in{e.hits};
        auto at = e.prev;
        std::uint64_t count = 0;
        std::optional<std::uint64_t> sum = e.prev_chain;
        for (; !in.rest().empty(); ++count) {
            const auto payload = in.bytes(in.varint());
            // Each is one that was written, behind the one before.
            const auto found =
                std::find(hits.begin() + static_cast<std::ptrdiff_t>(at), hits.end(), payload);
            check(in.ok() && found != hits.end(), "a hit was written, behind the one before it");
            at = static_cast<std::uint64_t>(found - hits.begin()) + 1;
            if (sum)
                sum = chain(*sum, payload);
        }
        check(count == e.count, "an entry holds as many hits as it says");
        check(at <= e.last, "an entry ends at its last hit or behind it");
        if (sum && e.chain && e.lost() == 0)
            check(*sum == *e.chain, "chained checksums join");
        last_[e.partition] = e.last;
        hits_ += e.count;
        lost_ += e.lost();
    }

    void take(const std::vector<entry>& entries)
    {
        for (const auto& e : entries)
            take(e);
    }

    [[nodiscard]] const per_partition& last() const { return last_; }
    [[nodiscard]] std::uint64_t hits() const { return hits_; }
    [[nodiscard]] std::uint64_t lost() const { return lost_; }

private:
    const written_log& log_;
    per_partition last_{};
    std::uint64_t hits_ = 0, lost_ = 0;
};

/// Reads all, `most_bytes` at a time; now and then again from where it was, as after a failed
/// shipment.
received read_all(const written_log& log, const std::vector<segment>& segments,
                  std::size_t most_bytes, std::uint64_t again_every)
{
    received got(log);
    log_reader reader(producer, false);
    reader.set_segments(segments);
    reader.seek({});
    std::vector<entry> entries;
    std::size_t rounds = 0;
    while (reader.has_more()) {
        check(++rounds < most_rounds, "a reader comes to the end");
        entries.clear();
        check(!reader.read(most_bytes, {}, entries), "a file in memory can be read");
        if (again_every != 0 && rounds < most_repeats && rounds % again_every == 0) {
            if (rounds % 2 == 0)
                check(reader.step_back(got.last()), "a reader can step back");
            else
                reader.seek(got.last());
            entries.clear();
            check(!reader.read(most_bytes, {}, entries), "a file in memory can be read");
        }
        got.take(entries);
    }
    check(reader.known() == got.last(), "what is known was answered");
    return got;
}

}  // namespace

void try_input(std::string_view input)
{
    byte_reader script{input};
    const auto most_bytes = std::size_t{script.u8()} * 8 + 1;
    const auto again_every = script.u8() % 8U;
    const auto log = write_log(script);

    std::vector<memory_file> files;
    std::vector<segment> segments;
    std::uint64_t written = 0;
    per_partition ends{};
    for (const auto& s : log.segments) {
        files.emplace_back(s.bytes);
        segments.push_back({s.header, files.back().name(), s.bytes.size()});
        // A header that was lost is put together again.
        const auto rebuilt = rebuilt_header(producer, s.header.number, s.bytes, ends);
        const auto known = ends_of(s.header, s.bytes);
        for (unsigned p = 0; p < partitions; ++p) {
            check(known[p] >= s.header.offsets[p], "a segment goes on from its header");
            check(log.is_damaged || rebuilt.offsets[p] == s.header.offsets[p],
                  "a header that was lost is found");
        }
        ends = known;
    }
    for (const auto& hits : log.hits)
        written += hits.size();

    const auto whole = read_all(log, segments, 1 << 20, 0);
    check(whole.hits() <= written, "nothing is doubled");
    if (!log.is_damaged)
        check(whole.hits() == written && whole.lost() == 0, "what was not damaged is all there");
    const auto pieces = read_all(log, segments, most_bytes, again_every);
    check(pieces.hits() == whole.hits() && pieces.lost() == whole.lost() &&
              pieces.last() == whole.last(),
          "it does not matter in which pieces a log is read");
}

}  // namespace luot::fuzz
