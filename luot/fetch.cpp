#include "luot/fetch.hpp"

#include "luot/child_process.hpp"
#include "luot/terminal.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace luot {

namespace {

constexpr std::size_t most_headers = 500;
constexpr std::chrono::seconds patience{20};  // curl's own limit comes first
constexpr std::string_view url_mark = "luot-url ";

std::string lower(std::string_view text)
{
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

/// Takes a line off, without its end.
std::string_view take_line(std::string_view& text)
{
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r'))
        line.remove_suffix(1);
    return line;
}

std::string_view first_line(std::string_view text)
{
    return take_line(text);
}

}  // namespace

std::vector<std::string> fetched::values(std::string_view name) const
{
    std::vector<std::string> out;
    for (const auto& [key, value] : headers)
        if (key == name)
            out.push_back(value);
    return out;
}

std::string fetched::value(std::string_view name) const
{
    const auto all = values(name);
    return all.empty() ? std::string{} : all.back();
}

fetched read_response(std::string_view output)
{
    fetched out;
    for (;;) {
        if (!output.starts_with("HTTP/"))
            break;
        const auto status_line = take_line(output);
        const auto space = std::min(status_line.find(' '), status_line.size() - 1);
        const auto digits = status_line.substr(space + 1, 3);
        out.status = 0;
        (void)std::from_chars(digits.data(), digits.data() + digits.size(), out.status);
        out.headers.clear();
        while (!output.empty()) {
            const auto line = take_line(output);
            if (line.empty())
                break;
            const auto colon = line.find(':');
            if (colon == std::string_view::npos || out.headers.size() >= most_headers)
                continue;
            auto value = line.substr(colon + 1);
            while (value.starts_with(' ') || value.starts_with('\t'))
                value.remove_prefix(1);
            out.headers.emplace_back(lower(line.substr(0, colon)), value);
        }
        // curl follows a redirection without its body; a page may begin with anything.
        const bool goes_on =
            (out.status >= 100 && out.status < 200) ||
            (out.status >= 300 && out.status < 400 && !out.value("location").empty());
        if (!goes_on)
            break;
    }
    out.body = output;
    return out;
}

fetched fetch(const std::string& url, const fetch_options& options)
{
    fetched out;
    if (!is_installed("curl")) {
        out.trouble = "curl is not installed: apt-get install curl";
        return out;
    }
    // --disable comes first: no ~/.curlrc may change what this means.
    std::vector<std::string> arguments{
        "curl",
        "--disable",
        "--silent",
        "--show-error",
        "--include",
        "--globoff",
        "--location",
        "--max-redirs",
        "5",
        "--proto",
        "=http,https",
        "--proto-redir",
        "=http,https",
        "--connect-timeout",
        "7",
        "--max-time",
        "15",
        "--compressed",
        "--suppress-connect-headers",
        "--header",
        "Accept: text/html,*/*;q=0.8",
        "--write-out",
        "%{stderr}\n" + std::string(url_mark) + "%{url_effective}\n"};
    if (!options.user_agent.empty())
        arguments.insert(arguments.end(), {"--user-agent", options.user_agent});
    if (!options.origin.empty())
        arguments.insert(arguments.end(), {"--header", "Origin: " + options.origin});
    arguments.insert(arguments.end(), {"--url", url});
    const auto child = run_child(arguments, options.most_bytes, patience);
    if (child.is_late) {
        out.trouble = "no whole answer within 20 seconds";
        return out;
    }
    if (child.status != 0 && !child.is_cut) {
        const auto said = first_line(child.errors);
        out.trouble =
            said.empty() ? "curl ended with status " + std::to_string(child.status) : shown(said);
        return out;
    }
    out = read_response(child.output);
    out.is_cut = child.is_cut;
    out.url = url;
    if (const auto at = child.errors.rfind(url_mark); at != std::string::npos)
        out.url = first_line(std::string_view(child.errors).substr(at + url_mark.size()));
    if (out.status == 0)
        out.trouble = "what answers does not speak HTTP";
    return out;
}

}  // namespace luot
