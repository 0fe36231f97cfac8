#include "core/path_pattern.hpp"

namespace luot {

namespace {

constexpr auto none = std::string_view::npos;
constexpr std::string_view any_segments = "**";

/// The segment that begins at an offset, which may be the text's end: an empty one is there.
std::string_view segment_at(std::string_view text, std::size_t begin) noexcept
{
    const auto end = text.find('/', begin);
    return text.substr(begin, end == none ? none : end - begin);
}

/// On a mismatch the last `*` takes one byte more: enough, as what stands before it matched.
bool matches_segment(std::string_view pattern, std::string_view segment) noexcept
{
    std::size_t p = 0, s = 0, star = none, taken = 0;
    while (s < segment.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            taken = s;
        } else if (p < pattern.size() && pattern[p] == segment[s]) {
            ++p;
            ++s;
        } else if (star != none) {
            p = star + 1;
            s = ++taken;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*')
        ++p;
    return p == pattern.size();
}

}  // namespace

bool matches(std::string_view pattern, std::string_view path) noexcept
{
    if (pattern.find('?') == none)
        path = path.substr(0, path.find('?'));
    // The same over segments, with `**`. An offset beyond the end: no segment is left.
    std::size_t p = 0, s = 0, star = none, taken = 0;
    while (s <= path.size()) {
        const auto wanted = p <= pattern.size() ? segment_at(pattern, p) : std::string_view{};
        const auto segment = segment_at(path, s);
        if (p <= pattern.size() && wanted == any_segments) {
            p += any_segments.size() + 1;
            star = p;
            taken = s;
        } else if (p <= pattern.size() && matches_segment(wanted, segment)) {
            p += wanted.size() + 1;
            s += segment.size() + 1;
        } else if (star != none) {
            taken += segment_at(path, taken).size() + 1;
            s = taken;
            p = star;
        } else {
            return false;
        }
    }
    while (p <= pattern.size() && segment_at(pattern, p) == any_segments)
        p += any_segments.size() + 1;
    return p > pattern.size();
}

}  // namespace luot
