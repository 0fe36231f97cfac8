#include "luot/url.hpp"

#include <algorithm>

namespace luot {

url_parts take_apart(std::string_view url)
{
    url = url.substr(0, url.find('#'));
    url_parts out;
    out.scheme = "https";
    if (const auto colon = url.find("://");
        colon != std::string_view::npos && url.find_first_of("/?") > colon) {
        out.scheme.assign(url.substr(0, colon));
        std::transform(out.scheme.begin(), out.scheme.end(), out.scheme.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        url.remove_prefix(colon + 3);
    } else if (url.starts_with("//")) {
        url.remove_prefix(2);
    } else if (url.starts_with('/') || url.starts_with('?')) {
        out.target.assign(url.starts_with('?') ? "/" : "").append(url);
        return out;
    }
    const auto end = std::min(url.find_first_of("/?"), url.size());
    out.authority.assign(url.substr(0, end));
    if (const auto at = out.authority.rfind('@'); at != std::string::npos)
        out.authority.erase(0, at + 1);  // a name and a password are nobody's business
    if (end == url.size() || url[end] != '/')
        out.target = "/";
    out.target.append(url.substr(end));
    return out;
}

std::string joined(const std::string& base, std::string_view reference)
{
    while (!reference.empty() && static_cast<unsigned char>(reference.front()) <= ' ')
        reference.remove_prefix(1);
    while (!reference.empty() && static_cast<unsigned char>(reference.back()) <= ' ')
        reference.remove_suffix(1);
    reference = reference.substr(0, reference.find('#'));
    const auto on = take_apart(base);
    if (reference.empty())
        return on.origin() + on.target;
    if (reference.starts_with("//"))
        return on.scheme + ':' + std::string(reference);
    if (reference.starts_with('/'))
        return on.origin() + std::string(reference);
    const auto colon = reference.find_first_of(":/?");
    if (colon != std::string_view::npos && reference[colon] == ':')
        return std::string(reference);
    auto path = std::string_view(on.target).substr(0, on.target.find('?'));
    if (reference.starts_with('?'))
        return on.origin() + std::string(path) + std::string(reference);
    path = path.substr(0, path.rfind('/') + 1);
    std::string target(path);
    while (reference.starts_with("./") || reference.starts_with("../")) {
        if (reference.starts_with("../") && target.size() > 1)
            target.resize(target.rfind('/', target.size() - 2) + 1);
        reference.remove_prefix(reference.find('/') + 1);
    }
    return on.origin() + target + std::string(reference);
}

}  // namespace luot
