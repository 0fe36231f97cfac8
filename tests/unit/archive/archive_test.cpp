#include "archive/format.hpp"
#include "archive/frames.hpp"
#include "archive/reader.hpp"
#include "archive/writer.hpp"
#include "core/bytes.hpp"
#include "core/hit.hpp"
#include "tests/unit/support/temp_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

using namespace luot;
using luot::testing::content_of;
using luot::testing::temp_dir;
using luot::testing::write_file;

namespace archive_test {

constexpr std::int64_t noon_ms = 18'834LL * 86'400'000 + 43'200'000;  // 2021-07-26
constexpr std::int32_t date = 18'834;

std::string payload_of(std::int64_t time_ms, const std::string& path)
{
    hit h;
    h.time_ms = time_ms;
    h.local_date = date;
    h.visitor = 7;
    h.site = "s";
    h.path = path;
    std::string out;
    encode(h, out);
    return out;
}

/// Hits `first` to `last` of one log and partition, a second apart, as one frame.
std::string frame_of(std::uint64_t producer, std::uint64_t first, std::uint64_t last,
                     std::int64_t from_ms = noon_ms, std::uint64_t segment = 1)
{
    archive::frame_builder frame(producer, segment);
    for (auto n = first; n <= last; ++n) {
        const auto payload =
            payload_of(from_ms + static_cast<std::int64_t>(n) * 1000, "/" + std::to_string(n));
        frame.add({3, n, payload}, n * 100, n * 100 + 100);
    }
    std::string out;
    frame.finish(out);
    return out;
}

struct read_back {
    std::vector<std::string> paths;
    archive::unread passed_over;
};

read_back read_all(const std::vector<std::string>& names)
{
    archive::reader reader;
    for (const auto& name : names)
        BOOST_TEST_REQUIRE(!reader.add(name));
    read_back out;
    archive::archived_hit found;
    for (bool is_there = true; is_there;) {
        BOOST_TEST_REQUIRE(!reader.next(found, is_there));
        hit h;
        if (is_there) {
            BOOST_TEST_REQUIRE(!decode(found.what.payload, h));
            out.paths.emplace_back(h.path);
        }
    }
    out.passed_over = reader.passed_over();
    return out;
}

std::vector<std::string> paths(std::uint64_t first, std::uint64_t last)
{
    std::vector<std::string> out;
    for (auto n = first; n <= last; ++n)
        out.push_back("/" + std::to_string(n));
    return out;
}

BOOST_AUTO_TEST_SUITE(archive_files)

BOOST_AUTO_TEST_CASE(what_is_written_is_read_once_and_in_order)
{
    temp_dir dir;
    const auto folder = dir.file("archive");
    archive::writer writer(folder);
    BOOST_TEST(!writer.add({{date, frame_of(1, 1, 5) + frame_of(1, 6, 9)}}));
    BOOST_TEST(!writer.add({{date, frame_of(1, 10, 12, noon_ms, 2)}}));
    const auto found = read_all({folder});
    BOOST_TEST(found.paths == paths(1, 12), boost::test_tools::per_element());
    BOOST_TEST(found.passed_over.doubled_hits == 0U);
    BOOST_TEST(std::filesystem::exists(folder + "/2021-07-26.hits.zst"));
}

// After a crash between archiving and removal a segment is archived again, perhaps cut otherwise.
BOOST_AUTO_TEST_CASE(hits_that_are_there_twice_are_read_once)
{
    temp_dir dir;
    const auto a = dir.file("2021-07-26.hits.zst"), b = dir.file("a copy");
    write_file(a, frame_of(1, 1, 5) + frame_of(1, 1, 3) + frame_of(1, 4, 9) + frame_of(1, 1, 9));
    write_file(b, content_of(a));
    const auto found = read_all({a, b});
    BOOST_TEST(found.paths == paths(1, 9), boost::test_tools::per_element());
    BOOST_TEST(found.passed_over.doubled_hits == 2 * (5U + 3 + 6 + 9) - 9);
}

BOOST_AUTO_TEST_CASE(hits_of_several_logs_come_by_time)
{
    temp_dir dir;
    const auto a = dir.file("a"), b = dir.file("b");
    write_file(a, frame_of(1, 1, 3) + frame_of(1, 7, 9, noon_ms, 2));
    write_file(b, frame_of(2, 4, 6) + frame_of(2, 10, 11, noon_ms, 2));
    BOOST_TEST(read_all({b, a}).paths == paths(1, 11), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(only_hits_of_the_time_asked_for_are_read)
{
    temp_dir dir;
    const auto name = dir.file("a");
    write_file(name, frame_of(1, 1, 5) + frame_of(1, 6, 9));
    archive::reader reader{noon_ms + 3000, noon_ms + 8000};
    BOOST_TEST_REQUIRE(!reader.add(name));
    std::vector<std::uint64_t> offsets;
    archive::archived_hit found;
    for (bool is_there = true; is_there;) {
        BOOST_TEST_REQUIRE(!reader.next(found, is_there));
        if (is_there)
            offsets.push_back(found.what.offset);
    }
    BOOST_TEST(offsets == (std::vector<std::uint64_t>{3, 4, 5, 6, 7}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_file_cut_at_any_byte_yields_a_prefix_and_goes_on_behind_it)
{
    const auto first = frame_of(1, 1, 2), second = frame_of(1, 3, 4), third = frame_of(1, 5, 6);
    const auto whole = first + second + third;
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        BOOST_TEST_CONTEXT("cut at " << size)
        {
            temp_dir dir;
            const auto name = dir.file(archive::file_name(date));
            write_file(name, whole.substr(0, size));
            const auto last = size == whole.size()                   ? 6U
                              : size >= first.size() + second.size() ? 4U
                              : size >= first.size()                 ? 2U
                                                                     : 0U;
            const auto found = read_all({name});
            BOOST_TEST(found.paths == paths(1, last), boost::test_tools::per_element());
            BOOST_TEST(found.passed_over.damaged_bytes == 0U);
            archive::writer writer(dir.name());
            BOOST_TEST(!writer.add({{date, frame_of(1, last + 1, 8)}}));
            const auto then = read_all({name});
            BOOST_TEST(then.paths == paths(1, 8), boost::test_tools::per_element());
            BOOST_TEST(then.passed_over.torn_bytes == 0U);
            BOOST_TEST(then.passed_over.damaged_bytes == 0U);
        }
    }
}

// A power loss may leave the size of what was written, and zeros in it.
BOOST_AUTO_TEST_CASE(a_tail_of_zeros_is_a_torn_one)
{
    const auto good = frame_of(1, 1, 2), next = frame_of(1, 3, 4);
    for (const std::size_t kept :
         {std::size_t{0}, std::size_t{40}, archive::head_bytes, archive::head_bytes + 10}) {
        temp_dir dir;
        const auto name = dir.file(archive::file_name(date));
        write_file(name, good + next.substr(0, kept) + std::string(next.size() - kept, '\0'));
        BOOST_TEST(read_all({name}).paths == paths(1, 2), boost::test_tools::per_element());
        archive::writer writer(dir.name());
        BOOST_TEST(!writer.add({{date, next}}));
        BOOST_TEST(content_of(name) == good + next);
    }
}

BOOST_AUTO_TEST_CASE(one_changed_byte_costs_one_frame_at_most_and_invents_nothing)
{
    const auto first = frame_of(1, 1, 2), second = frame_of(1, 3, 4), third = frame_of(1, 5, 6);
    const auto whole = first + second + third;
    temp_dir dir;
    const auto name = dir.file("a");
    for (std::size_t at = 0; at < whole.size(); ++at) {
        BOOST_TEST_CONTEXT("byte " << at)
        {
            auto damaged = whole;
            damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
            write_file(name, damaged);
            const auto hurt = at < first.size() ? 1U : at < first.size() + second.size() ? 3U : 5U;
            auto wanted = paths(1, 6);
            wanted.erase(wanted.begin() + hurt - 1, wanted.begin() + hurt + 1);
            const auto found = read_all({name});
            BOOST_TEST(found.paths == wanted, boost::test_tools::per_element());
            BOOST_TEST(found.passed_over.damaged_bytes + found.passed_over.damaged_frames +
                           found.passed_over.torn_bytes >
                       0U);
        }
    }
}

// The next write would cut it off, and nobody would hear of it.
BOOST_AUTO_TEST_CASE(a_wrong_bit_in_the_last_frame_is_damage_and_no_torn_tail)
{
    const auto first = frame_of(1, 1, 2), second = frame_of(1, 3, 4);
    for (auto at = archive::head_bytes; at < second.size(); ++at) {
        temp_dir dir;
        const auto name = dir.file(archive::file_name(date));
        auto damaged = first + second;
        damaged[first.size() + at] = static_cast<char>(damaged[first.size() + at] ^ 0x10);
        write_file(name, damaged);
        BOOST_TEST(read_all({name}).passed_over.damaged_frames == 1U, "byte " << at);
        archive::writer writer(dir.name());
        BOOST_TEST(!writer.add({{date, frame_of(1, 5, 6)}}));
        BOOST_TEST(content_of(name) == damaged + frame_of(1, 5, 6));
        BOOST_TEST(read_all({name}).passed_over.damaged_frames == 1U);
    }
}

BOOST_AUTO_TEST_CASE(foreign_bytes_between_frames_are_passed_over)
{
    temp_dir dir;
    const auto name = dir.file(archive::file_name(date));
    write_file(name, frame_of(1, 1, 2) + "foreign" + std::string(300'000, 'x') + frame_of(1, 3, 4));
    const auto found = read_all({name});
    BOOST_TEST(found.paths == paths(1, 4), boost::test_tools::per_element());
    BOOST_TEST(found.passed_over.damaged_bytes == 300'007U);
    archive::writer writer(dir.name());
    BOOST_TEST(!writer.add({{date, frame_of(1, 5, 6)}}));
    BOOST_TEST(read_all({name}).paths == paths(1, 6), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_file_that_is_none_of_an_archive_is_left_alone)
{
    temp_dir dir;
    const auto name = dir.file(archive::file_name(date));
    const std::string theirs = "somebody's own file\n";
    write_file(name, theirs);
    archive::writer writer(dir.name());
    BOOST_TEST((writer.add({{date, frame_of(1, 1, 2)}}) == errc::bad_record));
    BOOST_TEST(content_of(name) == theirs);
    archive::reader reader;
    BOOST_TEST((reader.add(name) == errc::bad_record));
}

// It is tried again every ten seconds: the file of the day before must not grow with each.
BOOST_AUTO_TEST_CASE(what_goes_into_two_files_goes_into_both_or_none)
{
    temp_dir dir;
    write_file(dir.file(archive::file_name(date + 1)), "somebody's own file\n");
    archive::writer writer(dir.name());
    const auto name = dir.file(archive::file_name(date));
    BOOST_TEST(!writer.add({{date, frame_of(1, 1, 2)}}));
    const auto before = content_of(name);
    for (int i = 0; i < 3; ++i)
        BOOST_TEST((writer.add({{date, frame_of(1, 3, 4)}, {date + 1, frame_of(1, 5, 6)}}) ==
                    errc::bad_record));
    BOOST_TEST(content_of(name) == before);
    BOOST_TEST(!writer.add({{date, frame_of(1, 3, 4)}}));
    BOOST_TEST(content_of(name) == before + frame_of(1, 3, 4));
}

BOOST_AUTO_TEST_CASE(a_file_of_a_newer_luot_is_left_alone)
{
    temp_dir dir;
    const auto name = dir.file(archive::file_name(date));
    auto newer = frame_of(1, 1, 2);
    std::string version;
    put_u32(version, archive::version + 1);
    newer.replace(16, 4, version);
    std::string sum;
    put_u64(sum, checksum(std::string_view(newer).substr(0, archive::head_bytes - 8)));
    newer.replace(archive::head_bytes - 8, 8, sum);
    write_file(name, newer);
    archive::writer writer(dir.name());
    BOOST_TEST((writer.add({{date, frame_of(1, 3, 4)}}) == errc::newer_format));
    BOOST_TEST(content_of(name) == newer);
    archive::reader reader;
    BOOST_TEST((reader.add(name) == errc::newer_format));
}

BOOST_AUTO_TEST_CASE(a_folder_has_one_writer)
{
    temp_dir dir;
    archive::writer first(dir.name()), second(dir.name());
    BOOST_TEST(!first.add({{date, frame_of(1, 1, 2)}}));
    BOOST_TEST(second.add({{date, frame_of(2, 1, 2)}}).value() == EWOULDBLOCK);
    BOOST_TEST(read_all({dir.name()}).paths == paths(1, 2), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_made_is_an_error_and_then_is_not)
{
    temp_dir dir;
    write_file(dir.file("in the way"), "a file");
    archive::writer writer(dir.file("in the way/archive"));
    BOOST_TEST(!!writer.add({{date, frame_of(1, 1, 2)}}));
    std::filesystem::remove(dir.file("in the way"));
    BOOST_TEST(!writer.add({{date, frame_of(1, 1, 2)}}));
    BOOST_TEST(read_all({dir.file("in the way/archive")}).paths == paths(1, 2),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(files_before_a_date_go_and_nothing_else)
{
    temp_dir dir;
    archive::writer writer(dir.name());
    BOOST_TEST(!writer.add(
        {{date - 2, frame_of(1, 1, 2)}, {date - 1, frame_of(1, 3, 4)}, {date, frame_of(1, 5, 6)}}));
    write_file(dir.file("2001-01-01.hits.zst.bak"), "theirs");
    write_file(dir.file("2001-01-01.txt"), "theirs");
    const auto removed = writer.remove_before(date - 1);
    BOOST_TEST_REQUIRE(removed.has_value());
    BOOST_TEST(*removed == 1U);
    const auto names = list_directory(dir.name());
    BOOST_TEST_REQUIRE(names.has_value());
    BOOST_TEST(
        *names == (std::vector<std::string>{"2001-01-01.hits.zst.bak", "2001-01-01.txt",
                                            "2021-07-25.hits.zst", "2021-07-26.hits.zst", "lock"}),
        boost::test_tools::per_element());
    archive::writer nowhere(dir.file("not there"));
    BOOST_TEST((nowhere.remove_before(date).value() == 0U));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace archive_test
