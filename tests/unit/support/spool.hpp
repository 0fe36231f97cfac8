// Logs of the spool as tests look at them: the segments of a folder, and all that a reader finds.

#pragma once

#include "collector/spool/reader.hpp"
#include "collector/spool/segment.hpp"
#include "collector/spool/writer.hpp"
#include "core/bytes.hpp"
#include "core/file.hpp"
#include "tests/unit/support/temp_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <bitset>
#include <cstdint>
#include <string>
#include <vector>

namespace luot::testing {

inline constexpr std::bitset<partitions> none_held;

/// The segments of a log as a later start finds them: whole files, those with a good header.
inline std::vector<spool::segment> segments_in(const std::string& directory, std::uint64_t producer)
{
    std::vector<spool::segment> segments;
    const auto names = list_directory(directory);
    BOOST_TEST_REQUIRE(names.has_value());
    for (const auto& name : *names) {
        std::uint64_t owner = 0, number = 0;
        if (!spool::parse_segment_name(name, owner, number) || owner != producer)
            continue;
        spool::segment s;
        s.name = directory + '/' + name;
        const auto bytes = content_of(s.name);
        s.bytes = bytes.size();
        if (!spool::decode_header(bytes, s.header))
            segments.push_back(s);
    }
    return segments;
}

/// The payloads of an entry, in order.
inline std::vector<std::string> payloads_of(const spool::entry& e)
{
    std::vector<std::string> payloads;
    byte_reader in{e.hits};
    while (in.ok() && !in.rest().empty())
        payloads.emplace_back(in.bytes(in.varint()));
    BOOST_TEST(in.ok());
    return payloads;
}

/// What a log holds.
struct log_content {
    std::vector<spool::entry> entries;
    std::array<std::vector<std::string>, partitions> hits;
    std::uint64_t lost = 0;  ///< declared
    spool::damage found;
};

/// Everything from where the reader is to the end of its log.
inline log_content read_on(spool::log_reader& reader, std::size_t step_bytes = 1 << 20)
{
    log_content content;
    do
        BOOST_TEST_REQUIRE(!reader.read(step_bytes, none_held, content.entries));
    while (!reader.is_at_end());
    for (const auto& e : content.entries) {
        auto& hits = content.hits[e.partition];
        for (auto& payload : payloads_of(e))
            hits.push_back(std::move(payload));
        content.lost += e.lost();
    }
    content.found = reader.found();
    return content;
}

/// The whole of a log that nobody writes any more.
inline log_content read_log(const std::string& directory, std::uint64_t producer)
{
    spool::log_reader reader(producer, false);
    reader.set_segments(segments_in(directory, producer));
    reader.seek({});
    return read_on(reader);
}

}  // namespace luot::testing
