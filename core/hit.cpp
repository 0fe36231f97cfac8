#include "core/hit.hpp"

#include "core/bytes.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace luot {

namespace {

constexpr std::int64_t max_time_ms = 1LL << 52;

/// Tags of the text fields. Never reused: a tag that a reader does not know is skipped. So a new
/// field goes behind them with a tag of its own, and hits that wait in a spool or a stream, and
/// readers of before, need nothing; a change of the bytes in front of them is a new hit_format.
constexpr std::array<std::pair<std::uint8_t, std::string_view hit::*>, 14> text_fields{{
    {1, &hit::site},
    {2, &hit::path},
    {3, &hit::title},
    {4, &hit::section},
    {5, &hit::event},
    {6, &hit::referrer},
    {7, &hit::user_agent},
    {8, &hit::language},
    {9, &hit::country},
    {10, &hit::source},
    {11, &hit::medium},
    {12, &hit::campaign},
    {13, &hit::term},
    {14, &hit::content},
}};
constexpr std::uint8_t client_tag = 15;
constexpr std::size_t client_bytes = 4;
constexpr std::uint8_t flags_tag = 16;
constexpr std::uint8_t hints_tag = 17;
constexpr std::uint8_t properties_tag = 18;
/// Bits of the one byte behind flags_tag.
constexpr std::uint8_t from_server_flag = 1, from_data_center_flag = 2, imported_flag = 4;

}  // namespace

void encode(const hit& h, std::string& out)
{
    put_u64(out, static_cast<std::uint64_t>(h.time_ms));
    put_u32(out, static_cast<std::uint32_t>(h.local_date));
    put_u64(out, h.visitor);
    put_u64(out, h.visitor_before);
    put_u64(out, h.id);
    put_varint(out, h.width);
    put_varint(out, h.bot_hint);
    for (const auto& [tag, field] : text_fields) {
        const std::string_view text = h.*field;
        if (text.empty())
            continue;
        put_u8(out, tag);
        put_varint(out, text.size());
        out.append(text);
    }
    if (h.client != 0) {
        put_u8(out, client_tag);
        put_varint(out, client_bytes);
        put_u32(out, h.client);
    }
    const auto flags = static_cast<std::uint8_t>(
        (h.is_from_server ? from_server_flag : 0) |
        (h.is_from_data_center ? from_data_center_flag : 0) | (h.is_imported ? imported_flag : 0));
    if (flags != 0) {
        put_u8(out, flags_tag);
        put_varint(out, 1);
        put_u8(out, flags);
    }
    if (!h.client_hints.empty()) {
        put_u8(out, hints_tag);
        put_varint(out, h.client_hints.size());
        out.append(h.client_hints);
    }
    if (!h.properties.empty()) {
        put_u8(out, properties_tag);
        put_varint(out, h.properties.size());
        out.append(h.properties);
    }
}

error_code decode(std::string_view record, hit& out) noexcept
{
    out = hit{};
    byte_reader in{record};
    out.time_ms = static_cast<std::int64_t>(in.u64());
    out.local_date = static_cast<std::int32_t>(in.u32());
    out.visitor = in.u64();
    out.visitor_before = in.u64();
    out.id = in.u64();
    out.width = static_cast<std::uint32_t>(in.varint());
    out.bot_hint = static_cast<std::uint32_t>(in.varint());
    while (in.ok() && !in.rest().empty()) {
        const auto tag = in.u8();
        const auto text = in.bytes(in.varint());
        if (tag >= 1 && tag <= text_fields.size())
            out.*text_fields[tag - 1U].second = text;
        else if (tag == client_tag && text.size() == client_bytes)
            out.client = byte_reader{text}.u32();
        else if (tag == flags_tag && text.size() == 1) {
            const auto flags = static_cast<std::uint8_t>(text[0]);
            out.is_from_server = (flags & from_server_flag) != 0;
            out.is_from_data_center = (flags & from_data_center_flag) != 0;
            out.is_imported = (flags & imported_flag) != 0;
        } else if (tag == hints_tag)
            out.client_hints = text;
        else if (tag == properties_tag)
            out.properties = text;
    }
    // A time that arithmetic could overflow on is no time.
    if (out.time_ms < 0 || out.time_ms > max_time_ms)
        return errc::bad_record;
    if (!in.ok() || out.site.empty() || (out.path.empty() && out.event.empty()))
        return errc::bad_record;
    return {};
}

std::string_view take_property(std::string_view& rest) noexcept
{
    const auto size = std::min(rest.find(property_end), rest.size());
    const auto first = rest.substr(0, size);
    rest.remove_prefix(std::min(size + 1, rest.size()));
    return first;
}

unsigned partition_of(std::string_view site) noexcept
{
    return static_cast<unsigned>(checksum(site) % partitions);
}

}  // namespace luot
