// One hit as it is stored, and its record and segment head in the spool.

#include "collector/spool/segment.hpp"
#include "core/hit.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace luot::fuzz {

namespace {

bool are_equal(const hit& a, const hit& b)
{
    return a.time_ms == b.time_ms && a.local_date == b.local_date && a.visitor == b.visitor &&
           a.visitor_before == b.visitor_before && a.id == b.id && a.client == b.client &&
           a.width == b.width && a.bot_hint == b.bot_hint && a.site == b.site && a.path == b.path &&
           a.title == b.title && a.section == b.section && a.event == b.event &&
           a.referrer == b.referrer && a.user_agent == b.user_agent && a.language == b.language &&
           a.country == b.country && a.source == b.source && a.medium == b.medium &&
           a.campaign == b.campaign && a.term == b.term && a.content == b.content &&
           a.client_hints == b.client_hints && a.properties == b.properties &&
           a.is_from_server == b.is_from_server && a.is_from_data_center == b.is_from_data_center &&
           a.is_imported == b.is_imported;
}

void try_hit(std::string_view bytes)
{
    hit h;
    if (decode(bytes, h))
        return;
    check(h.time_ms >= 0 && !h.site.empty(), "a hit has a time and a site");
    check(h.is_event() || !h.path.empty(), "a view has a path");
    check(partition_of(h.site) < partitions, "a site has a partition");
    std::string encoded;
    encode(h, encoded);
    check(encoded.size() <= bytes.size(), "a hit is written in its shortest form");
    hit again;
    check(!decode(encoded, again) && are_equal(again, h), "a hit that was read is written so");
    encoded += "\x7F\x02??";
    check(!decode(encoded, again) && are_equal(again, h),
          "a field of a later version is passed over");
}

/// A record as it is written, and with one bit turned.
void try_written_record(std::uint64_t producer, unsigned partition, std::uint64_t offset,
                        std::string_view payload, std::uint64_t turned)
{
    if (payload.empty() || payload.size() > spool::max_payload_bytes)
        return;
    std::string bytes;
    spool::encode_record(producer, partition, offset, payload, bytes);
    const auto followed = bytes + "what follows";
    const auto r = spool::decode_record(producer, followed);
    check(r && r->partition == partition && r->offset == offset && r->payload == payload &&
              r->bytes == bytes.size(),
          "a record that was written is read");
    check(!spool::decode_record(producer, std::string_view(bytes).substr(0, bytes.size() - 1)),
          "a torn record is none");
    check(!spool::decode_record(producer + 1, bytes), "a record of another log is none");
    const auto bit = turned % (bytes.size() * 8);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    check(!spool::decode_record(producer, bytes), "a record with a turned bit is none");
}

void try_header(std::string_view bytes, std::uint64_t turned)
{
    spool::segment_header read;
    if (!spool::decode_header(bytes, read)) {
        std::string encoded;
        spool::encode_header(read, encoded);
        check(encoded == bytes.substr(0, spool::header_bytes), "a header is written in one way");
    }
    byte_reader in{bytes};
    spool::segment_header made;
    made.producer = in.u64();
    made.number = in.u64();
    made.begun_ms = static_cast<std::int64_t>(in.u64());
    for (auto* values : {&made.offsets, &made.chains})
        for (auto& value : *values)
            value = in.u64();
    std::string encoded;
    spool::encode_header(made, encoded);
    check(!spool::decode_header(encoded, read) && read.producer == made.producer &&
              read.number == made.number && read.begun_ms == made.begun_ms &&
              read.offsets == made.offsets && read.chains == made.chains,
          "a header that was written is read");
    const auto bit = turned % (encoded.size() * 8);
    encoded[bit / 8] = static_cast<char>(encoded[bit / 8] ^ (1 << bit % 8));
    check(spool::decode_header(encoded, read).failed(), "a header with a turned bit is none");
}

}  // namespace

void try_input(std::string_view input)
{
    try_hit(input);
    try_header(input, checksum(input));

    byte_reader in{input};
    const auto producer = in.u64();
    const unsigned partition = in.u8() % partitions;
    const auto offset = in.u64() >> 8;
    try_written_record(producer, partition, offset, in.rest(), checksum(input));
    if (const auto r = spool::decode_record(producer, input))
        check(r->bytes <= input.size() && r->payload.size() <= spool::max_payload_bytes &&
                  r->partition < partitions,
              "a record lies within its bytes and limits");

    std::uint64_t named = 0, number = 0;
    if (spool::parse_segment_name(input, named, number))
        check(spool::segment_name(named, number) == input, "a segment has one name");
}

}  // namespace luot::fuzz
