#include "aggregator/fold/bots.hpp"

#include "aggregator/fold/crawlers.hpp"
#include "aggregator/fold/isbot.hpp"
#include "aggregator/fold/pattern_set.hpp"
#include "aggregator/fold/verdict.hpp"
#include "core/bytes.hpp"

#include <unordered_map>
#include <vector>

namespace luot::aggregator {

namespace {

/// RE2's automaton for 1,500 patterns thrashes below this on a stream of bots.
constexpr std::int64_t crawler_memory_bytes = 32 << 20;
/// Real traffic repeats its User-Agents; a stranger can send any number of them.
constexpr std::size_t most_cached_bots = 1 << 16;

std::vector<std::string_view> crawler_patterns()
{
    std::vector<std::string_view> all;
    all.reserve(crawlers.size());
    for (const auto& crawler : crawlers)
        all.push_back(crawler.pattern);
    return all;
}

}  // namespace

std::string_view name_of(bot_kind kind) noexcept
{
    constexpr std::string_view names[] = {"",        "search",  "ai",       "preview",
                                          "monitor", "library", "headless", "other"};
    return names[static_cast<std::size_t>(kind)];
}

/// Both lists, one after the other.
class bot_patterns::lists {
public:
    lists()
        : crawlers_("crawler-user-agents", crawler_patterns(),
                    {.memory_bytes = crawler_memory_bytes})
    {
    }

    bot_pattern look_up(std::string_view user_agent)
    {
        crawlers_.find(user_agent, found_);
        if (!found_.empty()) {  // the first in the order of the list
            const auto& crawler = crawlers[static_cast<std::size_t>(found_.front())];
            return {crawler.kind, "crawler-user-agents", crawler.pattern};
        }
        const auto pattern = isbot_.pattern_of(user_agent);
        return pattern.empty() ? bot_pattern{} : bot_pattern{bot_kind::other, "isbot", pattern};
    }

private:
    pattern_set crawlers_;
    isbot_list isbot_;
    std::vector<int> found_;
};

bot_patterns::bot_patterns() : lists_(std::make_unique<lists>()) {}
bot_patterns::~bot_patterns() = default;

bot_pattern bot_patterns::find(std::string_view user_agent) const
{
    return user_agent.empty() ? bot_pattern{} : lists_->look_up(user_agent);
}

class bot_list::patterns {
public:
    bot_kind find(std::string_view user_agent)
    {
        const auto key = checksum(user_agent);
        if (const auto known = cache_.find(key); known != cache_.end())
            return known->second;
        if (cache_.size() >= most_cached_bots)
            cache_.clear();
        return cache_[key] = all_.find(user_agent).kind;
    }

private:
    bot_patterns all_;
    std::unordered_map<std::uint64_t, bot_kind> cache_;
};

bot_list::bot_list() : patterns_(std::make_unique<patterns>()) {}
bot_list::~bot_list() = default;

bot_kind bot_list::classify(std::string_view user_agent, std::uint32_t hint) const
{
    if (user_agent.empty())
        return bot_kind::library;
    const auto kind = patterns_->find(user_agent);
    return kind == bot_kind::none && hint != 0 ? bot_kind::headless : kind;
}

std::size_t bot_list::size() const noexcept
{
    return crawlers.size() + isbot_patterns.size();
}

}  // namespace luot::aggregator
