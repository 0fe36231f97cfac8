#include "aggregator/fold/visit.hpp"

#include "core/bytes.hpp"

#include <algorithm>

namespace luot::aggregator {

namespace {

constexpr std::uint8_t version = 1;
constexpr std::int32_t last_date = 1'000'000;  // in the year 4707: no date of a visit

void put_text(std::string& out, std::string_view text)
{
    put_varint(out, text.size());
    out += text;
}

/// Seen before, but under which circumstances is not known: neither a bounce nor an exit changes.
visit unknown_visit()
{
    visit v;
    v.views = 2;
    return v;
}

}  // namespace

const visit::page* visit::find(std::uint32_t id) const noexcept
{
    const auto found =
        std::find_if(pages.begin(), pages.end(), [id](const page& p) { return p.id == id; });
    return found == pages.end() ? nullptr : &*found;
}

bool visit::reads(std::uint32_t id, std::int64_t time_ms)
{
    const auto known =
        std::find_if(pages.begin(), pages.end(), [id](const page& p) { return p.id == id; });
    const bool is_first = known == pages.end();
    const page now{id, is_first ? time_ms : std::max(time_ms, known->at_ms)};
    if (!is_first)
        pages.erase(known);
    else if (pages.size() == most_pages)
        pages.erase(pages.begin());
    pages.push_back(now);
    return is_first;
}

std::uint32_t page_id(std::string_view path) noexcept
{
    return static_cast<std::uint32_t>(checksum(path));
}

std::string encode(const visit& v)
{
    std::string out;
    put_u8(out, version);
    put_varint(out, static_cast<std::uint64_t>(v.date));
    put_varint(out, static_cast<std::uint64_t>(v.last_view_ms));
    put_varint(out, v.views);
    put_u64(out, v.other_id);
    for (const auto* text : {&v.exit, &v.source, &v.medium, &v.campaign, &v.term, &v.content})
        put_text(out, *text);
    for (const auto& p : v.pages) {
        put_u32(out, p.id);
        put_varint(out,
                   static_cast<std::uint64_t>(std::max<std::int64_t>(0, v.last_view_ms - p.at_ms)));
    }
    return out;
}

visit decode_visit(std::string_view bytes)
{
    byte_reader in{bytes};
    visit v;
    if (in.u8() != version)
        return unknown_visit();
    v.date = static_cast<std::int32_t>(in.varint());
    v.last_view_ms = static_cast<std::int64_t>(in.varint());
    v.views = in.varint();
    v.other_id = in.u64();
    for (auto* text : {&v.exit, &v.source, &v.medium, &v.campaign, &v.term, &v.content})
        *text = in.bytes(in.varint());
    while (in.ok() && !in.rest().empty() && v.pages.size() < visit::most_pages) {
        const auto id = in.u32();
        v.pages.push_back({id, v.last_view_ms - static_cast<std::int64_t>(in.varint())});
    }
    const bool is_date = v.date > 0 && v.date < last_date;
    return in.ok() && v.views > 0 && is_date ? v : unknown_visit();
}

}  // namespace luot::aggregator
