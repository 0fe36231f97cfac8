#include "luot/findings.hpp"

#include "luot/terminal.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace luot {

namespace {

constexpr std::size_t most_shown = 600;

std::string_view name_of(state s)
{
    constexpr std::array<std::string_view, 4> names{"ok", "warn", "fail", "skip"};
    return names[static_cast<std::size_t>(s)];
}

}  // namespace

bool findings::has_failed() const noexcept
{
    return std::any_of(all_.begin(), all_.end(),
                       [](const finding& f) { return f.is == state::fail; });
}

std::string findings::text() const
{
    std::string out;
    std::array<unsigned, 4> counts{};
    for (const auto& f : all_) {
        ++counts[static_cast<std::size_t>(f.is)];
        out +=
            fmt::format("{:<4}  {:<18} {}{}{}\n", name_of(f.is), f.name, shown(f.what, most_shown),
                        f.advice.empty() ? "" : " -> ", shown(f.advice, most_shown));
    }
    out += fmt::format("{} ok, {} warnings, {} failed, {} not looked at\n", counts[0], counts[1],
                       counts[2], counts[3]);
    return out;
}

std::string findings::json(std::string_view more) const
{
    namespace json = boost::json;
    json::array checks;
    for (const auto& f : all_)
        checks.push_back({{"state", name_of(f.is)},
                          {"name", f.name},
                          {"what", shown(f.what, most_shown)},
                          {"advice", shown(f.advice, most_shown)}});
    return fmt::format("{{\"failed\":{},\"checks\":{}{}{}}}", has_failed(), json::serialize(checks),
                       more.empty() ? "" : ",", more);
}

}  // namespace luot
