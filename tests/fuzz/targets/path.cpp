// Page addresses and referrers. Input: a line that picks the site and names the host of the page,
// and the address.

#include "core/path.hpp"

#include "core/config.hpp"
#include "core/utf8.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <utf8proc.h>

namespace luot::fuzz {

namespace {

site_config made_site(bool path_host)
{
    site_config site;
    site.id = "s";
    site.hosts = {"skhcn.example.vn", "*.tin.example.vn", "xn--tn-min-iva0322d.vn", "example.vn"};
    site.path_host = path_host;
    return site;
}

/// Rules as nobody should write them: in circles, ever longer, to other hosts, to nothing.
site_config with_rules(site_config site)
{
    const auto add = [&site](const char* match, const std::string& replace,
                             const std::string& section) {
        path_rule rule;
        if (!rule.compile(match, &replace, &section).key.empty())
            std::abort();
        site.path_rules.push_back(std::move(rule));
    };
    add("^/p([0-9]+)/.*$", "/p\\1", "\\1");
    add("^(.*/)a(.*)$", "\\1b\\2", "\\2");
    add("(/)b", "\\1a", "x");
    add("[x-z]+", "\\0\\0", "");
    add("e(.)", "%\\1", "\\1\\1");
    add("^.*tin$", "https://skhcn.example.vn/\\0?id=1#", "\\0");
    add("d*$", "", "d");
    return site;
}

bool has_control(std::string_view text)
{
    for (std::size_t i = 0; i < text.size(); ++i)
        if (static_cast<unsigned char>(text[i]) < 0x20 || text[i] == 0x7F ||
            (text[i] == '\xC2' && i + 1 < text.size() &&
             static_cast<unsigned char>(text[i + 1]) < 0xA0))
            return true;
    return false;
}

bool is_nfc(const std::string& text)
{
    const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> composed(
        utf8proc_NFC(reinterpret_cast<const utf8proc_uint8_t*>(text.c_str())), &std::free);
    return composed && text == reinterpret_cast<const char*>(composed.get());
}

/// A path without its query, from its first slash on, segment by segment.
void check_segments(std::string_view path)
{
    path = path.substr(0, path.find('?'));
    path.remove_prefix(std::min(path.find('/'), path.size()));
    if (path == "/")
        return;
    std::string_view segment;
    while (!path.empty()) {
        path.remove_prefix(1);
        segment = path.substr(0, path.find('/'));
        check(!segment.empty(), "no slash is doubled, and none is at the end");
        check(segment != "." && segment != "..", "no segment is a step");
        path.remove_prefix(segment.size());
    }
    check(segment != "index.html" && segment != "index.htm" && segment != "index.php",
          "no index is at the end");
}

void try_page(std::string_view address, const site_config& site, std::string_view host)
{
    std::string path = "left from before";
    campaign found;
    found.term = "left from before";
    std::string section = "left from before";
    if (normalise_page(address, site, host, path, &found, &section)) {
        check(path.empty() && found.empty() && section.empty(), "an error leaves nothing");
        return;
    }
    check(path.size() <= max_address_bytes, "a path has a limit");
    check(path.starts_with('/') || (site.path_host && path.find('/') != std::string::npos),
          "a path begins with a slash, or with the host");
    check(utf8::valid(path) && !has_control(path), "a path is UTF-8 without controls");
    check(is_nfc(path), "a path is in NFC");
    check_segments(path);
    check(path.find('#') == std::string::npos && path.find(' ') == std::string::npos,
          "a path has neither fragment nor space");
    for (const auto* field :
         {&found.source, &found.medium, &found.name, &found.term, &found.content})
        check(field->size() <= 100 && utf8::valid(*field) && !has_control(*field),
              "a campaign field is 100 bytes of UTF-8");
    check(section.size() <= 100 && utf8::valid(section) && !has_control(section),
          "a section is 100 bytes of UTF-8");
    check(section.empty() || !site.path_rules.empty(), "a section comes of a rule");

    std::string again;
    check(!normalise_page(path, site, host, again, &found), "a result can be normalised");
    check(again == path, "normalising twice is normalising once");
    check(!normalise_page(path, site, "", again, nullptr) && again == path,
          "a result says where it stands by itself");
}

void try_referrer(std::string_view address, const site_config& site)
{
    std::string referrer = "left from before";
    normalise_referrer(address, site, referrer);
    check(referrer.size() <= 500, "a referrer has a limit");
    check(utf8::valid(referrer) && !has_control(referrer), "a referrer is UTF-8 without controls");
    check(referrer.empty() || referrer.find('/') != std::string::npos, "a referrer has a path");
    // One www. goes, and what was cut may be shorter still: there once more may be another.
    if (referrer.empty() || referrer.starts_with("www.") || referrer.size() >= 490 ||
        address.find("ndroid") != std::string_view::npos)
        return;
    std::string again;
    normalise_referrer("https://" + referrer, site, again);
    check(again == referrer, "normalising twice is normalising once");
}

}  // namespace

void try_input(std::string_view input)
{
    static const std::array sites{made_site(false), made_site(true), with_rules(made_site(false)),
                                  with_rules(made_site(true))};
    auto line = take_line(input);
    const auto& site = sites[line.starts_with('H')   ? 1
                             : line.starts_with('r') ? 2
                             : line.starts_with('R') ? 3
                                                     : 0];
    line.remove_prefix(std::min<std::size_t>(1, line.size()));
    try_page(input, site, line);
    try_referrer(input, site);

    bool has_path = false;
    const auto host = host_of_url(input, &has_path);
    if (!host.empty())
        check(canonical_host(host) == host, "a canonical host is its own");
}

}  // namespace luot::fuzz
