#include "aggregator/tallies.hpp"

#include "core/bytes.hpp"

#include <utility>

namespace luot::aggregator {

namespace {

constexpr std::uint8_t version = 1;

/// Small numbers of either sign in few bytes.
std::uint64_t zigzag(std::int64_t n)
{
    return (static_cast<std::uint64_t>(n) << 1) ^ static_cast<std::uint64_t>(n >> 63);
}

std::int64_t unzigzag(std::uint64_t n)
{
    return static_cast<std::int64_t>(n >> 1) ^ -static_cast<std::int64_t>(n & 1);
}

}  // namespace

std::size_t text_hash::operator()(std::string_view text) const noexcept
{
    return checksum(text);
}

void add_to(tally& to, std::string_view member, std::int64_t count)
{
    if (const auto known = to.find(member); known != to.end())
        known->second += count;
    else
        to.emplace(member, count);
}

void add_to(tally& to, const tally& more)
{
    for (const auto& [member, count] : more)
        add_to(to, member, count);
}

std::string_view nonce_of(std::string_view encoded) noexcept
{
    return encoded.substr(0, nonce_bytes);
}

std::string encode(std::string_view site, const date_tallies& of_site)
{
    std::string out;
    put_u64(out, random_u64());
    put_u8(out, version);
    put_varint(out, site.size());
    out += site;
    // A page is a row of several breakdowns: it stands here once.
    boost::unordered_flat_map<std::string_view, std::uint64_t, text_hash, std::equal_to<>> numbers;
    for (const auto& [date, t] : of_site) {
        put_varint(out, zigzag(date));
        for (std::size_t by = 0; by < t.size(); ++by) {
            if (t[by].empty())
                continue;
            put_varint(out, by + 1);
            put_varint(out, t[by].size());
            for (const auto& [member, count] : t[by]) {
                const auto [known, is_new] = numbers.try_emplace(member, numbers.size() + 1);
                put_varint(out, is_new ? 0 : known->second);
                if (is_new) {
                    put_varint(out, member.size());
                    out += member;
                }
                put_varint(out, zigzag(count));
            }
        }
        put_varint(out, 0);
    }
    return out;
}

bool add_encoded(site_tallies& to, std::string_view encoded)
{
    byte_reader in{encoded};
    (void)in.u64();
    if (in.u8() != version)
        return false;
    const auto site = in.bytes(in.varint());
    date_tallies read;
    std::vector<std::string_view> members;
    while (in.ok() && !in.rest().empty()) {
        auto& t = read[static_cast<std::int32_t>(unzigzag(in.varint()))];
        while (const auto by = in.varint()) {
            if (by > t.size())
                return false;
            for (auto left = in.varint(); left > 0; --left) {
                const auto number = in.varint();
                if (number == 0)
                    members.push_back(in.bytes(in.varint()));
                const auto count = unzigzag(in.varint());
                if (!in.ok() || number > members.size())
                    return false;
                add_to(t[by - 1], number ? members[number - 1] : members.back(), count);
            }
        }
    }
    if (!in.ok() || site.empty())
        return false;
    auto& of_site = to[std::string(site)];
    for (const auto& [date, t] : read)
        for (std::size_t by = 0; by < t.size(); ++by)
            add_to(of_site[date][by], t[by]);
    return true;
}

std::vector<std::pair<std::string, date_tallies>> parts_of(const site_tallies& all,
                                                           std::size_t most_rows)
{
    std::vector<std::pair<std::string, date_tallies>> parts;
    for (const auto& [site, of_site] : all) {
        std::size_t rows = most_rows;  // full: the first row begins a part
        for (const auto& [date, t] : of_site)
            for (std::size_t by = 0; by < t.size(); ++by)
                for (const auto& [member, count] : t[by]) {
                    if (count == 0)
                        continue;
                    if (rows == most_rows) {
                        parts.emplace_back(site, date_tallies{});
                        rows = 0;
                    }
                    ++rows;
                    parts.back().second[date][by].emplace(member, count);
                }
    }
    return parts;
}

}  // namespace luot::aggregator
