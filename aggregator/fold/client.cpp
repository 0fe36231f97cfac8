#include "aggregator/fold/client.hpp"

#include "core/bytes.hpp"

#include <algorithm>

namespace luot::aggregator {

namespace {

bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool all_letters(std::string_view text)
{
    return std::all_of(text.begin(), text.end(), is_letter);
}

/// Takes the first of a list off: "vi" of "vi;q=0.9, en", and the subtag "vi" of "vi-VN".
std::string_view take(std::string_view& text, std::string_view separators)
{
    const auto end = std::min(text.find_first_of(separators), text.size());
    const auto first = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return first;
}

/// The first language of a list; "*" is none.
std::string_view first_tag(std::string_view list)
{
    while (!list.empty()) {
        auto item = take(list, ",");
        const auto tag = without_blanks(take(item, ";"));
        if (!tag.empty() && tag != "*")
            return tag;
    }
    return {};
}

bool is_subtag(std::string_view text)
{
    return !text.empty() && text.size() <= 8 && std::all_of(text.begin(), text.end(), [](char c) {
        return is_letter(c) || is_digit(c);
    });
}

bool is_region(std::string_view subtag)
{
    return (subtag.size() == 2 && all_letters(subtag)) ||
           (subtag.size() == 3 && std::all_of(subtag.begin(), subtag.end(), is_digit));
}

}  // namespace

std::string language_of(std::string_view said)
{
    // RFC 5646: language[-extlang]{0,3}[-script][-region][-variant]...[-extension]...; some
    // programs write "_".
    auto rest = first_tag(said);
    if (rest.empty())
        return {};
    constexpr std::string_view separators = "-_";
    const bool torn = separators.find(rest.back()) != separators.npos;
    const auto language = take(rest, separators);
    if (torn || language.size() < 2 || language.size() > 3 || !all_letters(language))
        return "other";

    // The region comes after extended languages and a script only, which are all letters.
    bool may_be_region = true;
    std::string_view region;
    while (!rest.empty()) {
        const auto subtag = take(rest, separators);
        if (!is_subtag(subtag))
            return "other";
        if (may_be_region && is_region(subtag)) {
            region = subtag;
            may_be_region = false;
        }
        may_be_region =
            may_be_region && all_letters(subtag) && (subtag.size() == 3 || subtag.size() == 4);
    }
    std::string out;
    for (const char c : language)
        out += static_cast<char>(c | 0x20);
    if (!region.empty())
        out += '-';
    for (const char c : region)
        out += is_letter(c) ? static_cast<char>(c & ~0x20) : c;
    return out;
}

std::string_view screen_class(std::uint32_t width) noexcept
{
    if (width == 0)
        return {};
    if (width < 600)
        return "phone";
    if (width < 1024)
        return "tablet";
    if (width < 1600)
        return "laptop";
    return width < 2560 ? "desktop" : "wide";
}

}  // namespace luot::aggregator
