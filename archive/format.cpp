#include "archive/format.hpp"

#include "core/bytes.hpp"
#include "core/local_time.hpp"

#include <algorithm>
#include <new>
#include <zstd.h>

namespace luot::archive {

namespace {

/// One of the sixteen that zstd's readers pass over.
constexpr std::uint32_t skippable_magic = 0x184D2A5C;
constexpr std::string_view suffix = ".hits.zst";
constexpr int level = 3;

/// The first bytes of every frame.
std::string lead()
{
    std::string out;
    put_u32(out, skippable_magic);
    put_u32(out, head_bytes - 8);
    out += magic;
    return out;
}

}  // namespace

std::int64_t record::time_ms() const noexcept
{
    return static_cast<std::int64_t>(byte_reader{payload}.u64());
}

void frame_builder::add(const record& r, std::uint64_t begin, std::uint64_t end)
{
    const auto time_ms = r.time_ms();
    if (is_empty()) {
        head_.begin = begin;
        head_.earliest_ms = head_.latest_ms = time_ms;
    }
    head_.end = end;
    head_.earliest_ms = std::min(head_.earliest_ms, time_ms);
    head_.latest_ms = std::max(head_.latest_ms, time_ms);
    ++head_.records;
    put_u8(raw_, static_cast<std::uint8_t>(r.partition));
    put_varint(raw_, r.offset);
    put_varint(raw_, r.payload.size());
    raw_.append(r.payload);
}

void frame_builder::finish(std::string& out)
{
    if (is_empty())
        return;
    const auto begin = out.size();
    out.append(lead());
    out.resize(begin + head_bytes + ZSTD_compressBound(raw_.size()));
    const auto packed =
        ZSTD_compress(out.data() + begin + head_bytes, out.size() - begin - head_bytes, raw_.data(),
                      raw_.size(), level);
    if (ZSTD_isError(packed))  // there is room for any input: only memory can be lacking
        throw std::bad_alloc();
    out.resize(begin + head_bytes + packed);
    std::string rest;
    put_u32(rest, version);
    put_u32(rest, head_.records);
    put_u64(rest, head_.producer);
    put_u64(rest, head_.segment);
    put_u64(rest, head_.begin);
    put_u64(rest, head_.end);
    put_u64(rest, static_cast<std::uint64_t>(head_.earliest_ms));
    put_u64(rest, static_cast<std::uint64_t>(head_.latest_ms));
    put_u32(rest, static_cast<std::uint32_t>(raw_.size()));
    put_u32(rest, static_cast<std::uint32_t>(packed));
    put_u64(rest, checksum(std::string_view(out).substr(begin + head_bytes)));
    out.replace(begin + 16, rest.size(), rest);
    std::string sum;
    put_u64(sum, checksum(std::string_view(out).substr(begin, head_bytes - 8)));
    out.replace(begin + head_bytes - 8, sum.size(), sum);
    raw_.clear();
    head_.records = 0;
}

error_code decode_head(std::string_view bytes, frame_head& out) noexcept
{
    byte_reader in{bytes};
    if (in.u32() != skippable_magic)
        return errc::bad_record;
    const auto size = in.u32();
    if (in.bytes(magic.size()) != magic)
        return errc::bad_record;
    // One wrong bit makes no newer luot: a head of this size has its checksum in each version.
    const auto found = in.u32();
    const bool is_newer = in.ok() && found > version;
    if (is_newer && size != head_bytes - 8)
        return errc::newer_format;
    if (bytes.size() < head_bytes || size != head_bytes - 8)
        return errc::bad_record;
    out.records = in.u32();
    out.producer = in.u64();
    out.segment = in.u64();
    out.begin = in.u64();
    out.end = in.u64();
    out.earliest_ms = static_cast<std::int64_t>(in.u64());
    out.latest_ms = static_cast<std::int64_t>(in.u64());
    out.raw_bytes = in.u32();
    out.packed_bytes = in.u32();
    out.packed_checksum = in.u64();
    if (in.u64() != checksum(bytes.substr(0, head_bytes - 8)) || !in.ok())
        return errc::bad_record;
    if (is_newer)
        return errc::newer_format;
    if (out.raw_bytes > most_frame_bytes || out.packed_bytes > ZSTD_compressBound(most_frame_bytes))
        return errc::bad_record;
    return {};
}

error_code unpack(const frame_head& head, std::string_view packed, std::string& raw)
{
    if (packed.size() != head.packed_bytes || checksum(packed) != head.packed_checksum)
        return errc::bad_record;
    raw.resize(head.raw_bytes);
    const auto size = ZSTD_decompress(raw.data(), raw.size(), packed.data(), packed.size());
    if (ZSTD_isError(size) || size != head.raw_bytes)
        return errc::bad_record;
    return {};
}

std::optional<record> take_record(std::string_view& raw) noexcept
{
    byte_reader in{raw};
    record r;
    r.partition = in.u8();
    r.offset = in.varint();
    r.payload = in.bytes(in.varint());
    if (!in.ok() || r.partition >= partitions || r.payload.empty()) {
        raw = {};
        return std::nullopt;
    }
    raw = in.rest();
    return r;
}

bool begins_a_frame(std::string_view bytes) noexcept
{
    const auto wanted = lead();
    const auto size = std::min(bytes.size(), wanted.size());
    return bytes.substr(0, size) == std::string_view(wanted).substr(0, size);
}

std::size_t find_head(std::string_view bytes, std::size_t from) noexcept
{
    return bytes.find(lead(), from);
}

std::string file_name(std::int32_t date)
{
    return date_text(date).append(suffix);
}

bool parse_file_name(std::string_view name, std::int32_t& date) noexcept
{
    return name.ends_with(suffix) && parse_date(name.substr(0, name.size() - suffix.size()), date);
}

}  // namespace luot::archive
