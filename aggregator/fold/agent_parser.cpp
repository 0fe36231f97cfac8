#include "aggregator/fold/agent_parser.hpp"

#include "aggregator/fold/agent_rules.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <re2/filtered_re2.h>
#include <re2/re2.h>
#include <re2/set.h>
#include <span>
#include <stdexcept>
#include <vector>

namespace luot::aggregator {

namespace {

/// Of each rule, for its program and the states of its automaton. With 1 MiB the median User-Agent
/// takes a third less time and the mean the same, but those who send made-up ones can fill it.
constexpr std::int64_t rule_memory_bytes = 256 << 10;
/// Of the sets of literals.
constexpr std::int64_t set_memory_bytes = 8 << 20;
/// Shorter literals are in every User-Agent, longer ones would leave more rules without any.
constexpr int least_literal_bytes = 3;

RE2::Options options(std::int64_t memory_bytes)
{
    RE2::Options o;
    o.set_encoding(RE2::Options::EncodingLatin1);  // a User-Agent is bytes
    o.set_log_errors(false);
    o.set_max_mem(memory_bytes);
    return o;
}

re2::StringPiece piece(std::string_view text)
{
    return {text.data(), text.size()};
}

/// The whole match, and the groups $1 to $9; what took no part is empty.
using groups = std::array<re2::StringPiece, 10>;

std::string trimmed(std::string_view text)
{
    constexpr std::string_view space = " \t\n\v\f\r";
    const auto begin = text.find_first_not_of(space);
    if (begin == text.npos)
        return {};
    return std::string(text.substr(begin, text.find_last_not_of(space) - begin + 1));
}

/// A replacement with the groups that it names put in.
std::string filled_in(std::string_view replacement, const groups& found)
{
    std::string out;
    for (std::size_t i = 0; i < replacement.size(); ++i) {
        const char next = i + 1 < replacement.size() ? replacement[i + 1] : '\0';
        if (replacement[i] == '$' && next >= '1' && next <= '9') {
            const auto& group = found[static_cast<std::size_t>(next - '0')];
            out.append(group.data(), group.size());
            ++i;
        } else {
            out += replacement[i];
        }
    }
    return trimmed(out);
}

/// What a rule says in one place: by its replacement, else by the group (0: by none).
std::string text_of(std::string_view replacement, std::size_t group, const groups& found)
{
    if (!replacement.empty())
        return filled_in(replacement, found);
    return group == 0 ? std::string() : trimmed({found[group].data(), found[group].size()});
}

}  // namespace

/// One list of rules, of which the first that matches decides. A rule is tried only where the
/// literals are that each of its matches must have, such as "chrome/"; RE2 finds out which these
/// are.
class agent_parser::rules {
public:
    explicit rules(std::span<const agent_rule> list)
        : list_(list),
          filter_(least_literal_bytes),
          literals_(options(set_memory_bytes), RE2::UNANCHORED)
    {
        for (const auto& rule : list) {
            auto o = options(rule_memory_bytes);
            o.set_case_sensitive(!rule.ignore_case);
            int id = 0;
            if (filter_.Add(piece(rule.regex), o, &id) != RE2::NoError)
                throw std::runtime_error("rule for User-Agents refused by RE2: " +
                                         std::string(rule.regex));
        }
        std::vector<std::string> literals;
        filter_.Compile(&literals);
        for (const auto& literal : literals)
            literals_.Add(RE2::QuoteMeta(literal), nullptr);
        if (!literals_.Compile())
            throw std::runtime_error("the rules for User-Agents do not fit into RE2's memory");
        all_literals_.resize(literals.size());
        std::iota(all_literals_.begin(), all_literals_.end(), 0);
    }

    /// The first rule that matches, and what its groups matched; nullptr: none does. `lowered` is
    /// the same text in lower case.
    const agent_rule* find(std::string_view text, std::string_view lowered, groups& found)
    {
        matched_.clear();
        RE2::Set::ErrorInfo info{RE2::Set::kNoError};
        const bool any = literals_.Match(piece(lowered), &matched_, &info);
        // A set that ran out of memory says nothing about the text: every rule is tried then.
        const bool failed = !any && info.kind != RE2::Set::kNoError;
        filter_.AllPotentials(failed ? all_literals_ : matched_, &candidates_);
        for (const int i : candidates_)  // in the order of the list
            if (filter_.GetRE2(i).Match(piece(text), 0, text.size(), RE2::UNANCHORED, found.data(),
                                        static_cast<int>(found.size())))
                return &list_[static_cast<std::size_t>(i)];
        return nullptr;
    }

private:
    std::span<const agent_rule> list_;
    re2::FilteredRE2 filter_;
    RE2::Set literals_;
    std::vector<int> all_literals_, matched_, candidates_;
};

agent_parser::agent_parser()
    : browsers_(std::make_unique<rules>(browser_rules)),
      systems_(std::make_unique<rules>(system_rules)),
      devices_(std::make_unique<rules>(device_rules))
{
}

agent_parser::~agent_parser() = default;

parsed_agent agent_parser::parse(std::string_view user_agent) const
{
    user_agent = user_agent.substr(0, most_bytes);
    const auto lowered = lower_case(user_agent);
    parsed_agent out;
    groups found;
    const auto take = [&](rules& from, parsed_agent::software& into) {
        const auto* const rule = from.find(user_agent, lowered, found);
        if (rule == nullptr)
            return;
        const auto& r = rule->replacements;
        into = {text_of(r[0], 1, found), text_of(r[1], 2, found), text_of(r[2], 3, found),
                text_of(r[3], 4, found), text_of(r[4], 5, found)};
    };
    take(*browsers_, out.browser);
    take(*systems_, out.system);
    if (const auto* const rule = devices_->find(user_agent, lowered, found)) {
        const auto& r = rule->replacements;
        out.device = {text_of(r[0], 1, found), text_of(r[1], 0, found), text_of(r[2], 1, found)};
    }
    return out;
}

std::string lower_case(std::string_view text)
{
    std::string out(text);
    for (auto& c : out)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return out;
}

}  // namespace luot::aggregator
