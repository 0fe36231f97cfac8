// The text of a configuration file.

#include "core/config.hpp"

#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <optional>

namespace luot::fuzz {

namespace {

constexpr std::string_view file_name = "luot.toml";
constexpr std::string_view canary = "a canary of a secret";

void check_message(std::string_view message)
{
    check(message.starts_with("luot.toml:"), "an error names the file");
    const auto line = message.substr(file_name.size() + 1);
    check(line.find_first_not_of("0123456789") > 0 && line.find(": ") != std::string_view::npos,
          "an error names the line");
    check(std::none_of(message.begin(), message.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }),
          "an error is one line");
}

std::optional<config> parsed(std::string_view text)
{
    try {
        return parse_config(text, std::string(file_name));
    } catch (const config_error& error) {
        check_message(error.what());
        return std::nullopt;
    }
}

}  // namespace

void try_input(std::string_view input)
{
    // Files of secrets are not this target's business: what lies on this machine must not matter.
    if (input.find("_file") != std::string_view::npos)
        return;
    // libFuzzer reads the canary off the search for it, and shows it by itself.
    if (input.find(canary) != std::string_view::npos)
        return;
    auto c = parsed(input);
    if (!c)
        return;
    check(!c->sites.empty(), "there is a site");
    for (const auto& site : c->sites)
        check(c->find_site(site.id) == &site && !site.hosts.empty(), "a site has an id and hosts");

    auto other = *c;
    check(keep_until_restart(other, *c).empty(), "what is read again is no change");

    const bool has_secret = !c->redis.password.empty();
    c->redis.password = has_secret ? canary : "";
    for (auto& site : c->sites)
        site.token = canary;
    const auto text = describe(*c);
    check(text.find(canary) == std::string::npos, "a secret is not shown");
    if (has_secret)
        return;  // a user needs one, which is not shown
    const auto again = parsed(text);
    check(again.has_value(), "what is shown can be used");
    check(describe(*again) == text, "what is shown is what is used");
}

}  // namespace luot::fuzz
