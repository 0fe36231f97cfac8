// The spool's reading end: each hit that is there comes once, and each that is not is declared.

#include "collector/spool/reader.hpp"

#include "tests/unit/support/spool.hpp"
#include "tests/unit/support/temp_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace reader_test {

using namespace luot;
using namespace luot::spool;
using luot::testing::content_of;
using luot::testing::log_content;
using luot::testing::none_held;
using luot::testing::payloads_of;
using luot::testing::read_log;
using luot::testing::read_on;
using luot::testing::segments_in;
using luot::testing::temp_dir;
using luot::testing::write_file;

constexpr std::uint64_t producer = 0x0123456789ABCDEF;
constexpr std::size_t much = 1 << 20;
const auto per_element = boost::test_tools::per_element();

/// One hit as it was written.
struct written_hit {
    unsigned partition = 0;
    std::uint64_t offset = 0;
    std::string payload;
    std::string name;       ///< of its segment
    std::size_t begin = 0;  ///< in it
    std::size_t bytes = 0;
};

/// A log in a folder of its own, and what was written into it.
class written_log {
public:
    explicit written_log(std::uint64_t segment_bytes = 64ULL << 20)
        : writer_(producer, {.directory = dir_.name(), .segment_bytes = segment_bytes}, budget_)
    {
    }

    void append(unsigned partition, std::string payload)
    {
        const auto offset = writer_.append(partition, payload);
        turn_.push_back({partition, offset, std::move(payload), {}, 0, 0});
    }

    void commit()
    {
        BOOST_TEST_REQUIRE(!writer_.commit());
        const auto segment = writer_.log()->snapshot().segments.back();
        auto end = segment.bytes;
        for (auto h = turn_.rbegin(); h != turn_.rend(); ++h) {
            h->name = segment.name;
            h->bytes = record_head_bytes + h->payload.size();
            h->begin = end -= h->bytes;
            last_[h->partition] = std::max(last_[h->partition], h->offset);
        }
        for (auto& h : turn_) {
            chains_[h.partition] = chain(chains_[h.partition], h.payload);
            hits_.push_back(std::move(h));
        }
        turn_.clear();
    }

    /// `count` hits, in turns of three, over all partitions.
    void fill(unsigned count)
    {
        for (unsigned i = 0; i < count; ++i) {
            append(i * 5 % 16 % 7, "hit number " + std::to_string(i) + std::string(i % 13, '.'));
            if (i % 3 == 2)
                commit();
        }
        commit();
    }

    /// Ends the log with a header without hits: what is missing before it is known to be missing.
    void end()
    {
        const auto number = segments().back().header.number + 1;
        std::string head;
        encode_header({producer, number, 0, last_, chains_}, head);
        write_file(dir_.file(segment_name(producer, number)), head);
    }

    [[nodiscard]] std::vector<segment> segments() const
    {
        return segments_in(dir_.name(), producer);
    }
    [[nodiscard]] log_reader reader(const per_partition& shipped = {}) const
    {
        log_reader reading(producer, false);
        reading.set_segments(segments());
        reading.seek(shipped);
        return reading;
    }
    [[nodiscard]] log_content read() const { return read_log(dir_.name(), producer); }
    [[nodiscard]] std::string file(std::uint64_t number) const
    {
        return dir_.file(segment_name(producer, number));
    }
    [[nodiscard]] const std::string& directory() const { return dir_.name(); }
    [[nodiscard]] const std::vector<written_hit>& hits() const { return hits_; }
    [[nodiscard]] const per_partition& last() const { return last_; }
    [[nodiscard]] const std::shared_ptr<live_log>& live() const { return writer_.log(); }

    /// The payloads of a partition behind an offset.
    [[nodiscard]] std::vector<std::string> payloads(unsigned partition,
                                                    std::uint64_t behind = 0) const
    {
        std::vector<std::string> all;
        for (const auto& h : hits_)
            if (h.partition == partition && h.offset > behind)
                all.push_back(h.payload);
        return all;
    }

private:
    temp_dir dir_;
    disk_budget budget_{.max_bytes = 1 << 30};
    writer writer_;
    std::vector<written_hit> turn_, hits_;
    per_partition last_{}, chains_{};
};

/// Changes bytes of a file.
void overwrite(const std::string& name, std::size_t at, std::string_view bytes)
{
    auto content = content_of(name);
    BOOST_TEST_REQUIRE(at + bytes.size() <= content.size());
    content.replace(at, bytes.size(), bytes);
    write_file(name, content);
}

void flip(const std::string& name, std::size_t at, unsigned bit = 0)
{
    auto content = content_of(name);
    BOOST_TEST_REQUIRE(at < content.size());
    content[at] = static_cast<char>(content[at] ^ (1 << bit));
    write_file(name, content);
}

/// Each partition's entries follow one another from `shipped` to the log's end without a hole, and
/// their chained checksums join.
void check_rows(const std::vector<entry>& entries, const written_log& log,
                const per_partition& shipped = {})
{
    per_partition last = shipped, chains{};
    for (const auto& h : log.hits())
        if (h.offset <= shipped[h.partition])
            chains[h.partition] = chain(chains[h.partition], h.payload);
    for (const auto& e : entries) {
        BOOST_TEST_CONTEXT("entry (" << e.prev << ", " << e.last << "] of partition "
                                     << e.partition)
        {
            BOOST_TEST_REQUIRE(e.partition < partitions);
            BOOST_TEST(e.prev == last[e.partition]);
            BOOST_TEST(e.last == e.prev + e.count);
            BOOST_TEST(e.lost() == 0U);
            BOOST_TEST((e.prev_chain == chains[e.partition]));
            const auto payloads = payloads_of(e);
            BOOST_TEST(payloads.size() == e.count);
            for (const auto& payload : payloads)
                chains[e.partition] = chain(chains[e.partition], payload);
            BOOST_TEST((e.chain == chains[e.partition]));
            last[e.partition] = e.last;
        }
    }
    for (unsigned p = 0; p < partitions; ++p)
        BOOST_TEST(last[p] == std::max(log.last()[p], shipped[p]));
}

BOOST_AUTO_TEST_SUITE(spool_reader)

BOOST_AUTO_TEST_CASE(all_that_was_written_comes_back_in_order)
{
    written_log log(2000);
    log.fill(300);
    BOOST_TEST(log.segments().size() > 3U);
    for (const std::size_t step_bytes : {std::size_t{1}, std::size_t{500}, much}) {
        BOOST_TEST_CONTEXT("in steps of " << step_bytes << " bytes")
        {
            auto reader = log.reader();
            BOOST_TEST(reader.producer() == producer);
            BOOST_TEST(!reader.is_live());
            BOOST_TEST(reader.has_more());
            const auto content = read_on(reader, step_bytes);
            for (unsigned p = 0; p < partitions; ++p)
                BOOST_TEST(content.hits[p] == log.payloads(p), per_element);
            check_rows(content.entries, log);
            BOOST_TEST(content.found.hits == 0U);
            BOOST_TEST(content.found.bytes == 0U);
            BOOST_TEST(content.found.torn_bytes == 0U);
            BOOST_TEST(reader.known() == log.last(), per_element);
            BOOST_TEST(!reader.has_more());
            std::vector<entry> more;
            BOOST_TEST(!reader.read(much, none_held, more));
            BOOST_TEST(more.empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(a_log_without_hits_has_nothing_to_read)
{
    const written_log log;
    auto reader = log.reader();
    BOOST_TEST(reader.is_at_end());
    BOOST_TEST(!reader.has_more());
    BOOST_TEST(read_on(reader).entries.empty());
    log_reader nothing(producer, false);
    nothing.seek({});
    BOOST_TEST(nothing.is_at_end());
    BOOST_TEST(!nothing.has_more());
    BOOST_TEST(read_on(nothing).entries.empty());
}

// An entry is applied in one script: its size bounds for how long Redis is held.
BOOST_AUTO_TEST_CASE(an_entry_holds_at_most_128_hits_and_64_kib)
{
    BOOST_TEST(log_reader::max_entry_hits == 128U);
    BOOST_TEST(log_reader::max_entry_bytes == 65'536U);
    const struct {
        unsigned hits;
        std::size_t payload_bytes;
        std::vector<std::uint64_t> counts;
    } table[] = {{1, 1, {1}},           {128, 10, {128}},
                 {129, 10, {128, 1}},   {300, 10, {128, 128, 44}},
                 {100, 1000, {65, 35}}, {9, max_payload_bytes, {3, 3, 3}}};
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.hits << " hits of " << row.payload_bytes << " bytes")
        {
            written_log log;
            for (unsigned i = 0; i < row.hits; ++i) {
                log.append(7, std::string(row.payload_bytes, static_cast<char>('a' + i % 26)));
                log.append(8, "between them");
            }
            log.commit();
            auto reader = log.reader();
            std::vector<entry> entries;
            BOOST_TEST(!reader.read(much, none_held, entries));
            std::vector<std::uint64_t> counts;
            for (const auto& e : entries) {
                BOOST_TEST(e.count <= 128U);
                BOOST_TEST(e.hits.size() <= 65'536U);
                if (e.partition == 7)
                    counts.push_back(e.count);
            }
            BOOST_TEST(counts == row.counts, per_element);
            check_rows(entries, log);
        }
    }
}

// Entries of an earlier call may be on their way to Redis already.
BOOST_AUTO_TEST_CASE(an_entry_that_was_handed_out_does_not_grow)
{
    written_log log;
    log.append(7, "first");
    log.commit();
    auto reader = log.reader();
    std::vector<entry> entries;
    BOOST_TEST(!reader.read(much, none_held, entries));
    log.append(7, "second");
    log.commit();
    reader.set_segments(log.segments());
    BOOST_TEST(!reader.read(much, none_held, entries));
    BOOST_TEST_REQUIRE(entries.size() == 2U);
    BOOST_TEST(payloads_of(entries[0]) == (std::vector<std::string>{"first"}), per_element);
    BOOST_TEST(payloads_of(entries[1]) == (std::vector<std::string>{"second"}), per_element);
    check_rows(entries, log);
}

// A crash may cut the last segment at any byte. What it cut off was never acknowledged: it is
// neither damage nor lost.
BOOST_AUTO_TEST_CASE(a_log_cut_at_any_byte_yields_a_prefix)
{
    written_log log(400);
    log.fill(40);
    const auto segments = log.segments();
    BOOST_TEST(segments.size() > 1U);
    const auto& last = segments.back();
    const auto whole = content_of(last.name);
    for (std::size_t cut = header_bytes; cut <= whole.size(); ++cut) {
        BOOST_TEST_CONTEXT("cut at byte " << cut << " of " << whole.size())
        {
            write_file(last.name, whole.substr(0, cut));
            const auto content = log.read();
            std::size_t kept_bytes = 0;
            std::array<std::vector<std::string>, partitions> kept;
            for (const auto& h : log.hits()) {
                if (h.name == last.name && h.begin + h.bytes > cut)
                    continue;
                kept[h.partition].push_back(h.payload);
                if (h.name == last.name)
                    kept_bytes += h.bytes;
            }
            for (unsigned p = 0; p < partitions; ++p)
                BOOST_TEST(content.hits[p] == kept[p], per_element);
            BOOST_TEST(content.lost == 0U);
            BOOST_TEST(content.found.hits == 0U);
            BOOST_TEST(content.found.bytes == 0U);
            BOOST_TEST(content.found.torn_bytes == cut - header_bytes - kept_bytes);
        }
    }
}

// The system may have made a file longer without writing its bytes before the power went.
BOOST_AUTO_TEST_CASE(a_tail_of_anything_is_torn_and_no_damage)
{
    constexpr unsigned seed = 77;
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    written_log log;
    log.fill(10);
    const auto whole = content_of(log.file(1));
    for (const std::size_t size : {1U, 16U, 17U, 1000U, 300'000U}) {
        for (const bool zeros : {true, false}) {
            BOOST_TEST_CONTEXT(size << (zeros ? " zeros" : " random bytes") << ", seed " << seed)
            {
                std::string tail(size, '\0');
                if (!zeros)
                    for (auto& b : tail)
                        b = static_cast<char>(random());
                write_file(log.file(1), whole + tail);
                auto reader = log.reader();
                const auto content = read_on(reader);
                check_rows(content.entries, log);
                BOOST_TEST(content.found.torn_bytes + content.found.bytes == size);
                // A large tail is read in parts: only its last one is known to be the end.
                if (size < 100'000)
                    BOOST_TEST(content.found.bytes == 0U);
                BOOST_TEST(content.found.hits == 0U);
                BOOST_TEST(content.lost == 0U);
                BOOST_TEST(reader.known() == log.last(), per_element);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_flipped_byte_in_the_middle_loses_exactly_its_record)
{
    written_log log;
    log.fill(30);
    const auto damaged = log.hits()[14];  // its partition has hits before and behind it
    BOOST_TEST_REQUIRE(damaged.offset > 1U);
    BOOST_TEST_REQUIRE(damaged.offset < log.last()[damaged.partition]);
    for (std::size_t byte = 0; byte < damaged.bytes; ++byte) {
        BOOST_TEST_CONTEXT("byte " << byte << " of " << damaged.bytes)
        {
            flip(damaged.name, damaged.begin + byte, byte % 8);
            const auto content = log.read();
            for (unsigned p = 0; p < partitions; ++p) {
                auto expected = log.payloads(p);
                if (p == damaged.partition)
                    expected.erase(expected.begin() +
                                   static_cast<std::ptrdiff_t>(damaged.offset - 1));
                BOOST_TEST(content.hits[p] == expected, per_element);
            }
            BOOST_TEST(content.lost == 1U);
            BOOST_TEST(content.found.hits == 1U);
            BOOST_TEST(content.found.bytes == damaged.bytes);
            BOOST_TEST(content.found.torn_bytes == 0U);
            flip(damaged.name, damaged.begin + byte, byte % 8);
        }
    }
}

// Redis has all before the damage: the next entry jumps over it, and says so.
BOOST_AUTO_TEST_CASE(the_entry_behind_a_damaged_record_declares_it_lost)
{
    written_log log;
    for (const std::string payload : {"first", "damaged", "third", "fourth"})
        log.append(7, payload);
    log.commit();
    flip(log.file(1), log.hits()[1].begin + record_head_bytes);
    per_partition shipped{};
    shipped[7] = 1;
    auto reader = log.reader(shipped);
    const auto content = read_on(reader);
    BOOST_TEST_REQUIRE(content.entries.size() == 1U);
    const auto& e = content.entries[0];
    BOOST_TEST(e.prev == 1U);
    BOOST_TEST(e.last == 4U);
    BOOST_TEST(e.count == 2U);
    BOOST_TEST(e.lost() == 1U);
    BOOST_TEST(payloads_of(e) == (std::vector<std::string>{"third", "fourth"}), per_element);
    // Nobody knows any more what the checksum would have been.
    BOOST_TEST(!e.prev_chain.has_value());
    BOOST_TEST(!e.chain.has_value());
    BOOST_TEST(!reader.chain(7).has_value());
}

// The next header says again what all hits before it come to.
BOOST_AUTO_TEST_CASE(the_chained_checksum_is_known_again_behind_the_next_header)
{
    written_log log(header_bytes + 1);
    for (int turn = 0; turn < 3; ++turn) {
        for (int i = 0; i < 3; ++i)
            log.append(7, "hit " + std::to_string(i) + " of turn " + std::to_string(turn));
        log.commit();
    }
    flip(log.file(1), log.hits()[1].begin + record_head_bytes);
    auto reader = log.reader();
    std::vector<entry> entries;
    while (!reader.is_at_end())
        BOOST_TEST_REQUIRE(!reader.read(1, none_held, entries));
    std::uint64_t expected = 0;
    for (const auto& h : log.hits())
        expected = chain(expected, h.payload);
    BOOST_TEST_REQUIRE(entries.size() == 3U);
    BOOST_TEST(entries[0].lost() == 1U);
    BOOST_TEST(!entries[0].chain.has_value());
    BOOST_TEST((entries[1].prev_chain == log.segments()[1].header.chains[7]));
    BOOST_TEST((entries[2].chain == expected));
    BOOST_TEST((reader.chain(7) == expected));
}

// 0 in a header stands for "not known" behind hits, and for the beginning before the first.
BOOST_AUTO_TEST_CASE(a_header_that_does_not_know_a_chain_is_not_taken_at_its_word)
{
    const temp_dir dir;
    segment_header h{.producer = producer, .number = 1};
    h.offsets[7] = 5;
    std::string bytes;
    encode_header(h, bytes);
    encode_record(producer, 7, 6, "sixth", bytes);
    encode_record(producer, 8, 1, "first", bytes);
    write_file(dir.file(segment_name(producer, 1)), bytes);
    log_reader reader(producer, false);
    reader.set_segments(segments_in(dir.name(), producer));
    reader.seek(h.offsets);
    const auto content = read_on(reader);
    BOOST_TEST_REQUIRE(content.entries.size() == 2U);
    BOOST_TEST(!content.entries[0].prev_chain.has_value());
    BOOST_TEST(!content.entries[0].chain.has_value());
    BOOST_TEST((content.entries[1].prev_chain == std::uint64_t{0}));
    BOOST_TEST((content.entries[1].chain == chain(0, "first")));
}

BOOST_AUTO_TEST_CASE(damage_at_the_end_of_a_segment_that_is_not_the_last_is_no_torn_tail)
{
    written_log log(600);
    log.fill(40);
    const auto segments = log.segments();
    BOOST_TEST_REQUIRE(segments.size() >= 3U);
    const auto whole = content_of(segments[1].name);
    for (std::size_t cut = header_bytes; cut < whole.size(); cut += 5) {
        BOOST_TEST_CONTEXT("cut at byte " << cut << " of " << whole.size())
        {
            write_file(segments[1].name, whole.substr(0, cut));
            std::size_t lost = 0, kept_bytes = 0;
            for (const auto& h : log.hits())
                if (h.name == segments[1].name)
                    (h.begin + h.bytes > cut ? lost : kept_bytes) +=
                        h.begin + h.bytes > cut ? 1 : h.bytes;
            const auto content = log.read();
            std::size_t read = 0;
            for (const auto& hits : content.hits)
                read += hits.size();
            BOOST_TEST(lost > 0U);
            BOOST_TEST(content.lost == lost);
            BOOST_TEST(read + lost == log.hits().size());
            BOOST_TEST(content.found.bytes == cut - header_bytes - kept_bytes);
            BOOST_TEST(content.found.torn_bytes == 0U);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_missing_segment_is_declared)
{
    for (const std::size_t missing : {0U, 1U, 2U}) {
        BOOST_TEST_CONTEXT("without segment " << missing + 1)
        {
            written_log log(600);
            log.fill(40);
            const auto segments = log.segments();
            BOOST_TEST_REQUIRE(segments.size() > 3U);
            std::filesystem::remove(segments[missing].name);
            std::array<std::vector<std::string>, partitions> expected;
            std::size_t lost = 0;
            for (const auto& h : log.hits())
                if (h.name == segments[missing].name)
                    ++lost;
                else
                    expected[h.partition].push_back(h.payload);
            auto reader = log.reader();
            const auto content = read_on(reader);
            for (unsigned p = 0; p < partitions; ++p)
                BOOST_TEST(content.hits[p] == expected[p], per_element);
            BOOST_TEST(content.lost == lost);
            BOOST_TEST(reader.known() == log.last(), per_element);
        }
    }
}

// Nothing but a name and offsets is left of a log when Redis is emptied: no hit comes that could
// say what is missing.
BOOST_AUTO_TEST_CASE(a_log_that_is_only_a_tombstone_declares_all_its_hits)
{
    written_log log;
    log.fill(40);
    log.end();
    std::filesystem::remove(log.file(1));
    auto reader = log.reader();
    BOOST_TEST(reader.has_more());
    std::vector<entry> entries;
    BOOST_TEST(!reader.read(much, none_held, entries));
    per_partition last{};
    for (const auto& e : entries) {
        BOOST_TEST(e.prev == 0U);
        BOOST_TEST(e.count == 0U);
        BOOST_TEST(e.hits.empty());
        BOOST_TEST(e.lost() == e.last);
        BOOST_TEST(last[e.partition] == 0U);
        last[e.partition] = e.last;
    }
    BOOST_TEST(last == log.last(), per_element);
    BOOST_TEST(!reader.has_more());

    auto confirmed = log.reader(log.last());
    BOOST_TEST(confirmed.is_at_end());
    BOOST_TEST(!confirmed.has_more());
    BOOST_TEST(read_on(confirmed).entries.empty());
}

// Redis says where it stands: ahead when an answer was lost, behind when it lost its newest writes.
BOOST_AUTO_TEST_CASE(reading_goes_on_exactly_behind_what_redis_has)
{
    constexpr unsigned seed = 20'210'725;
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937_64 random(seed);
    written_log log(700);
    log.fill(200);
    auto reader = log.reader();
    for (int round = 0; round < 200; ++round) {
        per_partition shipped{};
        for (unsigned p = 0; p < partitions; ++p)
            shipped[p] = random() % 4 == 0   ? 0
                         : random() % 3 == 0 ? log.last()[p]
                                             : random() % (log.last()[p] + 1);
        BOOST_TEST_CONTEXT("round " << round << ", seed " << seed)
        {
            reader.seek(shipped);
            const auto content = read_on(reader, random() % 2 ? 300 : much);
            for (unsigned p = 0; p < partitions; ++p)
                BOOST_TEST(content.hits[p] == log.payloads(p, shipped[p]), per_element);
            check_rows(content.entries, log, shipped);
            BOOST_TEST(content.found.hits == 0U);
        }
    }
}

// Another process ships under this name (a copied spool): the reader must survive to tell.
BOOST_AUTO_TEST_CASE(a_redis_that_is_ahead_of_the_log_gets_nothing)
{
    written_log log(700);
    log.fill(50);
    auto shipped = log.last();
    for (auto& offset : shipped)
        offset += 3;
    auto reader = log.reader(shipped);
    BOOST_TEST(read_on(reader).entries.empty());
    BOOST_TEST(!reader.has_more());
    BOOST_TEST(reader.known() == log.last(), per_element);
}

BOOST_AUTO_TEST_CASE(a_round_that_redis_took_in_part_is_read_again_without_that_part)
{
    written_log log(700);
    log.fill(100);
    auto reader = log.reader();
    std::vector<entry> entries;
    BOOST_TEST(!reader.read(1500, none_held, entries));
    per_partition shipped{};
    for (const auto& e : entries)
        shipped[e.partition] = e.last;

    std::vector<entry> second;
    BOOST_TEST(!reader.read(1500, none_held, second));
    BOOST_TEST_REQUIRE(second.size() > 2U);
    auto taken = shipped;
    taken[second[1].partition] = second[1].last;
    BOOST_TEST_REQUIRE(reader.step_back(taken));

    std::vector<entry> again;
    BOOST_TEST(!reader.read(1500, none_held, again));
    BOOST_TEST_REQUIRE(again.size() == second.size() - 1);
    for (const auto& e : again) {
        BOOST_TEST(e.partition != second[1].partition);
        const auto before = std::find_if(second.begin(), second.end(), [&e](const entry& other) {
            return other.partition == e.partition;
        });
        BOOST_TEST_REQUIRE((before != second.end()));
        BOOST_TEST(e.prev == before->prev);
        BOOST_TEST(e.last == before->last);
        BOOST_TEST((e.hits == before->hits));
        BOOST_TEST((e.prev_chain == before->prev_chain));
        BOOST_TEST((e.chain == before->chain));
    }

    // Behind the place where that round began there is only seek().
    const auto behind = std::find_if(shipped.begin(), shipped.end(),
                                     [](std::uint64_t offset) { return offset > 0; });
    BOOST_TEST_REQUIRE((behind != shipped.end()));
    --*behind;
    BOOST_TEST(!reader.step_back(shipped));
    reader.seek(shipped);
    check_rows(read_on(reader).entries, log, shipped);
}

BOOST_AUTO_TEST_CASE(stepping_back_does_not_count_damage_twice)
{
    written_log log;
    log.fill(30);
    flip(log.file(1), log.hits()[14].begin + record_head_bytes);
    auto reader = log.reader();
    for (int i = 0; i < 3; ++i) {
        const auto content = read_on(reader);
        BOOST_TEST(content.lost == 1U);
        BOOST_TEST(content.found.hits == 1U);
        BOOST_TEST(reader.step_back({}));
    }
}

// A partition whose stream is full must not hold up the others.
BOOST_AUTO_TEST_CASE(partitions_that_are_held_are_passed_over_and_read_later)
{
    written_log log(700);
    log.fill(100);
    log.end();
    std::bitset<partitions> held;
    held.set(2);
    held.set(5);
    auto reader = log.reader();
    std::vector<entry> entries;
    while (!reader.is_at_end())
        BOOST_TEST_REQUIRE(!reader.read(1000, held, entries));
    per_partition shipped{};
    std::array<std::vector<std::string>, partitions> hits;
    for (const auto& e : entries) {
        BOOST_TEST(!held[e.partition]);
        BOOST_TEST(e.prev == shipped[e.partition]);
        BOOST_TEST(e.lost() == 0U);
        shipped[e.partition] = e.last;
        for (auto& payload : payloads_of(e))
            hits[e.partition].push_back(std::move(payload));
    }
    for (unsigned p = 0; p < partitions; ++p)
        if (!held[p])
            BOOST_TEST(hits[p] == log.payloads(p), per_element);
    BOOST_TEST(reader.has_more());

    reader.seek(shipped);
    const auto rest = read_on(reader);
    for (unsigned p = 0; p < partitions; ++p)
        BOOST_TEST(rest.hits[p] == (held[p] ? log.payloads(p) : std::vector<std::string>{}),
                   per_element);
    BOOST_TEST(rest.lost == 0U);
    BOOST_TEST(!reader.has_more());
}

// A turn whose sync failed was refused, and its offsets were given again in the next segment; its
// bytes may have come to the disk all the same.
BOOST_AUTO_TEST_CASE(records_beyond_the_next_headers_offsets_are_not_read)
{
    const temp_dir dir;
    segment_header first{.producer = producer, .number = 1};
    std::string bytes;
    encode_header(first, bytes);
    per_partition chains{};
    for (const std::uint64_t offset : {1, 2, 3}) {
        const auto payload = "kept " + std::to_string(offset);
        encode_record(producer, 7, offset, payload, bytes);
        chains[7] = chain(chains[7], payload);
    }
    encode_record(producer, 7, 4, "refused 4", bytes);
    encode_record(producer, 8, 1, "refused 1", bytes);
    encode_record(producer, 7, 5, "refused 5", bytes);
    write_file(dir.file(segment_name(producer, 1)), bytes);

    segment_header second{.producer = producer, .number = 2, .chains = chains};
    second.offsets[7] = 3;
    bytes.clear();
    encode_header(second, bytes);
    encode_record(producer, 7, 4, "given again", bytes);
    write_file(dir.file(segment_name(producer, 2)), bytes);

    log_reader reader(producer, false);
    reader.set_segments(segments_in(dir.name(), producer));
    reader.seek({});
    const auto content = read_on(reader);
    BOOST_TEST(
        content.hits[7] == (std::vector<std::string>{"kept 1", "kept 2", "kept 3", "given again"}),
        per_element);
    BOOST_TEST(content.hits[8].empty());
    BOOST_TEST(content.lost == 0U);
    BOOST_TEST(content.found.hits == 0U);
    BOOST_TEST(content.found.bytes == 0U);
    BOOST_TEST((reader.chain(7) == chain(chains[7], "given again")));
}

BOOST_AUTO_TEST_CASE(a_reader_of_a_live_log_sees_what_is_committed_and_no_more)
{
    written_log log(1500);
    log_reader reader(producer, true);
    const auto refresh = [&] { reader.set_segments(log.live()->snapshot().segments); };
    BOOST_TEST(reader.is_live());
    refresh();
    reader.seek({});
    std::vector<entry> all;
    for (int turn = 0; turn < 60; ++turn) {
        BOOST_TEST_CONTEXT("turn " << turn)
        {
            for (int i = 0; i < 3; ++i)
                log.append(static_cast<unsigned>(turn + i * 5) % partitions,
                           "hit " + std::to_string(i) + " of turn " + std::to_string(turn));
            std::vector<entry> found;
            BOOST_TEST(!reader.read(much, none_held, found));
            BOOST_TEST(found.empty());
            log.commit();
            // It is in the file, but not told yet.
            BOOST_TEST(!reader.has_more());
            BOOST_TEST(!reader.read(much, none_held, found));
            BOOST_TEST(found.empty());
            refresh();
            BOOST_TEST(reader.has_more());
            BOOST_TEST(!reader.read(much, none_held, found));
            std::size_t hits = 0;
            for (auto& e : found) {
                hits += e.count;
                all.push_back(std::move(e));
            }
            BOOST_TEST(hits == 3U);
            BOOST_TEST(!reader.has_more());
        }
    }
    BOOST_TEST(log.segments().size() > 2U);
    check_rows(all, log);
    BOOST_TEST(reader.found().torn_bytes + reader.found().bytes + reader.found().hits == 0U);
}

// Between a write that failed and its cutting back the file is longer than what is committed.
BOOST_AUTO_TEST_CASE(bytes_behind_the_committed_end_are_not_read)
{
    written_log log;
    log.fill(9);
    const auto segments = log.live()->snapshot().segments;
    auto content = content_of(log.file(1));
    encode_record(producer, 7, log.last()[7] + 1, "refused", content);
    content += "and a half one";
    write_file(log.file(1), content);
    log_reader reader(producer, true);
    reader.set_segments(segments);
    reader.seek({});
    const auto read = read_on(reader);
    check_rows(read.entries, log);
    BOOST_TEST(read.found.torn_bytes + read.found.bytes == 0U);
}

// Retention removes segments while the reader stands in, or before, them.
BOOST_AUTO_TEST_CASE(a_segment_that_was_removed_is_left_for_the_next)
{
    written_log log(600);
    log.fill(60);
    const auto all = log.segments();
    BOOST_TEST_REQUIRE(all.size() > 3U);
    auto reader = log.reader();
    std::vector<entry> entries;
    BOOST_TEST(!reader.read(1, none_held, entries));  // it stands in the first
    per_partition shipped{};
    for (const auto& e : entries)
        shipped[e.partition] = e.last;
    std::uint64_t missing = 0;
    for (unsigned p = 0; p < partitions; ++p)
        if (all[2].header.offsets[p] > shipped[p])
            missing += all[2].header.offsets[p] - shipped[p];
    for (const auto& s : {all[0], all[1]})
        std::filesystem::remove(s.name);
    reader.set_segments(log.segments());
    const auto content = read_on(reader);
    BOOST_TEST(content.lost == missing);
    std::array<std::vector<std::string>, partitions> expected;
    for (const auto& h : log.hits())
        if (h.name != all[0].name && h.name != all[1].name)
            expected[h.partition].push_back(h.payload);
    for (unsigned p = 0; p < partitions; ++p)
        BOOST_TEST(content.hits[p] == expected[p], per_element);
    BOOST_TEST(reader.known() == log.last(), per_element);
}

BOOST_AUTO_TEST_CASE(a_segment_that_cannot_be_opened_moves_nothing)
{
    written_log log(600);
    log.fill(60);
    auto reader = log.reader();
    const auto name = log.segments()[1].name;
    std::filesystem::rename(name, name + ".away");
    std::filesystem::create_symlink(name, name);
    for (int again = 0; again < 2; ++again) {
        std::vector<entry> unused;
        BOOST_TEST(!!reader.read(much, none_held, unused));
        BOOST_TEST(unused.empty());
        BOOST_TEST(reader.known() == per_partition{}, per_element);
    }
    std::filesystem::rename(name + ".away", name);
    check_rows(read_on(reader).entries, log);
}

// Nobody brings it back: the log goes on behind it, and what it held is declared.
BOOST_AUTO_TEST_CASE(a_segment_that_is_gone_is_lost_and_what_is_behind_it_is_read)
{
    written_log log(600);
    log.fill(60);
    auto reader = log.reader();
    const auto all = log.segments();
    BOOST_TEST_REQUIRE(all.size() > 3U);
    std::filesystem::remove(all[1].name);
    std::uint64_t missing = 0;
    for (unsigned p = 0; p < partitions; ++p)
        missing += all[2].header.offsets[p] - all[1].header.offsets[p];
    const auto content = read_on(reader);
    BOOST_TEST(content.lost == missing);
    BOOST_TEST(reader.known() == log.last(), per_element);
}

// A disk that cannot read: what is behind it must not wait for ever. A folder in place of the file
// can be opened and never be read.
BOOST_AUTO_TEST_CASE(
    a_segment_that_cannot_be_read_three_times_is_lost_and_what_is_behind_it_is_read)
{
    written_log log(600);
    log.fill(60);
    auto reader = log.reader();
    const auto all = log.segments();
    BOOST_TEST_REQUIRE(all.size() > 3U);
    std::filesystem::remove(all[1].name);
    std::filesystem::create_directory(all[1].name);
    std::uint64_t missing = 0;
    for (unsigned p = 0; p < partitions; ++p)
        missing += all[2].header.offsets[p] - all[1].header.offsets[p];
    for (int attempt = 1; attempt < 3; ++attempt) {
        std::vector<entry> unused;
        BOOST_TEST(!!reader.read(much, none_held, unused));
        BOOST_TEST(unused.empty());
    }
    const auto content = read_on(reader);
    BOOST_TEST(content.lost == missing);
    BOOST_TEST(reader.known() == log.last(), per_element);
    BOOST_TEST(reader.found().bytes == all[1].bytes - header_bytes);
}

// The same place is read again after each fall-back of Redis, and whenever a partition was full.
BOOST_AUTO_TEST_CASE(damage_is_counted_once_however_often_it_is_read)
{
    written_log log(1 << 20);
    log.fill(60);
    const auto damaged = log.hits()[14];
    flip(damaged.name, damaged.begin + 20);
    auto reader = log.reader();
    (void)read_on(reader);
    const auto first = reader.found();
    BOOST_TEST(first.bytes > 0U);
    for (int again = 0; again < 3; ++again) {
        reader.seek({});
        (void)read_on(reader);
    }
    BOOST_TEST(reader.found().bytes == first.bytes);
    BOOST_TEST(reader.found().hits == first.hits);
    BOOST_TEST(reader.found().torn_bytes == first.torn_bytes);
}

// What is read at once is less than a segment, and damage may be more than that.
BOOST_AUTO_TEST_CASE(damage_of_any_size_ends_at_the_next_good_record)
{
    constexpr unsigned seed = 31;
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937_64 random(seed);
    for (const std::size_t size : {1U, 20'000U, 262'144U, 262'160U, 600'000U}) {
        BOOST_TEST_CONTEXT(size << " bytes, seed " << seed)
        {
            written_log log;
            for (int i = 0; i < 120; ++i)
                log.append(7, std::string(random() % max_payload_bytes + 1,
                                          static_cast<char>('a' + i % 26)));
            log.commit();
            log.append(7, "the last");
            log.commit();
            const auto file_bytes = content_of(log.file(1)).size();
            BOOST_TEST_REQUIRE(file_bytes > 700'000U);
            const std::size_t from = header_bytes + random() % (file_bytes - size - 1000);
            overwrite(log.file(1), from, std::string(size, '\xAA'));
            std::size_t damaged = 0, damaged_bytes = 0;
            std::vector<std::string> expected;
            for (const auto& h : log.hits())
                if (h.begin < from + size && from < h.begin + h.bytes) {
                    ++damaged;
                    damaged_bytes += h.bytes;
                } else {
                    expected.push_back(h.payload);
                }
            const auto content = log.read();
            BOOST_TEST((content.hits[7] == expected));
            BOOST_TEST(content.lost == damaged);
            BOOST_TEST(content.found.hits == damaged);
            BOOST_TEST(content.found.bytes == damaged_bytes);
            BOOST_TEST(content.found.torn_bytes == 0U);
        }
    }
}

// The first part that is read at once ends within the 16th record: behind damage it must be looked
// for again in the next part.
BOOST_AUTO_TEST_CASE(damage_does_not_take_the_record_behind_it_along)
{
    written_log log;
    for (int i = 0; i < 20; ++i)
        log.append(7, std::string(max_payload_bytes, static_cast<char>('a' + i)));
    log.commit();
    for (std::size_t damaged = 11; damaged < 19; ++damaged) {
        BOOST_TEST_CONTEXT("record " << damaged)
        {
            const auto at = log.hits()[damaged].begin + record_head_bytes;
            flip(log.file(1), at);
            auto expected = log.payloads(7);
            expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(damaged));
            const auto content = log.read();
            BOOST_TEST((content.hits[7] == expected));
            BOOST_TEST(content.lost == 1U);
            BOOST_TEST(content.found.bytes == log.hits()[damaged].bytes);
            flip(log.file(1), at);
        }
    }
}

/// What ship.lua does, with answers that get lost and a queue that may be full.
struct redis_double {
    /// Whether the shipper learns that the entry was taken.
    bool ship(const entry& e, bool is_taken, bool is_answered)
    {
        if (!is_taken || shipped[e.partition] != e.prev)
            return false;
        shipped[e.partition] = e.last;
        lost[e.partition] += e.lost();
        for (const auto& payload : payloads_of(e))
            hits[e.partition].push_back(payload);
        return is_answered;
    }

    per_partition shipped{}, lost{};
    std::array<std::vector<std::string>, partitions> hits;
};

/// Damages a log; what of it is still there is found by comparing.
void damage_something(const written_log& log, std::mt19937_64& random)
{
    const auto segments = log.segments();
    const auto& s = segments[random() % segments.size()];
    const bool is_last = s.header.number == segments.back().header.number;
    if (s.bytes <= header_bytes)
        return;
    const auto at = header_bytes + random() % (s.bytes - header_bytes);
    switch (random() % 5) {
        case 0:
        case 1:
            flip(s.name, at, random() % 8);
            break;
        case 2:
            overwrite(s.name, at,
                      std::string(random() % std::min<std::size_t>(s.bytes - at, 3000),
                                  random() % 2 ? '\0' : '\xFF'));
            break;
        case 3:
            std::filesystem::resize_file(s.name, at);
            break;
        default:
            if (!is_last)
                std::filesystem::remove(s.name);
    }
}

// The whole promise: whatever is damaged, and whatever is answered or not, each hit that was
// written is counted once or declared lost.
BOOST_AUTO_TEST_CASE(hits_read_and_declared_lost_are_all_that_were_written)
{
    constexpr unsigned first_seed = 1000;
    constexpr unsigned rounds = 100;
    BOOST_TEST_MESSAGE("seeds " << first_seed << " to " << first_seed + rounds - 1);
    std::uint64_t all_lost = 0;
    for (unsigned seed = first_seed; seed < first_seed + rounds; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed)
        {
            std::mt19937_64 random(seed);
            written_log log(500 + random() % 20'000);
            const auto width = random() % partitions + 1;
            per_partition next{};
            for (auto count = random() % 300 + 1; count > 0; --count) {
                const auto p = static_cast<unsigned>(random() % width);
                auto payload = std::to_string(p) + '/' + std::to_string(++next[p]) + '/';
                const auto most = random() % 20 == 0 ? max_payload_bytes - payload.size() : 200;
                for (auto more = random() % most; more > 0; --more)
                    payload += static_cast<char>(random());
                log.append(p, std::move(payload));
                if (random() % 5 == 0 || count == 1)
                    log.commit();
            }
            const bool is_ended = random() % 2 == 0;
            if (is_ended)
                log.end();
            for (auto count = random() % 6; count > 0; --count)
                damage_something(log, random);

            // A hit is there when its bytes are.
            std::array<std::vector<std::string>, partitions> expected;
            auto known = log.segments().back().header.offsets;
            std::map<std::string, std::string> contents;
            for (const auto& h : log.hits()) {
                std::string record;
                encode_record(producer, h.partition, h.offset, h.payload, record);
                auto [at, is_new] = contents.try_emplace(h.name);
                if (is_new)
                    at->second = content_of(h.name);  // empty when it was removed
                const auto& content = at->second;
                if (content.size() >= h.begin + h.bytes &&
                    content.compare(h.begin, h.bytes, record) == 0) {
                    expected[h.partition].push_back(h.payload);
                    known[h.partition] = std::max(known[h.partition], h.offset);
                }
            }

            redis_double redis;
            auto reader = log.reader();
            std::bitset<partitions> held;
            for (int step = 0; reader.has_more() && step < 1000; ++step) {
                if (random() % 4 == 0) {
                    held.reset();
                    reader.seek(redis.shipped);
                }
                std::vector<entry> entries;
                BOOST_TEST_REQUIRE(!reader.read(random() % 4000 + 1, held, entries));
                bool is_well = true;
                for (const auto& e : entries) {
                    BOOST_TEST(e.count <= log_reader::max_entry_hits);
                    const bool is_full = random() % 50 == 0;
                    if (is_full)
                        held.set(e.partition);
                    is_well = redis.ship(e, !is_full, random() % 50 != 0) && is_well;
                }
                if (!is_well && !reader.step_back(redis.shipped))
                    reader.seek(redis.shipped);
            }
            BOOST_TEST_REQUIRE(!reader.has_more());
            for (unsigned p = 0; p < partitions; ++p) {
                BOOST_TEST_CONTEXT("partition " << p)
                {
                    BOOST_TEST((redis.hits[p] == expected[p]));
                    BOOST_TEST(redis.shipped[p] == known[p]);
                    BOOST_TEST(redis.hits[p].size() + redis.lost[p] == known[p]);
                    if (is_ended)
                        BOOST_TEST(known[p] == log.last()[p]);
                    all_lost += redis.lost[p];
                }
            }
        }
    }
    BOOST_TEST(all_lost > 1000U);  // else there was no damage to speak of
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace reader_test
