// Lines of files that are whole, growing, compressed, cut and damaged.

#include "import/line_reader.hpp"

#include "import/log_line.hpp"
#include "tests/unit/support/temp_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>
#include <zlib.h>

namespace line_reader_test {

using namespace luot::importer;
using luot::errc;
using luot::testing::temp_dir;
using luot::testing::write_file;
using outcome = line_reader::outcome;

/// One member, as gzip(1) writes it.
std::string gzipped(std::string_view text)
{
    z_stream z{};
    BOOST_TEST_REQUIRE(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) ==
                       Z_OK);
    std::string out(deflateBound(&z, text.size()) + 64, '\0');
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    z.avail_in = static_cast<uInt>(text.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    BOOST_TEST_REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out.resize(out.size() - z.avail_out);
    deflateEnd(&z);
    return out;
}

struct kept_line {
    std::string text;
    std::uint64_t offset, number;
};

struct all_read {
    std::vector<kept_line> lines;
    std::string rest;
    outcome end = outcome::line;
    luot::error_code error;
    std::uint64_t offset = 0, long_lines = 0;
};

all_read read_all(const std::string& name)
{
    all_read all;
    auto reader = line_reader::open(name);
    BOOST_TEST_REQUIRE(reader.has_value());
    raw_line line;
    while ((all.end = reader->next(line)) == outcome::line)
        all.lines.push_back({std::string(line.text), line.offset, line.number});
    all.error = reader->error();
    all.long_lines = reader->long_lines();
    if (reader->take_rest(line))
        all.rest = line.text;
    all.offset = reader->offset();
    return all;
}

all_read read_text(const std::string& bytes)
{
    const temp_dir dir;
    write_file(dir.file("log"), bytes);
    return read_all(dir.file("log"));
}

/// 3,000 lines of all lengths up to 300, some empty; longer than any buffer.
std::string some_text()
{
    std::mt19937 random(1);
    std::string text;
    for (int i = 0; i < 3000; ++i) {
        const auto size = random() % 300;
        for (unsigned j = 0; j < size; ++j)
            text += static_cast<char>(' ' + random() % 90);
        text += '\n';
    }
    return text;
}

void check_lines(const all_read& all, std::string_view text)
{
    std::uint64_t offset = 0, number = 0;
    for (const auto& line : all.lines) {
        BOOST_TEST_REQUIRE(line.offset == offset);
        BOOST_TEST_REQUIRE(line.number == ++number);
        const auto end = text.find('\n', offset);
        BOOST_TEST_REQUIRE(end != std::string_view::npos);
        BOOST_TEST_REQUIRE(line.text == text.substr(offset, end - offset));
        offset = end + 1;
    }
    BOOST_TEST(text.find('\n', offset) == std::string_view::npos);
    BOOST_TEST(all.rest == text.substr(offset));
    BOOST_TEST(all.offset == text.size());
}

BOOST_AUTO_TEST_SUITE(line_readers)

// The first line names a log: it is looked at before the log is read.
BOOST_AUTO_TEST_CASE(a_line_that_is_put_back_comes_again)
{
    const temp_dir dir;
    const std::string long_one(3 * max_line_bytes, 'x');
    write_file(dir.file("log"), "one\n" + long_one + "\ntwo\n");
    auto reader = *line_reader::open(dir.file("log"));
    raw_line line;
    for (const std::uint64_t number : {1U, 2U, 3U}) {
        BOOST_TEST_REQUIRE((reader.next(line) == outcome::line));
        const std::string text(line.text);
        const auto offset = line.offset, behind = reader.offset();
        reader.put_back();
        BOOST_TEST(reader.offset() == offset);
        BOOST_TEST_REQUIRE((reader.next(line) == outcome::line));
        BOOST_TEST(line.text == text);
        BOOST_TEST(line.number == number);
        BOOST_TEST(line.offset == offset);
        BOOST_TEST(reader.offset() == behind);
    }
    BOOST_TEST(reader.long_lines() == 1U);
    BOOST_TEST((reader.next(line) == outcome::end));
    BOOST_TEST(!reader.has_rest());
}

// What is looked at before it is decided what to do must not be lost where it cannot be read twice.
BOOST_AUTO_TEST_CASE(lines_of_a_pipe_that_were_held_come_again)
{
    const temp_dir dir;
    const auto name = dir.file("pipe");
    BOOST_TEST_REQUIRE(::mkfifo(name.c_str(), 0600) == 0);
    const std::string wide(max_line_bytes + 100, 'x');
    std::thread writer([&] {
        std::ofstream out(name, std::ios::binary);
        out << "one\n" << wide << "\n\nfour\nfive\nsi";
    });
    auto reader = line_reader::open(name);
    BOOST_TEST_REQUIRE(reader.has_value());
    raw_line line;
    const auto expect = [&](std::string_view text, std::uint64_t number, std::uint64_t offset) {
        BOOST_TEST_REQUIRE((reader->next(line) == outcome::line));
        BOOST_TEST(line.text == text);
        BOOST_TEST(line.number == number);
        BOOST_TEST(line.offset == offset);
    };
    const auto kept = std::string_view(wide).substr(0, max_line_bytes + 1);
    const auto begin = [&] {
        expect("one", 1, 0);
        expect(kept, 2, 4);
        expect("", 3, 4 + wide.size() + 1);
    };
    reader->hold();
    begin();
    reader->replay();
    BOOST_TEST(!reader->would_wait());
    expect("one", 1, 0);
    reader->put_back();
    begin();
    reader->put_back();
    expect("", 3, 4 + wide.size() + 1);
    expect("four", 4, 4 + wide.size() + 2);
    reader->put_back();
    expect("four", 4, 4 + wide.size() + 2);
    expect("five", 5, 4 + wide.size() + 7);
    BOOST_TEST((reader->next(line) == outcome::end));
    BOOST_TEST(reader->has_rest());
    writer.join();
}

BOOST_AUTO_TEST_CASE(a_file_is_read_again_from_its_beginning_and_a_pipe_is_not)
{
    const temp_dir dir;
    const std::string text = "one\ntwo\nrest";
    for (const auto& content : {text, gzipped(text)}) {
        write_file(dir.file("log"), content);
        auto reader = *line_reader::open(dir.file("log"));
        for (int round = 0; round < 2; ++round) {
            raw_line line;
            BOOST_TEST_REQUIRE((reader.next(line) == outcome::line));
            BOOST_TEST(line.text == "one");
            BOOST_TEST(line.number == 1U);
            BOOST_TEST_REQUIRE((reader.next(line) == outcome::line));
            BOOST_TEST((reader.next(line) == outcome::end));
            BOOST_TEST(reader.has_rest());
            BOOST_TEST(reader.input_bytes() == content.size());
            BOOST_TEST(!reader.rewind());
        }
    }
    BOOST_TEST_REQUIRE(::mkfifo(dir.file("pipe").c_str(), 0600) == 0);
    std::thread writer([&] { write_file(dir.file("pipe"), text); });
    auto reader = *line_reader::open(dir.file("pipe"));
    raw_line line;
    BOOST_TEST((reader.next(line) == outcome::line));
    BOOST_TEST(reader.rewind().value() == ESPIPE);
    writer.join();
}

BOOST_AUTO_TEST_CASE(every_line_comes_with_its_offset_and_number)
{
    const auto all = read_text("one\n\nthree\r\n");
    BOOST_TEST((all.end == outcome::end));
    BOOST_TEST_REQUIRE(all.lines.size() == 3);
    BOOST_TEST(all.lines[1].text.empty());
    BOOST_TEST(all.lines[2].text == "three\r");
    BOOST_TEST(all.lines[2].offset == 5);
    BOOST_TEST(all.lines[2].number == 3);
    check_lines(read_text(some_text()), some_text());
    check_lines(read_text(some_text() + "the rest"), some_text() + "the rest");
    check_lines(read_text(""), "");
    check_lines(read_text("\n"), "\n");
}

BOOST_AUTO_TEST_CASE(a_line_is_given_once_its_line_feed_is_there)
{
    const temp_dir dir;
    const auto name = dir.file("log");
    write_file(name, "one\ntw");
    auto reader = line_reader::open(name);
    BOOST_TEST_REQUIRE(reader.has_value());
    raw_line line;
    BOOST_TEST((reader->next(line) == outcome::line));
    BOOST_TEST((reader->next(line) == outcome::end));
    BOOST_TEST((reader->next(line) == outcome::end));
    BOOST_TEST(reader->offset() == 4);
    std::ofstream(name, std::ios::app) << "o\nthree";
    BOOST_TEST((reader->next(line) == outcome::line));
    BOOST_TEST(line.text == "two");
    BOOST_TEST(line.offset == 4);
    BOOST_TEST(line.number == 2);
    BOOST_TEST((reader->next(line) == outcome::end));
    BOOST_TEST(reader->input_bytes() == 13);

    // The end is final: the file was rotated away.
    BOOST_TEST(reader->take_rest(line));
    BOOST_TEST(line.text == "three");
    BOOST_TEST(line.number == 3);
    BOOST_TEST(!reader->take_rest(line));
    BOOST_TEST((reader->next(line) == outcome::end));
}

BOOST_AUTO_TEST_CASE(an_empty_file_may_grow_into_a_gzip)
{
    const temp_dir dir;
    const auto name = dir.file("log");
    write_file(name, "");
    auto reader = line_reader::open(name);
    raw_line line;
    BOOST_TEST((reader->next(line) == outcome::end));
    const auto bytes = gzipped("one\n");
    std::ofstream(name, std::ios::app | std::ios::binary) << bytes.substr(0, 1);
    BOOST_TEST((reader->next(line) == outcome::end));
    std::ofstream(name, std::ios::app | std::ios::binary) << bytes.substr(1);
    BOOST_TEST((reader->next(line) == outcome::line));
    BOOST_TEST(line.text == "one");
}

BOOST_AUTO_TEST_CASE(a_line_of_the_bound_is_whole_and_one_over_it_is_refused_and_counted)
{
    for (const std::size_t over : {0, 1, 2, 1000, 300'000, 1'000'000}) {
        for (const std::string end : {"\n", ""}) {
            const std::string whole(max_line_bytes + over, 'x');
            const auto text = "before\n" + whole + end + (end.empty() ? "" : "behind\n");
            const auto all = read_text(text);
            BOOST_TEST_CONTEXT("bytes over it: " << over << ", line feed: " << !end.empty())
            {
                BOOST_TEST(all.long_lines == (over > 0 && !end.empty() ? 1 : 0));
                const auto given = end.empty() ? all.rest : all.lines.at(1).text;
                BOOST_TEST(given.size() == max_line_bytes + (over > 0 ? 1 : 0));
                line_parser parser{{}};
                log_line out;
                BOOST_TEST((parser.parse(given, out) == line_fault::too_long) == (over > 0));
                BOOST_TEST(all.offset == text.size());
                if (!end.empty()) {
                    BOOST_TEST_REQUIRE(all.lines.size() == 3);
                    BOOST_TEST(all.lines[2].text == "behind");
                    BOOST_TEST(all.lines[2].offset == text.size() - 7);
                    BOOST_TEST(all.lines[2].number == 3);
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_pipe_is_read_in_whatever_pieces_it_comes)
{
    const temp_dir dir;
    for (const bool compressed : {false, true}) {
        const auto name = dir.file(compressed ? "pipe.gz" : "pipe");
        BOOST_TEST_REQUIRE(::mkfifo(name.c_str(), 0600) == 0);
        const std::string text = "\x1F one\ntwo\n\nfour\nfi";  // half of what a .gz begins with
        const auto bytes = compressed ? gzipped(text) : text;
        std::thread writer([&] {
            std::ofstream out(name, std::ios::binary);
            for (const char c : bytes)
                out << c << std::flush;
        });
        const auto all = read_all(name);
        writer.join();
        check_lines(all, text);
    }
}

BOOST_AUTO_TEST_CASE(a_gzip_is_read_whatever_its_name)
{
    check_lines(read_text(gzipped(some_text())), some_text());
    check_lines(read_text(gzipped("")), "");
    check_lines(read_text(gzipped("rest")), "rest");
}

BOOST_AUTO_TEST_CASE(members_of_a_gzip_follow_each_other)
{
    // A line may begin in one and end in the next, as logs that were cut by size do.
    const auto text = some_text();
    std::string bytes;
    for (std::size_t at = 0; at < text.size(); at += 10'007)
        bytes += gzipped(std::string_view(text).substr(at, 10'007));
    check_lines(read_text(bytes), text);
    check_lines(read_text(gzipped("a\n") + gzipped("") + gzipped("b\n")), "a\nb\n");
    // Padding to whole blocks.
    const auto padded = read_text(gzipped(text) + std::string(100'000, '\0'));
    BOOST_TEST((padded.end == outcome::end));
    check_lines(padded, text);
}

BOOST_AUTO_TEST_CASE(a_gzip_that_is_cut_anywhere_gives_the_lines_before_and_says_so)
{
    const auto text = some_text().substr(0, 5000);
    const auto first = gzipped(text.substr(0, 3000));
    const auto bytes = first + gzipped(text.substr(3000));
    for (std::size_t size = 3; size < bytes.size(); ++size) {
        const auto all = read_text(bytes.substr(0, size));
        BOOST_TEST_CONTEXT("cut at " << size)
        {
            BOOST_TEST((all.end == outcome::failed) == (size != first.size()));
            if (all.end == outcome::failed)
                BOOST_TEST(all.error == make_error_code(errc::cut_gzip));
            BOOST_TEST(all.offset <= text.size());
            for (const auto& line : all.lines)
                BOOST_TEST_REQUIRE(line.text == text.substr(line.offset, line.text.size()));
            if (size > first.size())
                BOOST_TEST(all.offset >= 3000);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_gzip_that_is_damaged_is_noticed)
{
    const auto text = some_text();
    const auto bytes = gzipped(text);
    std::mt19937 random(2);
    for (int i = 0; i < 200; ++i) {
        auto damaged = bytes;
        const auto at = 10 + random() % (bytes.size() - 10);  // of the head not all is checked
        damaged[at] = static_cast<char>(damaged[at] ^ 1 << random() % 8);
        const auto all = read_text(damaged);
        BOOST_TEST((all.end == outcome::failed), "bit turned in byte " << at);
        const bool told = all.error == make_error_code(errc::damaged_gzip) ||
                          all.error == make_error_code(errc::cut_gzip);  // an end was not met
        BOOST_TEST(told, all.error.message());
    }
    for (const std::string behind : {"x", "text behind it\n", "\x1F", "\x1F\x8B"}) {
        const auto all = read_text(bytes + behind);
        BOOST_TEST((all.end == outcome::failed));
        check_lines(all, text);
    }
    const auto all = read_text(bytes + std::string(5, '\0') + bytes);
    BOOST_TEST(all.error == make_error_code(errc::damaged_gzip));
}

// As text each of their bytes would be a damaged line.
BOOST_AUTO_TEST_CASE(what_another_program_has_compressed_is_told_from_text)
{
    const temp_dir dir;
    const auto name = dir.file("log");
    using namespace std::string_literals;
    const struct {
        std::string magic, message, reader;
    } table[]{
        {"\xFD\x37zXZ\0"s, "is compressed by xz", "xzcat"},
        {"BZh91AY&SY"s, "is compressed by bzip2", "bzcat"},
        {"BZh1\x17rE8P\x90"s, "is compressed by bzip2", "bzcat"},
        {"\x28\xB5\x2F\xFD"s, "is compressed by zstd", "zstdcat"},
    };
    for (const auto& [magic, message, reader] : table) {
        BOOST_TEST_CONTEXT(message)
        {
            write_file(name, magic + "\nmore\n");
            const auto all = read_all(name);
            BOOST_TEST((all.end == outcome::failed));
            BOOST_TEST(all.error.message() == message);
            BOOST_TEST(reader_of(all.error) == reader);
            BOOST_TEST(all.lines.empty());
            // Less of it is a text that begins oddly. Of xz the last byte says nothing.
            write_file(
                name, magic.substr(0, magic == table[0].magic ? 4 : magic.size() - 1) + "\nmore\n");
            const auto text = read_all(name);
            BOOST_TEST((text.end == outcome::end));
            BOOST_TEST(text.lines.size() == 2U);
        }
    }
}

BOOST_AUTO_TEST_CASE(an_error_stays)
{
    const temp_dir dir;
    write_file(dir.file("log"), gzipped("one\ntwo\n").substr(0, 20));
    auto reader = line_reader::open(dir.file("log"));
    raw_line line;
    while (reader->next(line) == outcome::line) {
    }
    BOOST_TEST((reader->next(line) == outcome::failed));
    BOOST_TEST((reader->next(line) == outcome::failed));
    BOOST_TEST(reader->error() == make_error_code(errc::cut_gzip));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_is_an_error)
{
    const temp_dir dir;
    const auto missing = line_reader::open(dir.file("missing"));
    BOOST_TEST_REQUIRE(missing.has_error());
    BOOST_TEST(missing.error() == boost::system::errc::no_such_file_or_directory);
    const auto folder = read_all(dir.name());
    BOOST_TEST((folder.end == outcome::failed));
    BOOST_TEST(folder.error == boost::system::errc::is_a_directory);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace line_reader_test
