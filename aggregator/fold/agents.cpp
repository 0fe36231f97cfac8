#include "aggregator/fold/agents.hpp"

#include "aggregator/fold/agent_hints.hpp"
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
    family.erase(0, family.find_first_not_of(' '));
    family.resize(utf8::cut(family, agent::most_bytes).size());
    while (family.ends_with(' '))
        family.pop_back();
    return can_be_counted(family) ? std::move(family) : "Other";
}

agent more_exact(const agent& by_user_agent, std::string_view client_hints)
{
    auto told = with_hints(by_user_agent, client_hints);
    told.browser = counted(std::move(told.browser));
    return told;
}

}  // namespace

agent agent_of(const agent_parser& parser, std::string_view user_agent,
               std::string_view client_hints)
{
    auto parsed = parser.parse(user_agent);
    const auto device = class_of(parsed, user_agent);
    return more_exact({counted(std::move(parsed.browser.family)),
                       counted(std::move(parsed.system.family)), device},
                      client_hints);
}

class agent_list::known {
public:
    const agent& find(std::string_view user_agent, std::string_view client_hints)
    {
        const auto by_user_agent = checksum(user_agent, seed_);
        if (client_hints.empty())
            return answer(by_user_agent, [&] { return agent_of(parser_, user_agent); });
        const auto said = without_version(client_hints);
        return answer(checksum(said, by_user_agent), [&] {
            // The rules are the dear part: made-up hints beside one User-Agent do not call them.
            return more_exact(find(user_agent, {}), said);
        });
    }

private:
    template <class Make>
    const agent& answer(std::uint64_t key, Make make)
    {
        if (const auto found = cache_.find(key); found != cache_.end())
            return found->second;
        auto made = make();
        if (cache_.size() >= most_cached)
            cache_.clear();
        return cache_[key] = std::move(made);
    }

    agent_parser parser_;
    /// So that nobody can prepare a User-Agent that is taken for another.
    const std::uint64_t seed_ = random_u64();
    std::unordered_map<std::uint64_t, agent> cache_;
};

agent_list::agent_list() : known_(std::make_unique<known>()) {}
agent_list::~agent_list() = default;

const agent& agent_list::classify(std::string_view user_agent, std::string_view client_hints) const
{
    return known_->find(user_agent, client_hints);
}

}  // namespace luot::aggregator
