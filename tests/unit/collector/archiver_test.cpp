#include "collector/archiver.hpp"

#include "archive/reader.hpp"
#include "core/metrics.hpp"
#include "tests/unit/support/spool.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>

using namespace luot;
using luot::testing::content_of;
using luot::testing::segments_in;
using luot::testing::temp_dir;
using luot::testing::write_file;

namespace archiver_test {

constexpr std::int64_t day = 86'400'000;

std::string hit_at(std::int64_t time_ms, const std::string& path)
{
    hit h;
    h.time_ms = time_ms;
    h.site = "s";
    h.path = path;
    std::string out;
    encode(h, out);
    return out;
}

/// A log of one segment, closed by the offsets that its writer ended with.
struct one_log {
    temp_dir dir;
    spool::disk_budget budget{1 << 30, {}, {}};
    spool::writer writer{0xA1, {dir.name(), 64 << 20, 3'600'000, spool_sync::os}, budget};

    void add(unsigned partition, const std::string& payload) { writer.append(partition, payload); }

    spool::segment segment()
    {
        BOOST_TEST_REQUIRE(!writer.commit());
        const auto segments = segments_in(dir.name(), 0xA1);
        BOOST_TEST_REQUIRE(segments.size() == 1U);
        return segments[0];
    }
    spool::per_partition ends() const { return writer.log()->snapshot().ends; }
};

std::vector<std::string> archived_in(const std::string& folder)
{
    archive::reader reader;
    BOOST_TEST_REQUIRE(!reader.add(folder));
    std::vector<std::string> out;
    archive::archived_hit found;
    for (bool is_there = true; is_there;) {
        BOOST_TEST_REQUIRE(!reader.next(found, is_there));
        hit h;
        if (is_there && !decode(found.what.payload, h))
            out.emplace_back(h.path);
    }
    return out;
}

BOOST_AUTO_TEST_SUITE(archiver)

BOOST_AUTO_TEST_CASE(every_hit_of_a_segment_is_archived_once)
{
    one_log log;
    std::vector<std::string> sent;
    for (int i = 0; i < 9000; ++i) {  // more than a chunk, and than a frame
        sent.push_back("/" + std::to_string(i) + std::string(300, 'x'));
        log.add(static_cast<unsigned>(i % 16), hit_at(day + i, sent.back()));
    }
    const auto segment = log.segment();
    metrics_registry metrics;
    const auto folder = log.dir.file("archive");
    collector::archiver archiver({folder, 90}, metrics);
    BOOST_TEST(archiver.take(segment, log.ends(), false));
    BOOST_TEST(archiver.take(segment, log.ends(), false));  // the removal failed: it is there
    BOOST_TEST(archived_in(folder) == sent, boost::test_tools::per_element());
    BOOST_TEST(metrics.text().find("luot_archived_hits_total 9000") != std::string::npos);
}

// Frames of one log must follow each other as its hits do, or a reader takes some for repeats.
BOOST_AUTO_TEST_CASE(a_clock_that_goes_back_and_forth_over_midnight_loses_nothing)
{
    one_log log;
    std::vector<std::string> sent;
    for (int i = 0; i < 40; ++i) {
        sent.push_back("/" + std::to_string(i));
        log.add(5, hit_at(10 * day + (i % 3 == 0 ? -2 : 2), sent.back()));
    }
    const auto segment = log.segment();
    metrics_registry metrics;
    const auto folder = log.dir.file("archive");
    collector::archiver archiver({folder, 90}, metrics);
    BOOST_TEST(archiver.take(segment, log.ends(), false));
    BOOST_TEST(archived_in(folder) == sent, boost::test_tools::per_element());
    BOOST_TEST(std::filesystem::exists(folder + "/1970-01-10.hits.zst"));
    BOOST_TEST(std::filesystem::exists(folder + "/1970-01-11.hits.zst"));
}

BOOST_AUTO_TEST_CASE(what_was_refused_after_its_write_and_what_is_damaged_is_not_archived)
{
    one_log log;
    for (int i = 0; i < 6; ++i)
        log.add(2, hit_at(day, "/" + std::to_string(i)));
    const auto segment = log.segment();
    auto ends = log.ends();
    ends[2] = 5;  // as the next segment says: the sixth was refused
    auto bytes = content_of(segment.name);
    const auto record = (bytes.size() - spool::header_bytes) / 6;
    bytes[spool::header_bytes + 2 * record + 20] ^= 1;  // the third
    write_file(segment.name, bytes);
    metrics_registry metrics;
    const auto folder = log.dir.file("archive");
    collector::archiver archiver({folder, 90}, metrics);
    BOOST_TEST(archiver.take(segment, ends, false));
    BOOST_TEST(archived_in(folder) == (std::vector<std::string>{"/0", "/1", "/3", "/4"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_archive_that_cannot_be_written_is_counted_and_tried_again)
{
    one_log log;
    log.add(2, hit_at(day, "/a"));
    const auto segment = log.segment();
    metrics_registry metrics;
    write_file(log.dir.file("in the way"), "a file");
    const auto folder = log.dir.file("in the way/archive");
    collector::archiver archiver({folder, 90}, metrics);
    BOOST_TEST(!archiver.take(segment, log.ends(), false));
    std::filesystem::remove(log.dir.file("in the way"));
    BOOST_TEST(!archiver.take(segment, log.ends(), false));  // it waits ten seconds
    BOOST_TEST(metrics.text().find("luot_archive_failures_total 1") != std::string::npos);
    BOOST_TEST(archiver.take(segment, log.ends(), true));
    BOOST_TEST(archived_in(folder) == std::vector<std::string>{"/a"},
               boost::test_tools::per_element());
    archiver.give_up(segment, log.ends());
    BOOST_TEST(metrics.text().find("luot_archive_dropped_hits_total 1") != std::string::npos);
}

// A machine that starts without its clock would lose all that is kept.
BOOST_AUTO_TEST_CASE(a_clock_that_is_far_ahead_at_the_start_removes_nothing_at_once)
{
    luot::testing::temp_dir dir;
    metrics_registry metrics;
    for (const auto* name : {"1970-01-02.hits.zst", "1970-04-11.hits.zst"})
        write_file(dir.file(name), "");
    collector::archiver ahead({dir.name(), 90}, metrics);
    ahead.remove_old(465 * day);
    BOOST_TEST(std::filesystem::exists(dir.file("1970-01-02.hits.zst")));
    BOOST_TEST(std::filesystem::exists(dir.file("1970-04-11.hits.zst")));
    metrics_registry others;
    collector::archiver right({dir.name(), 90}, others);
    right.remove_old(101 * day);
    BOOST_TEST(!std::filesystem::exists(dir.file("1970-01-02.hits.zst")));
    BOOST_TEST(std::filesystem::exists(dir.file("1970-04-11.hits.zst")));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace archiver_test
