#include "luot/content_policy.hpp"

#include "luot/url.hpp"

#include <algorithm>

namespace luot {

namespace {

constexpr std::size_t most_parts = 1000;  // of one policy: directives, and sources of each

std::string lower(std::string_view text)
{
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

std::string_view trim(std::string_view text)
{
    constexpr std::string_view space = " \t\n\f\r";
    const auto begin = text.find_first_not_of(space);
    if (begin == std::string_view::npos)
        return {};
    return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

/// Takes a word off, up to white space.
std::string_view take_word(std::string_view& text)
{
    text = trim(text);
    const auto word = text.substr(0, text.find_first_of(" \t\n\f\r"));
    text.remove_prefix(word.size());
    return word;
}

struct place {
    std::string scheme, host, port, path;
};

std::string default_port(std::string_view scheme)
{
    return scheme == "https" || scheme == "wss" ? "443" : scheme == "http" ? "80" : "";
}

place place_of(const std::string& url)
{
    const auto parts = take_apart(url);
    place out;
    out.scheme = parts.scheme;
    auto authority = lower(parts.authority);
    const auto colon = authority.rfind(':');
    if (colon != std::string::npos && authority.find(']', colon) == std::string::npos) {
        out.port = authority.substr(colon + 1);
        authority.resize(colon);
    }
    if (out.port.empty())
        out.port = default_port(out.scheme);
    out.host = authority;
    out.path = parts.target.substr(0, parts.target.find('?'));
    return out;
}

/// What says http means https, too.
bool scheme_fits(std::string_view said, std::string_view is)
{
    return said == is || (said == "http" && is == "https");
}

bool port_fits(std::string_view said, const place& to)
{
    if (said == "*" || said == to.port)
        return true;
    if (said.empty())
        return to.port == default_port(to.scheme);
    return said == "80" && to.port == "443" && to.scheme == "https";
}

bool is_same_origin(const place& page, const place& to)
{
    if (page.host != to.host)
        return false;
    return (page.scheme == to.scheme && page.port == to.port) ||
           (scheme_fits(page.scheme, to.scheme) && to.port == default_port(to.scheme) &&
            page.port == default_port(page.scheme));
}

/// A host-source: [scheme://]host[:port][/path].
bool source_fits(std::string_view source, const place& page, const place& to)
{
    std::string scheme;
    if (const auto at = source.find("://"); at != std::string_view::npos) {
        scheme = lower(source.substr(0, at));
        source.remove_prefix(at + 3);
    }
    if (!scheme_fits(scheme.empty() ? std::string_view(page.scheme) : scheme, to.scheme))
        return false;
    const auto slash = std::min(source.find('/'), source.size());
    auto host = lower(source.substr(0, slash));
    const auto path = source.substr(slash);
    std::string port;
    if (const auto colon = host.rfind(':');
        colon != std::string::npos && host.find(']', colon) == std::string::npos) {
        port = host.substr(colon + 1);
        host.resize(colon);
    }
    if (host.empty())
        return false;
    const bool is_host = host == "*" || host == to.host ||
                         (host.starts_with("*.") && to.host.size() > host.size() - 1 &&
                          to.host.ends_with(std::string_view(host).substr(1)));
    if (!is_host || !port_fits(port, to))
        return false;
    if (path.empty() || path == "/")
        return path.empty() || to.path.starts_with('/');
    return path.ends_with('/') ? to.path.starts_with(path) : to.path == path;
}

bool is_hash(std::string_view source)
{
    return source.starts_with("'sha256-") || source.starts_with("'sha384-") ||
           source.starts_with("'sha512-");
}

bool allows(const std::vector<std::string>& sources, const policed_fetch& wanted,
            const std::string& page_url)
{
    const auto page = place_of(page_url), to = place_of(wanted.url);
    bool is_strict = false;
    for (const auto& source : sources) {
        if (wanted.kind != fetch_kind::script)
            break;
        if (!wanted.nonce.empty() && source == "'nonce-" + wanted.nonce + '\'')
            return true;
        if (is_hash(source) && !wanted.integrity.empty() &&
            wanted.integrity == std::string_view(source).substr(1, source.size() - 2))
            return true;
        is_strict = is_strict || lower(source) == "'strict-dynamic'";
    }
    if (is_strict)
        return false;
    return std::any_of(sources.begin(), sources.end(), [&](const std::string& source) {
        const auto word = lower(source);
        if (word == "*")
            return to.scheme == "http" || to.scheme == "https" || to.scheme == page.scheme;
        if (word == "'self'")
            return is_same_origin(page, to);
        if (word.starts_with('\''))
            return false;
        if (word.ends_with(':') && word.find('/') == std::string::npos)
            return scheme_fits(std::string_view(word).substr(0, word.size() - 1), to.scheme);
        return source_fits(source, page, to);
    });
}

}  // namespace

content_policy::content_policy(std::string_view text)
{
    while (!text.empty() && directives_.size() < most_parts) {
        auto part = text.substr(0, text.find(';'));
        text.remove_prefix(std::min(part.size() + 1, text.size()));
        directive d;
        d.name = lower(take_word(part));
        while (d.sources.size() < most_parts) {
            const auto source = take_word(part);
            if (source.empty())
                break;
            d.sources.emplace_back(source);
        }
        const bool is_known =
            std::any_of(directives_.begin(), directives_.end(),
                        [&](const directive& earlier) { return earlier.name == d.name; });
        if (!d.name.empty() && !is_known)  // of two the first counts
            directives_.push_back(std::move(d));
    }
}

std::string content_policy::objection(const policed_fetch& wanted,
                                      const std::string& page_url) const
{
    constexpr std::string_view of_script[] = {"script-src-elem", "script-src", "default-src"},
                               of_connection[] = {"connect-src", "default-src"},
                               of_image[] = {"img-src", "default-src"};
    const auto names = [&]() -> std::pair<const std::string_view*, std::size_t> {
        switch (wanted.kind) {
            case fetch_kind::script:
                return {of_script, std::size(of_script)};
            case fetch_kind::connection:
                return {of_connection, std::size(of_connection)};
            case fetch_kind::image:
                break;
        }
        return {of_image, std::size(of_image)};
    }();
    for (std::size_t i = 0; i < names.second; ++i)
        for (const auto& d : directives_)
            if (d.name == names.first[i])
                return allows(d.sources, wanted, page_url) ? std::string{} : d.name;
    return {};
}

std::vector<content_policy> policies_of(const std::vector<std::string>& values)
{
    std::vector<content_policy> out;
    for (std::string_view value : values)
        while (!value.empty() && out.size() < most_parts) {
            const auto one = value.substr(0, value.find(','));
            value.remove_prefix(std::min(one.size() + 1, value.size()));
            out.emplace_back(one);
        }
    return out;
}

std::string referrer_policy_of(std::string_view value)
{
    constexpr std::string_view known[] = {"no-referrer",
                                          "no-referrer-when-downgrade",
                                          "same-origin",
                                          "origin",
                                          "strict-origin",
                                          "origin-when-cross-origin",
                                          "strict-origin-when-cross-origin",
                                          "unsafe-url"};
    std::string found;
    while (!value.empty()) {
        const auto one = value.substr(0, value.find(','));
        value.remove_prefix(std::min(one.size() + 1, value.size()));
        auto name = lower(trim(one));
        if (name == "never")  // of <meta> as it was once
            name = "no-referrer";
        else if (name == "always")
            name = "unsafe-url";
        if (std::find(std::begin(known), std::end(known), name) != std::end(known))
            found = name;
    }
    return found;
}

bool tells_path(std::string_view referrer_policy)
{
    return referrer_policy == "unsafe-url" || referrer_policy == "no-referrer-when-downgrade";
}

}  // namespace luot
