#include "aggregator/fold/bots.hpp"

#include "aggregator/fold/crawlers.hpp"
#include "core/bytes.hpp"

#include <algorithm>
#include <re2/re2.h>
#include <re2/set.h>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace luot::aggregator {

namespace {

/// RE2's automaton for 1,500 patterns thrashes below this on a stream of bots.
constexpr std::int64_t set_memory_bytes = 32 << 20;
/// Real traffic repeats its User-Agents; a stranger can send any number of them.
constexpr std::size_t most_cached = 1 << 16;

RE2::Options options()
{
    RE2::Options o;
    o.set_encoding(RE2::Options::EncodingLatin1);  // a User-Agent is bytes
    o.set_log_errors(false);
    o.set_never_capture(true);
    o.set_max_mem(set_memory_bytes);
    return o;
}

}  // namespace

std::string_view name_of(bot_kind kind) noexcept
{
    constexpr std::string_view names[] = {"",        "search",  "ai",       "preview",
                                          "monitor", "library", "headless", "other"};
    return names[static_cast<std::size_t>(kind)];
}

class bot_list::patterns {
public:
    patterns() : set_(options(), RE2::UNANCHORED)
    {
        std::string error;
        for (const auto& crawler : crawlers) {
            if (set_.Add({crawler.pattern.data(), crawler.pattern.size()}, &error) < 0)
                throw std::runtime_error("crawler pattern refused by RE2: " + error);
        }
        if (!set_.Compile())
            throw std::runtime_error("the list of crawlers does not fit into RE2's memory");
    }

    bot_kind find(std::string_view user_agent)
    {
        const auto key = checksum(user_agent);
        if (const auto known = cache_.find(key); known != cache_.end())
            return known->second;
        if (cache_.size() >= most_cached)
            cache_.clear();
        matches_.clear();
        RE2::Set::ErrorInfo info{RE2::Set::kNoError};
        auto kind = bot_kind::none;
        const bool matched = set_.Match({user_agent.data(), user_agent.size()}, &matches_, &info);
        if (matched)
            kind = crawlers[static_cast<std::size_t>(
                                *std::min_element(matches_.begin(), matches_.end()))]
                       .kind;  // in the order of the list; RE2 promises none

        else if (info.kind != RE2::Set::kNoError)
            kind = one_by_one(user_agent);
        return cache_[key] = kind;
    }

private:
    /// The set ran out of memory, which says nothing about the User-Agent.
    static bot_kind one_by_one(std::string_view user_agent)
    {
        for (const auto& crawler : crawlers)
            if (RE2::PartialMatch({user_agent.data(), user_agent.size()},
                                  RE2({crawler.pattern.data(), crawler.pattern.size()}, options())))
                return crawler.kind;
        return bot_kind::none;
    }

    RE2::Set set_;
    std::vector<int> matches_;
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
    return crawlers.size();
}

}  // namespace luot::aggregator
