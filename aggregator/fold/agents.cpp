#include "aggregator/fold/agents.hpp"

#include "aggregator/fold/agent_parser.hpp"
#include "core/bytes.hpp"
#include "core/utf8.hpp"

#include <cstdint>
#include <unordered_map>
#include <utility>

namespace luot::aggregator {

namespace {

/// Real traffic repeats its User-Agents; a stranger can send any number of them, with the longest
/// names: 6 MB at most, 2 MB of real ones.
constexpr std::size_t most_cached = 1 << 14;

bool can_be_counted(std::string_view family)
{
    if (family.empty() || family.starts_with('('))
        return false;
    while (!family.empty()) {
        const auto bytes = utf8::sequence_bytes(family);
        if (bytes == 0 || utf8::is_control(utf8::code_point(family, bytes)))
            return false;
        family.remove_prefix(bytes);
    }
    return true;
}

std::string counted(std::string family)
{
    family.resize(utf8::cut(family, agent::most_bytes).size());
    while (family.ends_with(' '))
        family.pop_back();
    return can_be_counted(family) ? std::move(family) : "Other";
}

}  // namespace

agent agent_of(const agent_parser& parser, std::string_view user_agent)
{
    auto parsed = parser.parse(user_agent);
    const auto device = class_of(parsed, user_agent);
    return {counted(std::move(parsed.browser.family)), counted(std::move(parsed.system.family)),
            device};
}

class agent_list::known {
public:
    const agent& find(std::string_view user_agent)
    {
        const auto key = checksum(user_agent, seed_);
        if (const auto found = cache_.find(key); found != cache_.end())
            return found->second;
        if (cache_.size() >= most_cached)
            cache_.clear();
        return cache_[key] = agent_of(parser_, user_agent);
    }

private:
    agent_parser parser_;
    /// So that nobody can prepare a User-Agent that is taken for another.
    const std::uint64_t seed_ = random_u64();
    std::unordered_map<std::uint64_t, agent> cache_;
};

agent_list::agent_list() : known_(std::make_unique<known>()) {}
agent_list::~agent_list() = default;

const agent& agent_list::classify(std::string_view user_agent) const
{
    return known_->find(user_agent);
}

}  // namespace luot::aggregator
