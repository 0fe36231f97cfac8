#include "core/path_rule.hpp"

#include "core/utf8.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <re2/re2.h>
#include <tuple>
#include <utility>
#include <vector>

namespace luot {

namespace {

constexpr int most_groups = 10;  // \0 to \9
/// Places of a path that one rule replaces: each is a search of its own, and a stranger makes the
/// paths.
constexpr int most_places = 200;
constexpr std::size_t most_section_bytes = 1000;  // before it is cut to what a hit keeps

/// A replacement, taken apart: a text, then a group.
struct piece {
    std::string text;
    int group = -1;  ///< -1: none, at the end
};

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/// Answers whether each backslash is followed by a digit or by another one.
bool take_apart(std::string_view replacement, std::vector<piece>& out)
{
    out.emplace_back();
    for (std::size_t i = 0; i < replacement.size(); ++i) {
        if (replacement[i] != '\\') {
            out.back().text += replacement[i];
            continue;
        }
        if (++i == replacement.size() || (replacement[i] != '\\' && !is_digit(replacement[i])))
            return false;
        if (replacement[i] == '\\') {
            out.back().text += '\\';
        } else {
            out.back().group = replacement[i] - '0';
            out.emplace_back();
        }
    }
    return true;
}

int most_group(const std::vector<piece>& pieces)
{
    int most = -1;
    for (const auto& p : pieces)
        most = std::max(most, p.group);
    return most;
}

re2::StringPiece re2_piece(std::string_view text)
{
    return {text.data(), text.size()};
}

int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c = static_cast<char>(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void append_decoded(std::string_view text, std::string& out)
{
    for (std::size_t i = 0; i < text.size(); ++i) {
        const int high = text[i] == '%' && i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
        const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
        if (low >= 0)
            i += 2;
        out += low >= 0 ? static_cast<char>(high * 16 + low) : text[i];
    }
}

}  // namespace

struct path_rule::compiled {
    compiled(const std::string& match, const RE2::Options& options) : expression(match, options) {}

    RE2 expression;
    std::vector<piece> replace, section;
    int groups = 0;  ///< to ask RE2 for: the fewer, the quicker
};

path_rule::objection path_rule::compile(std::string match, const std::string* replace,
                                        const std::string* section)
{
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(memory_bytes);
    auto made = std::make_shared<compiled>(match, options);
    if (!made->expression.ok())
        return {"match", "RE2 does not take it: " + made->expression.error()};
    const int there = std::min(made->expression.NumberOfCapturingGroups(), most_groups - 1);
    for (const auto& [key, text, pieces] : {std::tuple{"replace", replace, &made->replace},
                                            std::tuple{"section", section, &made->section}}) {
        if (text == nullptr)
            continue;
        if (!take_apart(*text, *pieces))
            return {key,
                    "after a backslash stands the number of a group, or a second backslash (in "
                    "double quotes TOML wants each backslash twice: \"\\\\1\")"};
        if (const int named = most_group(*pieces); named > there)
            return {key, "names group \\" + std::to_string(named) + ", and match has " +
                             (there == 0 ? std::string("none") : std::to_string(there)) +
                             ": put what it stands for in parentheses there"};
        made->groups = std::max(made->groups, most_group(*pieces) + 1);
    }
    if (replace != nullptr)
        made->groups = std::max(made->groups, 1);  // where it matched
    match_ = std::move(match);
    has_replace_ = replace != nullptr;
    has_section_ = section != nullptr;
    replace_ = has_replace_ ? *replace : std::string{};
    section_ = has_section_ ? *section : std::string{};
    compiled_ = std::move(made);
    return {};
}

path_rule::outcome path_rule::apply(std::string_view path, std::size_t most_bytes,
                                    std::string* replaced, std::string* section) const
{
    const auto& c = *compiled_;
    std::array<re2::StringPiece, most_groups> found;
    const auto group = [&found](int number) {
        const auto& text = found[static_cast<std::size_t>(number)];
        return std::string_view(text.data(), text.size());
    };
    const auto match_from = [&](std::size_t at) {
        return c.expression.Match(re2_piece(path), at, path.size(), RE2::UNANCHORED, found.data(),
                                  c.groups);
    };
    if (!match_from(0))
        return outcome::no_match;

    if (section != nullptr && has_section_) {
        section->clear();
        for (const auto& p : c.section) {
            if (section->size() > most_section_bytes)
                break;
            section->append(p.text);
            if (p.group >= 0)
                append_decoded(group(p.group), *section);
        }
    }
    if (replaced == nullptr || !has_replace_)
        return outcome::matched;

    replaced->clear();
    std::size_t copied = 0;  // of path
    std::size_t at = 0;      // where the next match is looked for
    int places = 0;
    do {
        if (++places > most_places)
            return outcome::too_long;
        const auto begin = static_cast<std::size_t>(found[0].data() - path.data());
        if (found[0].empty()) {  // of nothing: the next one is behind the character that follows
            at = begin + std::max<std::size_t>(utf8::sequence_bytes(path.substr(begin)), 1);
            if (begin == copied && places > 1)  // and the last one ended here
                continue;
        } else {
            at = begin + found[0].size();
        }
        replaced->append(path.substr(copied, begin - copied));
        for (const auto& p : c.replace) {
            replaced->append(p.text);
            if (p.group >= 0)
                replaced->append(group(p.group));
            if (replaced->size() > most_bytes)
                return outcome::too_long;
        }
        copied = begin + found[0].size();
    } while (at <= path.size() && match_from(at));
    replaced->append(path.substr(copied));
    return replaced->size() > most_bytes ? outcome::too_long : outcome::matched;
}

}  // namespace luot
