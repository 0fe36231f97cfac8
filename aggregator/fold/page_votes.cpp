#include "aggregator/fold/page_votes.hpp"

#include "core/bytes.hpp"
#include "core/utf8.hpp"

#include <algorithm>
#include <map>

namespace luot::aggregator {

namespace {

constexpr std::uint8_t version = 1;

std::string_view kept_title(std::string_view title)
{
    return utf8::cut(title, page_votes::most_title_bytes);
}

/// The text of most votes; behind its last vote stands none of as many.
std::string_view majority(const page_votes& votes, std::string_view page_votes::vote::*text)
{
    std::map<std::string_view, std::size_t> counts;
    for (const auto& v : votes.votes)
        if (!(v.*text).empty())
            ++counts[v.*text];
    std::size_t most = 0;
    for (const auto& [said, count] : counts)
        most = std::max(most, count);
    for (auto v = votes.votes.rbegin(); v != votes.votes.rend(); ++v)
        if (!((*v).*text).empty() && counts[(*v).*text] == most)
            return (*v).*text;
    return {};
}

/// Different texts of all votes: each stands once among the encoded ones.
using texts = boost::container::static_vector<std::string_view, 2 * page_votes::most_votes>;

std::string encode_all(const page_votes& votes)
{
    std::string out;
    put_u8(out, version);
    put_varint(out, static_cast<std::uint64_t>(votes.first_seen));
    texts said;
    const auto put = [&](std::string_view text) {
        const auto known = std::find(said.begin(), said.end(), text);
        put_varint(out, static_cast<std::uint64_t>(known - said.begin()));
        if (known == said.end()) {
            put_varint(out, text.size());
            out += text;
            said.push_back(text);
        }
    };
    for (const auto& v : votes.votes) {
        put_u32(out, v.voter);
        put(v.title);
        put(v.section);
    }
    return out;
}

/// Makes one vote be for nothing: the oldest of those for what the fewest say. So strangers who say
/// many long texts silence each other, and not those who agree.
void silence_one(page_votes& votes)
{
    page_votes::vote* chosen = nullptr;
    std::ptrdiff_t fewest = 0;
    for (auto& v : votes.votes) {
        if (v.says_nothing())
            continue;
        const auto agree = std::count_if(
            votes.votes.begin(), votes.votes.end(),
            [&v](const auto& o) { return o.title == v.title && o.section == v.section; });
        if (!chosen || agree < fewest) {
            chosen = &v;
            fewest = agree;
        }
    }
    if (chosen)
        chosen->title = chosen->section = {};
}

}  // namespace

bool page_votes::add(std::uint32_t voter, std::string_view title, std::string_view section)
{
    const vote now{voter, kept_title(title), section};
    if (!votes.empty() && votes.back() == now)
        return false;
    const auto former = std::find_if(votes.begin(), votes.end(),
                                     [voter](const vote& v) { return v.voter == voter; });
    const bool is_full = votes.size() == most_votes;
    if (now.says_nothing() && (former != votes.end() || is_full))
        return false;
    if (former != votes.end()) {
        votes.erase(former);
    } else if (is_full) {
        const auto silent = std::find_if(votes.begin(), votes.end(),
                                         [](const vote& v) { return v.says_nothing(); });
        votes.erase(silent != votes.end() ? silent : votes.begin());
    }
    votes.push_back(now);
    return true;
}

std::string_view page_votes::title() const
{
    return majority(*this, &vote::title);
}

std::string_view page_votes::section() const
{
    return majority(*this, &vote::section);
}

bool page_votes::is_settled_on(std::string_view title, std::string_view section) const
{
    return votes.size() == most_votes &&
           std::all_of(votes.begin(), votes.end(), [&](const vote& v) {
               return v.title == kept_title(title) && v.section == section;
           });
}

std::string encode(const page_votes& votes)
{
    auto out = encode_all(votes);
    if (out.size() <= page_votes::most_bytes)
        return out;
    auto kept = votes;
    for (std::size_t i = 0; i < kept.votes.size() && out.size() > page_votes::most_bytes; ++i) {
        silence_one(kept);
        out = encode_all(kept);
    }
    return out;
}

page_votes decode_votes(std::string_view bytes)
{
    byte_reader in{bytes};
    page_votes out;
    if (in.u8() != version)
        return {};
    out.first_seen = static_cast<std::int32_t>(in.varint());
    texts said;
    const auto text = [&]() -> std::string_view {
        const auto number = in.varint();
        if (number == said.size())
            said.push_back(in.bytes(in.varint()));
        return number < said.size() ? said[number] : std::string_view{};
    };
    while (in.ok() && !in.rest().empty() && out.votes.size() < page_votes::most_votes) {
        page_votes::vote v;
        v.voter = in.u32();
        v.title = text();
        v.section = text();
        out.votes.push_back(v);
    }
    return in.ok() ? out : page_votes{};
}

}  // namespace luot::aggregator
