#include "collector/spool/segment.hpp"

#include "core/bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>

namespace luot::spool {

namespace {

constexpr std::uint64_t offset_mask = (1ULL << 56) - 1;

}  // namespace

void encode_header(const segment_header& h, std::string& out)
{
    const auto begin = out.size();
    out.append(magic);
    put_u32(out, hit_format);
    put_u32(out, header_bytes);
    put_u64(out, h.producer);
    put_u64(out, h.number);
    put_u64(out, static_cast<std::uint64_t>(h.begun_ms));
    for (const auto offset : h.offsets)
        put_u64(out, offset);
    for (const auto value : h.chains)
        put_u64(out, value);
    put_u64(out, checksum(std::string_view(out).substr(begin)));
}

error_code decode_header(std::string_view bytes, segment_header& out) noexcept
{
    byte_reader in{bytes};
    if (in.bytes(magic.size()) != magic)
        return errc::bad_record;
    if (const auto version = in.u32(); in.ok() && version > hit_format)
        return errc::newer_format;
    if (bytes.size() < header_bytes || in.u32() != header_bytes)
        return errc::bad_record;
    out.producer = in.u64();
    out.number = in.u64();
    out.begun_ms = static_cast<std::int64_t>(in.u64());
    for (auto& offset : out.offsets)
        offset = in.u64();
    for (auto& value : out.chains)
        value = in.u64();
    if (in.u64() != checksum(bytes.substr(0, header_bytes - 8)) || !in.ok())
        return errc::bad_record;
    return {};
}

std::uint64_t chain(std::uint64_t before, std::string_view payload) noexcept
{
    return checksum(payload, before);
}

void encode_record(std::uint64_t producer, unsigned partition, std::uint64_t offset,
                   std::string_view payload, std::string& out)
{
    const auto begin = out.size();
    put_u32(out, static_cast<std::uint32_t>(payload.size()));
    put_u32(out, 0);
    put_u64(out, (std::uint64_t{partition} << 56) | offset);
    out.append(payload);
    const auto sum = checksum(std::string_view(out).substr(begin + 8), producer);
    set_u32(out, begin + 4, static_cast<std::uint32_t>(sum));
}

std::optional<record> decode_record(std::uint64_t producer, std::string_view bytes) noexcept
{
    byte_reader in{bytes};
    const auto size = in.u32();
    const auto sum = in.u32();
    const auto where = in.u64();
    if (!in.ok() || size == 0 || size > max_payload_bytes || in.rest().size() < size ||
        (where >> 56) >= partitions)
        return std::nullopt;
    const auto checked = bytes.substr(8, 8 + size);
    if (static_cast<std::uint32_t>(checksum(checked, producer)) != sum)
        return std::nullopt;
    return record{static_cast<unsigned>(where >> 56), where & offset_mask,
                  bytes.substr(record_head_bytes, size), record_head_bytes + size};
}

std::size_t find_record(std::uint64_t producer, std::string_view bytes, std::size_t from) noexcept
{
    for (auto at = from; at + record_head_bytes < bytes.size(); ++at)
        if (decode_record(producer, bytes.substr(at)))
            return at;
    return std::string_view::npos;
}

namespace {

/// Calls found(record) for each good record of a segment.
template <class Found>
void for_each_record(std::uint64_t producer, std::string_view segment, Found found)
{
    auto at = std::min(header_bytes, segment.size());
    while (at < segment.size()) {
        if (const auto r = decode_record(producer, segment.substr(at))) {
            found(*r);
            at += r->bytes;
        } else {
            at = find_record(producer, segment, at + 1);  // npos: the loop ends
        }
    }
}

}  // namespace

segment_header rebuilt_header(std::uint64_t producer, std::uint64_t number,
                              std::string_view segment, const per_partition& ends)
{
    segment_header header;
    header.producer = producer;
    header.number = number;
    header.offsets = ends;
    std::bitset<partitions> begun;
    for_each_record(producer, segment, [&](const record& r) {
        if (!begun.test(r.partition))
            header.offsets[r.partition] = r.offset - 1;
        begun.set(r.partition);
    });
    return header;
}

per_partition ends_of(const segment_header& header, std::string_view segment)
{
    auto ends = header.offsets;
    for_each_record(header.producer, segment, [&](const record& r) {
        ends[r.partition] = std::max(ends[r.partition], r.offset);
    });
    return ends;
}

std::string segment_name(std::uint64_t producer, std::uint64_t number)
{
    return fmt::format("{}.{:08}.spool", to_hex(producer), number);
}

bool parse_segment_name(std::string_view name, std::uint64_t& producer,
                        std::uint64_t& number) noexcept
{
    return name.size() == 16 + 1 + 8 + 6 && name[16] == '.' && name.ends_with(".spool") &&
           from_hex(name.substr(0, 16), producer) && parse_number(name.substr(17, 8), number);
}

}  // namespace luot::spool
