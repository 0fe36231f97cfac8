#include "luot/commands.hpp"
#include "luot/explanation.hpp"
#include "luot/terminal.hpp"

#include <cstdio>
#include <stdexcept>

namespace luot {

int explain_hit(const std::string& config_file, const std::string& site_id, const asked_hit& asked,
                bool as_json)
{
    config c;
    try {
        c = load_config(config_file);
    } catch (const config_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 2;
    }
    explainer why(c);
    auto sites = why.sites_of(asked.url);
    if (!site_id.empty()) {
        const auto* site = c.find_site(site_id);
        if (site == nullptr) {
            std::fprintf(stderr, "luot: %s has no site %s\n", config_file.c_str(), site_id.c_str());
            return 2;
        }
        sites = {site};
    }
    if (sites.empty()) {
        const auto host = take_apart(asked.url).authority;
        if (host.empty())
            std::fprintf(stderr, "luot: an address without a host needs --site\n");
        else
            std::fprintf(stderr,
                         "luot: no site of %s has the host %s: add it to the hosts of one, or name "
                         "the site with --site\n",
                         config_file.c_str(), shown(host).c_str());
        return 1;
    }
    bool is_taken = true;
    for (const auto* site : sites) {
        const auto e = why.explain(*site, asked);
        is_taken = is_taken && e.refused == collector::refusal::none;
        if (as_json)
            std::printf("%s\n", json_of(e).c_str());
        else
            std::printf("%s%s", site == sites.front() ? "" : "\n", text_of(e).c_str());
    }
    return is_taken ? 0 : 1;
}

}  // namespace luot
