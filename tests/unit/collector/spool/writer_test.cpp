// The spool's writing end: what commit() has confirmed is on disk, what it has refused is nowhere.

#include "collector/spool/writer.hpp"

#include "collector/spool/segment.hpp"
#include "core/clock.hpp"
#include "tests/unit/support/file_mode.hpp"
#include "tests/unit/support/spool.hpp"
#include "tests/unit/support/temp_dir.hpp"

#include <boost/system/system_error.hpp>
#include <boost/test/unit_test.hpp>

#include <csignal>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <vector>

namespace writer_test {

using namespace luot;
using namespace luot::spool;
using luot::testing::content_of;
using luot::testing::mode_of;
using luot::testing::read_log;
using luot::testing::temp_dir;

constexpr std::uint64_t producer = 0x0123456789ABCDEF;
const auto per_element = boost::test_tools::per_element();

/// No file can grow beyond a size while it lives: write(2) takes less than it was given there, as
/// on a disk that is full. Nothing but commit() belongs into its scope.
class file_size_limit {
public:
    explicit file_size_limit(std::uint64_t bytes)
    {
        BOOST_REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
        handler_ = ::signal(SIGXFSZ, SIG_IGN);
        BOOST_REQUIRE(handler_ != SIG_ERR);
        auto limit = before_;
        limit.rlim_cur = bytes;
        BOOST_REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    }
    ~file_size_limit()
    {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        ::signal(SIGXFSZ, handler_);
    }
    file_size_limit(const file_size_limit&) = delete;
    file_size_limit& operator=(const file_size_limit&) = delete;

private:
    rlimit before_{};
    sighandler_t handler_ = SIG_DFL;
};

/// A log in a folder of its own, with room.
struct world {
    writer begin()
    {
        options.directory = dir.name();
        return {producer, options, budget};
    }
    [[nodiscard]] std::string file(std::uint64_t number) const
    {
        return dir.file(segment_name(producer, number));
    }
    [[nodiscard]] std::size_t files() const { return list_directory(dir.name())->size(); }

    temp_dir dir;
    writer_options options;
    disk_budget budget{.max_bytes = 1 << 30};
};

std::size_t record_bytes(std::string_view payload)
{
    return record_head_bytes + payload.size();
}

BOOST_AUTO_TEST_SUITE(spool_writer)

BOOST_AUTO_TEST_CASE(a_new_log_is_a_header_that_only_its_owner_reads)
{
    world w;
    const auto earliest = unix_ms();
    auto log = w.begin();
    BOOST_TEST(log.producer() == producer);
    BOOST_TEST(log.is_healthy());

    const auto bytes = content_of(w.file(1));
    BOOST_TEST(bytes.size() == header_bytes);
    segment_header h;
    BOOST_TEST(!decode_header(bytes, h));
    BOOST_TEST(h.producer == producer);
    BOOST_TEST(h.number == 1U);
    BOOST_TEST(h.begun_ms >= earliest);
    BOOST_TEST(h.begun_ms <= unix_ms());
    BOOST_TEST(h.offsets == per_partition{}, per_element);
    BOOST_TEST(h.chains == per_partition{}, per_element);
    BOOST_TEST(mode_of(w.file(1)) == 0600U);
}

BOOST_AUTO_TEST_CASE(a_log_that_cannot_be_begun_ends_the_start)
{
    world w;
    w.options.directory = w.dir.file("missing");
    BOOST_CHECK_THROW(writer(producer, w.options, w.budget), boost::system::system_error);
    // Nothing is ever written into a file of an earlier run.
    const auto log = w.begin();
    BOOST_CHECK_THROW((void)w.begin(), boost::system::system_error);
    BOOST_TEST(content_of(w.file(1)).size() == header_bytes);
}

BOOST_AUTO_TEST_CASE(offsets_count_from_one_in_each_partition)
{
    world w;
    auto log = w.begin();
    for (unsigned p = 0; p < partitions; ++p)
        BOOST_TEST(log.append(p, "first") == 1U);
    BOOST_TEST(!log.commit());
    BOOST_TEST(log.append(7, "second") == 2U);
    BOOST_TEST(log.append(7, "third") == 3U);
    BOOST_TEST(log.append(0, "second") == 2U);
    BOOST_TEST(!log.commit());

    const auto content = read_log(w.dir.name(), producer);
    BOOST_TEST(content.hits[0] == (std::vector<std::string>{"first", "second"}), per_element);
    BOOST_TEST(content.hits[7] == (std::vector<std::string>{"first", "second", "third"}),
               per_element);
    BOOST_TEST(content.hits[15] == (std::vector<std::string>{"first"}), per_element);
    BOOST_TEST(content.lost == 0U);
    per_partition ends;
    ends.fill(1);
    ends[0] = 2;
    ends[7] = 3;
    BOOST_TEST(log.log()->snapshot().ends == ends, per_element);
}

// A hit is answered behind commit(): whoever sees it earlier could count what is refused later.
BOOST_AUTO_TEST_CASE(nothing_of_a_turn_is_seen_before_its_commit)
{
    world w;
    auto log = w.begin();
    log.append(3, "a hit");
    log.append(4, "another");

    auto state = log.log()->snapshot();
    BOOST_TEST(state.ends == per_partition{}, per_element);
    BOOST_TEST_REQUIRE(state.segments.size() == 1U);
    BOOST_TEST(state.segments[0].bytes == header_bytes);
    BOOST_TEST(content_of(w.file(1)).size() == header_bytes);

    BOOST_TEST(!log.commit());
    state = log.log()->snapshot();
    BOOST_TEST(state.ends[3] == 1U);
    BOOST_TEST(state.ends[4] == 1U);
    BOOST_TEST_REQUIRE(state.segments.size() == 1U);
    BOOST_TEST(state.segments[0].name == w.file(1));
    BOOST_TEST(state.segments[0].bytes ==
               header_bytes + record_bytes("a hit") + record_bytes("another"));
    BOOST_TEST(content_of(w.file(1)).size() == state.segments[0].bytes);
}

BOOST_AUTO_TEST_CASE(a_turn_without_hits_writes_nothing)
{
    world w;
    w.options.segment_bytes = 0;
    w.options.segment_ms = 0;
    auto log = w.begin();
    w.budget.max_bytes = 0;
    BOOST_TEST(!log.commit());
    BOOST_TEST(!log.commit());
    BOOST_TEST(w.files() == 1U);
    BOOST_TEST(content_of(w.file(1)).size() == header_bytes);
}

BOOST_AUTO_TEST_CASE(the_budget_knows_all_bytes_on_disk)
{
    world w;
    w.options.segment_bytes = 500;
    auto log = w.begin();
    for (int i = 0; i < 50; ++i) {
        log.append(static_cast<unsigned>(i) % partitions, std::string(40, 'p'));
        BOOST_TEST(!log.commit());
    }
    std::uint64_t on_disk = 0;
    for (const auto& file : std::filesystem::directory_iterator(w.dir.name()))
        on_disk += file.file_size();
    BOOST_TEST(w.budget.used_bytes == on_disk);
    BOOST_TEST(!w.budget.short_of_space);
}

// A refused hit may be sent again and is then another one: were its offset gone, one hit too many
// would be declared lost.
BOOST_AUTO_TEST_CASE(a_turn_without_room_is_refused_whole_and_its_offsets_are_given_again)
{
    world w;
    auto log = w.begin();
    log.append(7, "kept");
    BOOST_TEST(!log.commit());
    const auto before = content_of(w.file(1));

    w.budget.max_bytes = w.budget.used_bytes + 2 * record_bytes("lost") - 1;
    // The segment is ended, so that it can be removed once Redis has its hits.
    const auto with_new_segment = before.size() + header_bytes;
    for (int again = 0; again < 3; ++again) {
        BOOST_TEST(log.append(7, "lost") == 2U);
        BOOST_TEST(log.append(8, "lost") == 1U);
        BOOST_TEST(log.commit() == make_error_code(errc::spool_full));
        BOOST_TEST(!log.is_healthy());
        BOOST_TEST(w.budget.short_of_space.exchange(false));
        BOOST_TEST(w.budget.used_bytes == with_new_segment);
        BOOST_TEST((content_of(w.file(1)) == before));
        const auto state = log.log()->snapshot();
        BOOST_TEST(state.ends[7] == 1U);
        BOOST_TEST(state.ends[8] == 0U);
        BOOST_TEST_REQUIRE(state.segments.size() == 2U);
        BOOST_TEST(state.segments.back().bytes == header_bytes);
    }

    // now there is just room
    w.budget.max_bytes = w.budget.used_bytes + 2 * record_bytes("next");
    BOOST_TEST(log.append(7, "next") == 2U);
    BOOST_TEST(log.append(8, "next") == 1U);
    BOOST_TEST(!log.commit());
    BOOST_TEST(w.budget.used_bytes == w.budget.max_bytes);
    const auto content = read_log(w.dir.name(), producer);
    BOOST_TEST(content.hits[7] == (std::vector<std::string>{"kept", "next"}), per_element);
    BOOST_TEST(content.hits[8] == (std::vector<std::string>{"next"}), per_element);
    BOOST_TEST(content.lost == 0U);
}

BOOST_AUTO_TEST_CASE(room_that_is_made_is_used)
{
    world w;
    auto log = w.begin();
    w.budget.max_bytes = w.budget.used_bytes;
    log.append(7, "refused");
    BOOST_TEST(log.commit() == make_error_code(errc::spool_full));
    w.budget.used_bytes -= 100;  // the shipper removed a segment of some other log
    log.append(7, "taken");
    BOOST_TEST(!log.commit());
    BOOST_TEST(read_log(w.dir.name(), producer).hits[7] == (std::vector<std::string>{"taken"}),
               per_element);
}

// Readiness: a balancer that asks must send hits elsewhere before they are refused here.
BOOST_AUTO_TEST_CASE(a_log_with_little_room_left_is_not_healthy)
{
    world w;
    auto log = w.begin();
    for (const std::uint64_t room : {1U << 20, 4U << 10, 0U}) {
        BOOST_TEST_CONTEXT("with room for " << room << " bytes")
        {
            w.budget.max_bytes = w.budget.used_bytes + room;
            BOOST_TEST(log.is_healthy() == (room >= 1U << 20));
        }
    }
}

// A balancer that sends no hits to a collector whose disk is full must not get it back before there
// is room.
BOOST_AUTO_TEST_CASE(behind_a_write_that_failed_a_log_is_healthy_once_it_can_write_again)
{
    world w;
    for (const std::int64_t wait : {std::int64_t{0}, std::int64_t{1} << 40}) {
        w.options.try_again_ms = wait;
        auto log = w.begin();
        log.append(7, "kept");
        {
            const file_size_limit limit(header_bytes);
            BOOST_TEST(!!log.commit());
            BOOST_TEST(!log.is_healthy());
            BOOST_TEST(!log.is_healthy());
        }
        BOOST_TEST(log.is_healthy() == (wait == 0));
        log.append(7, "kept");
        BOOST_TEST(!log.commit());
        BOOST_TEST(log.is_healthy());
        std::filesystem::remove(w.file(1));
        std::filesystem::remove(w.file(2));
        BOOST_TEST(std::filesystem::is_empty(w.dir.name()), "no trial is left");
    }
}

// Half a turn in the file would be read after a restart, though its hits were refused.
BOOST_AUTO_TEST_CASE(a_write_that_falls_short_is_cut_back)
{
    const auto turn_bytes = record_bytes("one of the turn") + record_bytes("two");
    for (std::size_t taken = 0; taken < turn_bytes; ++taken) {
        BOOST_TEST_CONTEXT("the disk takes " << taken << " bytes of " << turn_bytes)
        {
            world w;
            auto log = w.begin();
            log.append(7, "kept");
            BOOST_TEST(!log.commit());
            const auto before = content_of(w.file(1));

            BOOST_TEST(log.append(7, "one of the turn") == 2U);
            BOOST_TEST(log.append(8, "two") == 1U);
            error_code error;
            {
                const file_size_limit limit(before.size() + taken);
                error = log.commit();
            }
            BOOST_TEST(!!error);
            if (taken > 0)  // else it is the system's own error
                BOOST_TEST(error == make_error_code(errc::short_write));
            BOOST_TEST(!log.is_healthy());
            BOOST_TEST(!!w.budget.short_of_space);
            BOOST_TEST(w.budget.used_bytes == before.size());
            BOOST_TEST((content_of(w.file(1)) == before));
            BOOST_TEST(log.log()->snapshot().ends[7] == 1U);
            BOOST_TEST(log.log()->snapshot().segments.back().bytes == before.size());

            BOOST_TEST(log.append(7, "the next turn") == 2U);
            BOOST_TEST(!log.commit());
            BOOST_TEST(log.is_healthy());
            const auto content = read_log(w.dir.name(), producer);
            BOOST_TEST(content.hits[7] == (std::vector<std::string>{"kept", "the next turn"}),
                       per_element);
            BOOST_TEST(content.hits[8].empty());
            BOOST_TEST(content.lost == 0U);
            BOOST_TEST(content.found.bytes + content.found.torn_bytes == 0U);
            // The file that did not take it is gone on with no more: once confirmed it makes room.
            BOOST_TEST(w.files() == 2U);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_segment_whose_header_falls_short_is_not_begun)
{
    for (const std::size_t taken : {std::size_t{0}, std::size_t{1}, header_bytes - 1}) {
        BOOST_TEST_CONTEXT("the disk takes " << taken << " bytes")
        {
            world w;
            w.options.segment_bytes = header_bytes + 1;
            auto log = w.begin();
            log.append(7, "kept");
            BOOST_TEST(!log.commit());
            const auto used = w.budget.used_bytes.load();

            BOOST_TEST(log.append(7, "refused") == 2U);
            error_code error;
            {
                const file_size_limit limit(taken);
                error = log.commit();
            }
            BOOST_TEST(!!error);
            BOOST_TEST(w.files() == 1U);
            BOOST_TEST(w.budget.used_bytes == used);
            BOOST_TEST(log.log()->snapshot().segments.size() == 1U);

            BOOST_TEST(log.append(7, "taken") == 2U);
            BOOST_TEST(!log.commit());
            BOOST_TEST(w.files() == 2U);
            BOOST_TEST(log.log()->snapshot().segments.back().name == w.file(2));
            BOOST_TEST(read_log(w.dir.name(), producer).hits[7] ==
                           (std::vector<std::string>{"kept", "taken"}),
                       per_element);
        }
    }
}

// Each header says what stands before it, so that segments can be removed, or be lost, one by one.
BOOST_AUTO_TEST_CASE(a_full_segment_is_followed_by_one_that_carries_on_its_offsets_and_chains)
{
    world w;
    w.options.segment_bytes = 1000;
    auto log = w.begin();
    per_partition offsets{}, chains{};
    std::vector<segment_header> expected{{.producer = producer, .number = 1}};
    std::size_t bytes = header_bytes;
    for (int turn = 0; turn < 60; ++turn) {
        if (bytes >= 1000) {
            expected.push_back({producer, expected.size() + 1, 0, offsets, chains});
            bytes = header_bytes;
        }
        for (int i = 0; i <= turn % 3; ++i) {
            const auto p = static_cast<unsigned>(turn * 7 + i * 5) % partitions;
            const auto payload = "hit " + std::to_string(i) + " of turn " + std::to_string(turn);
            BOOST_TEST(log.append(p, payload) == ++offsets[p]);
            chains[p] = chain(chains[p], payload);
            bytes += record_bytes(payload);
        }
        BOOST_TEST(!log.commit());
    }
    const auto state = log.log()->snapshot();
    BOOST_TEST(expected.size() > 3U);
    BOOST_TEST_REQUIRE(state.segments.size() == expected.size());
    BOOST_TEST(w.files() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        BOOST_TEST_CONTEXT("segment " << i + 1)
        {
            const auto& s = state.segments[i];
            BOOST_TEST(s.name == w.file(i + 1));
            const auto content = content_of(s.name);
            BOOST_TEST(content.size() == s.bytes);
            segment_header on_disk;
            BOOST_TEST(!decode_header(content, on_disk));
            for (const auto& h : {on_disk, s.header}) {
                BOOST_TEST(h.producer == producer);
                BOOST_TEST(h.number == expected[i].number);
                BOOST_TEST(h.offsets == expected[i].offsets, per_element);
                BOOST_TEST(h.chains == expected[i].chains, per_element);
            }
            BOOST_TEST(mode_of(s.name) == 0600U);
        }
    }
    BOOST_TEST(state.segments.back().bytes == bytes);
    BOOST_TEST(state.ends == offsets, per_element);
}

// What was refused before the rotation is not in the header behind it.
BOOST_AUTO_TEST_CASE(refused_hits_are_in_no_header)
{
    world w;
    w.options.segment_bytes = header_bytes + 1;
    auto log = w.begin();
    log.append(7, "kept");
    BOOST_TEST(!log.commit());
    w.budget.max_bytes = 0;
    for (int i = 0; i < 3; ++i)
        log.append(7, "refused");
    BOOST_TEST(!!log.commit());
    w.budget.max_bytes = 1 << 30;
    for (const auto* payload : {"next", "last"}) {
        log.append(7, payload);
        BOOST_TEST(!log.commit());
    }
    const auto state = log.log()->snapshot();
    BOOST_TEST_REQUIRE(state.segments.size() == 3U);
    BOOST_TEST(state.segments[1].header.offsets[7] == 1U);
    BOOST_TEST(state.segments[1].header.chains[7] == chain(0, "kept"));
    BOOST_TEST(state.segments[2].header.offsets[7] == 2U);
    BOOST_TEST(state.segments[2].header.chains[7] == chain(chain(0, "kept"), "next"));
}

// Segments are removed whole: hits of a quiet site must not hold one for ever, and an idle log must
// not fill the folder with headers.
BOOST_AUTO_TEST_CASE(a_segment_is_ended_by_age_only_when_it_holds_hits)
{
    world w;
    w.options.segment_ms = 0;  // at once
    auto log = w.begin();
    log.append(7, "into the first");
    BOOST_TEST(!log.commit());
    BOOST_TEST(w.files() == 1U);
    log.append(7, "into the second");
    BOOST_TEST(!log.commit());
    BOOST_TEST(w.files() == 2U);

    world young;
    young.options.segment_ms = 3'600'000;
    auto other = young.begin();
    for (int i = 0; i < 10; ++i) {
        other.append(7, "a hit");
        BOOST_TEST(!other.commit());
    }
    BOOST_TEST(young.files() == 1U);
}

BOOST_AUTO_TEST_CASE(a_live_log_forgets_the_segments_that_were_removed_and_no_other)
{
    world w;
    w.options.segment_bytes = header_bytes + 1;
    auto log = w.begin();
    for (int i = 0; i < 5; ++i) {
        log.append(7, "a hit");
        BOOST_TEST(!log.commit());
    }
    const auto shared = log.log();
    BOOST_TEST(shared->producer() == producer);
    const auto numbers = [&shared] {
        std::vector<std::uint64_t> all;
        for (const auto& s : shared->snapshot().segments)
            all.push_back(s.header.number);
        return all;
    };
    BOOST_TEST(numbers() == (std::vector<std::uint64_t>{1, 2, 3, 4, 5}), per_element);
    shared->forget_before(1);
    BOOST_TEST(numbers() == (std::vector<std::uint64_t>{1, 2, 3, 4, 5}), per_element);
    const auto earlier = shared->snapshot();
    shared->forget_before(4);
    BOOST_TEST(numbers() == (std::vector<std::uint64_t>{4, 5}), per_element);
    BOOST_TEST(earlier.segments.size() == 5U);
    log.append(7, "a hit");
    BOOST_TEST(!log.commit());
    BOOST_TEST(numbers() == (std::vector<std::uint64_t>{4, 5, 6}), per_element);
    BOOST_TEST(shared->snapshot().ends[7] == 6U);
    BOOST_TEST(w.files() == 6U);  // the files are the shipper's business
}

BOOST_AUTO_TEST_CASE(a_log_outlives_its_writer)
{
    world w;
    std::shared_ptr<live_log> log;
    {
        auto writing = w.begin();
        writing.append(7, "a hit");
        BOOST_TEST(!writing.commit());
        writing.append(7, "never committed");
        log = writing.log();
    }
    BOOST_TEST(log->snapshot().ends[7] == 1U);
    BOOST_TEST(read_log(w.dir.name(), producer).hits[7] == (std::vector<std::string>{"a hit"}),
               per_element);
}

BOOST_AUTO_TEST_CASE(a_synced_log_holds_the_same)
{
    world w;
    w.options.segment_bytes = 400;
    w.options.sync = spool_sync::disk;
    auto log = w.begin();
    std::vector<std::string> written;
    for (int i = 0; i < 10; ++i) {
        written.push_back("hit " + std::to_string(i));
        log.append(7, written.back());
        BOOST_TEST(!log.commit());
    }
    BOOST_TEST(log.is_healthy());
    BOOST_TEST(w.files() > 1U);
    BOOST_TEST(read_log(w.dir.name(), producer).hits[7] == written, per_element);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace writer_test
