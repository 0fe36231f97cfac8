#include "collector/client_hints.hpp"

#include <algorithm>

namespace luot::collector {

namespace {

constexpr std::size_t most_platform_bytes = 20, most_brand_bytes = 32, most_version_digits = 5;
constexpr int most_brands = 16;
static_assert(1 + most_platform_bytes + 1 + most_brand_bytes + 1 + most_version_digits <=
              max_client_hints_bytes);

/// Letters, digits and the marks that names have; none that part the fields of the folded form.
bool is_name(std::string_view text, std::size_t most_bytes)
{
    return !text.empty() && text.size() <= most_bytes &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      std::string_view(" ._-+&'!").find(c) != std::string_view::npos;
           });
}

void skip_blanks(std::string_view& text)
{
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
}

/// Takes a string in double quotes off. Escapes stay as they are: no name that is kept has one.
bool take_string(std::string_view& text, std::string_view& out)
{
    if (!text.starts_with('"'))
        return false;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++i;
        } else if (text[i] == '"') {
            out = text.substr(1, i - 1);
            text.remove_prefix(i + 1);
            return true;
        }
    }
    return false;
}

struct brand {
    std::string_view name, version;
};

/// How much a brand tells; 0: nothing.
int rank(std::string_view name)
{
    const bool is_made_up = name.find("Not") != name.npos && name.find("Brand") != name.npos;
    if (is_made_up || !is_name(name, most_brand_bytes))
        return 0;
    return name == "Chromium" ? 1 : name == "Google Chrome" ? 2 : 3;
}

brand most_telling(std::string_view list)
{
    brand best;
    for (int i = 0; i < most_brands; ++i) {
        brand b;
        skip_blanks(list);
        if (!take_string(list, b.name))
            break;
        constexpr std::string_view version = ";v=";
        if (list.starts_with(version)) {
            list.remove_prefix(version.size());
            if (!take_string(list, b.version))
                break;
        }
        if (rank(b.name) > rank(best.name))
            best = b;
        list.remove_prefix(std::min(list.find(','), list.size()));
        list.remove_prefix(std::min<std::size_t>(1, list.size()));
    }
    return best;
}

bool is_version(std::string_view text)
{
    return !text.empty() && text.size() <= most_version_digits &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void fold_client_hints(std::string_view brands, std::string_view mobile, std::string_view platform,
                       std::string& out)
{
    out.clear();
    std::string_view system;
    if (!take_string(platform, system) || !is_name(system, most_platform_bytes))
        system = {};
    const auto of = most_telling(brands);
    const char is_mobile = mobile == "?1" ? '1' : mobile == "?0" ? '0' : '-';
    if (is_mobile == '-' && system.empty() && rank(of.name) == 0)
        return;
    out += is_mobile;
    out += system;
    if (rank(of.name) == 0)
        return;
    out.append(";").append(of.name);
    if (is_version(of.version))
        out.append("/").append(of.version);
}

}  // namespace luot::collector
