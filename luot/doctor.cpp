// `luot doctor`: is everything as it must be, and if not, what is to be done.

#include "luot/doctor.hpp"

#include "luot/commands.hpp"
#include "luot/terminal.hpp"

#include <cstdio>
#include <exception>

namespace luot {

namespace {

void check_public_port(const config& c, findings& out)
{
    const auto& address = c.listen.public_port;
    if (address.port == 0)
        return;
    const auto answer = ask(address, "/luot.js");
    if (answer.status == 200)
        out.ok("public port", text_of(address) + " serves luot.js");
    else if (answer.status == 404)
        out.skip("public port", text_of(address) + " has no luot.js: an aggregator alone");
    else
        out.fail("public port",
                 answer.status == 0
                     ? text_of(address) + ": " + answer.trouble
                     : text_of(address) + " answers " + std::to_string(answer.status),
                 "is luot running with this configuration?");
}

int print(const findings& out, bool as_json, std::string_view more = {})
{
    std::printf("%s%s", (as_json ? out.json(more) : out.text()).c_str(), as_json ? "\n" : "");
    return out.has_failed() ? 1 : 0;
}

}  // namespace

int examine(const std::string& config_file, const std::vector<std::string>& admin_addresses,
            bool as_json)
{
    findings out;
    config c;
    try {
        c = load_config(config_file);
    } catch (const config_error& e) {
        out.fail("configuration", e.what(), "correct it; luot check-config says the same");
        return print(out, as_json);
    }
    out.ok("configuration", config_file + ", " + std::to_string(c.sites.size()) +
                                (c.sites.size() == 1 ? " site, " : " sites, ") +
                                (c.redis.configured ? "a Redis of your own" : "luot's own Redis"));
    const auto daemons =
        ask_daemons(admin_ports(c, admin_addresses), !admin_addresses.empty(), out);
    check_public_port(c, out);
    check_daemons(c, daemons, out);
    std::optional<double> used_bytes;
    for (const auto& d : daemons)
        if (d.is_collector())
            used_bytes = d.metrics->sum("luot_spool_bytes");
    check_files(c, used_bytes, out);
    check_redis(c, out);
    return print(out, as_json);
}

int examine_page(const std::string& config_file, const asked_hit& asked, bool as_json)
{
    config c;
    try {
        c = load_config(config_file);
    } catch (const config_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 2;
    }
    findings out;
    const auto explained = check_page(c, asked, out);
    if (as_json) {
        std::string all;
        for (const auto& e : explained)
            all += (all.empty() ? "" : ",") + json_of(e);
        return print(out, true, "\"explained\":[" + all + ']');
    }
    for (const auto& e : explained)
        std::printf("%s\n", text_of(e).c_str());
    return print(out, false);
}

}  // namespace luot
