#include "import/page_rule.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace luot::importer {
namespace {

constexpr std::string_view descriptions[page_verdicts] = {
    "page", "no HTTP request", "another method", "another status", "static file"};

char lower(char c) noexcept
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// As extensions are compared: in lower case, with zeros behind. One that is empty or too long for
/// the room has none.
bool pack(std::string_view extension, std::array<std::uint64_t, 2>& out) noexcept
{
    char bytes[sizeof out] = {};
    if (extension.empty() || extension.size() > sizeof bytes)
        return false;
    std::transform(extension.begin(), extension.end(), bytes, lower);
    std::memcpy(out.data(), bytes, sizeof bytes);
    return true;
}

}  // namespace

std::string_view describe(page_verdict verdict) noexcept
{
    return descriptions[static_cast<std::size_t>(verdict)];
}

page_rule::page_rule(page_options options) : options_(std::move(options))
{
    for (std::string_view e : options_.static_extensions) {
        if (e.starts_with('.'))
            e.remove_prefix(1);
        if (std::array<std::uint64_t, 2> packed; pack(e, packed))
            extensions_.push_back(packed);
    }
}

bool page_rule::is_static(std::string_view target) const noexcept
{
    const auto path = target.substr(0, target.find('?'));
    const auto end = path.substr(path.size() - std::min(path.size(), max_extension_bytes + 1));
    const auto point = end.find_last_of("./");
    std::array<std::uint64_t, 2> extension;
    return point != std::string_view::npos && end[point] == '.' &&
           pack(end.substr(point + 1), extension) &&
           std::find(extensions_.begin(), extensions_.end(), extension) != extensions_.end();
}

page_verdict page_rule::judge(const log_line& line) const noexcept
{
    if (line.method.empty() || line.target.empty())
        return page_verdict::no_request;
    if (std::find(options_.methods.begin(), options_.methods.end(), line.method) ==
        options_.methods.end())
        return page_verdict::method;
    const auto has_status = [&](const auto& r) {
        return line.status >= r.first && line.status <= r.last;
    };
    if (std::none_of(options_.statuses.begin(), options_.statuses.end(), has_status))
        return page_verdict::status;
    return is_static(line.target) ? page_verdict::static_file : page_verdict::page;
}

}  // namespace luot::importer
