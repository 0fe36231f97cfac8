#include "aggregator/fold/isbot.hpp"

#include "aggregator/fold/crawlers.hpp"

#include <algorithm>

namespace luot::aggregator {

namespace {

/// With less RE2's automaton is thrown away again and again on a stream of bots.
constexpr std::int64_t isbot_memory_bytes = 8 << 20;

const guarded_word words[] = {
    {"(?:^|[^g])news(?!sapphire)", "news", {"g"}, {"sapphire"}},   // gnews; a Microsoft app
    {"(?<! channel/|google/)google(?!(?:wv|app|/google| pixel))",  // apps and phones of Google
     "google",
     {" channel/", "google/"},
     {"wv", "app", "/google", " pixel"}},
    {"(?<! cu)bots?(?:\\b|_)", "bot", {" cu"}, {}, true},  // Cubot makes phones
    {"(?<!cam)scan", "scan", {"cam"}, {}},                 // CamScanner
    {"(?<!lib)http", "http", {"lib"}, {}},
    {"java(?!;)", "java", {}, {";"}},  // phones of old: "(Java; U; ...)"
};

bool is_by_hand(std::string_view pattern)
{
    return std::any_of(std::begin(words), std::end(words),
                       [pattern](const guarded_word& w) { return w.pattern == pattern; });
}

std::vector<std::string_view> left_to_re2()
{
    std::vector<std::string_view> all;
    for (const auto pattern : isbot_patterns) {
        if (!is_by_hand(pattern))
            all.push_back(pattern);
    }
    return all;
}

bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// bot, bots, bot_ and bots_, not "both".
bool ends_here(std::string_view rest)
{
    const auto is_end = [](std::string_view r) {
        return r.empty() || r[0] == '_' || !is_word_byte(r[0]);
    };
    return is_end(rest) || (rest[0] == 's' && is_end(rest.substr(1)));
}

bool has(std::string_view text, const guarded_word& w)
{
    for (auto at = text.find(w.word); at != text.npos; at = text.find(w.word, at + 1)) {
        const auto before = text.substr(0, at);
        const auto after = text.substr(at + w.word.size());
        const bool vetoed =
            std::any_of(w.not_before_it.begin(), w.not_before_it.end(),
                        [before](std::string_view veto) { return before.ends_with(veto); }) ||
            std::any_of(w.not_after_it.begin(), w.not_after_it.end(),
                        [after](std::string_view veto) { return after.starts_with(veto); });
        if (!vetoed && (!w.ends || ends_here(after)))
            return true;
    }
    return false;
}

}  // namespace

std::span<const guarded_word> guarded_words()
{
    return words;
}

isbot_list::isbot_list()
    : of_re2_(left_to_re2()),
      patterns_("isbot", of_re2_, {.memory_bytes = isbot_memory_bytes, .ignore_case = true})
{
}

std::string_view isbot_list::pattern_of(std::string_view user_agent)
{
    if (user_agent.empty())
        return {};
    patterns_.find(user_agent, found_);
    if (!found_.empty())
        return of_re2_[static_cast<std::size_t>(found_.front())];
    lower_ = user_agent;
    for (char& c : lower_) {
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c + 32);
    }
    const auto found = std::find_if(std::begin(words), std::end(words),
                                    [this](const guarded_word& w) { return has(lower_, w); });
    return found == std::end(words) ? std::string_view{} : found->pattern;
}

}  // namespace luot::aggregator
