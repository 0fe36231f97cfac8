// `luot doctor URL`: from the page as a stranger's server sends it to what a read of it counts as.

#include "core/path.hpp"
#include "luot/content_policy.hpp"
#include "luot/doctor.hpp"
#include "luot/fetch.hpp"
#include "luot/page_content.hpp"
#include "luot/terminal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace luot::embedded {
extern const std::string_view luot_js;
}

namespace luot {

namespace {

std::string tag_for(const std::string& site)
{
    return "<script defer src=\"https://YOUR-LUOT/luot.js\" data-site=\"" + site + "\"></script>";
}

/// All that is known of the page while it is looked at.
struct page {
    const config& settings;
    fetched answer;
    page_content content;
    std::vector<content_policy> policies;
    std::string base;  ///< what its addresses are relative to
    findings& out;
};

void check_policies(page& p, const page_tag& tag, const std::string& script,
                    const std::string& luot_base)
{
    const auto objection = [&](fetch_kind kind, const std::string& url) {
        for (const auto& policy : p.policies)
            if (auto directive =
                    policy.objection({kind, url, tag.nonce, tag.integrity}, p.answer.url);
                !directive.empty())
                return directive;
        return std::string{};
    };
    if (p.policies.empty()) {
        p.out.ok("csp", "the page has no Content-Security-Policy");
        return;
    }
    const auto origin = take_apart(luot_base).origin();
    const auto add = [&](const std::string& directive) {
        return "add " + origin + " to " +
               (directive == "default-src" ? "script-src, connect-src and img-src (default-src "
                                             "stands for those that are not there)"
                                           : directive) +
               " of the page's Content-Security-Policy";
    };
    bool is_free = true;
    if (const auto d = objection(fetch_kind::script, script); !d.empty()) {
        p.out.fail("csp script", "the page's " + d + " forbids the browser to load " + script,
                   add(d));
        is_free = false;
    }
    const auto connect = objection(fetch_kind::connection, luot_base + "hit");
    const auto image = objection(fetch_kind::image, luot_base + "hit.gif");
    if (!connect.empty() && !image.empty())
        p.out.fail("csp connect",
                   "the page's " + connect + " and " + image + " forbid every way to send a hit",
                   add(connect));
    else if (!connect.empty())
        p.out.warn("csp connect",
                   "the page's " + connect +
                       " forbids fetch: hits go as an image, and no numbers are shown",
                   add(connect));
    else if (!image.empty())
        p.out.warn("csp image",
                   "the page's " + image +
                       " forbids hit.gif: readers without JavaScript are not "
                       "counted",
                   add(image));
    is_free = is_free && connect.empty() && image.empty();
    if (is_free)
        p.out.ok("csp", "the page's Content-Security-Policy lets luot work");
}

void check_script(page& p, const std::string& script, const asked_hit& asked)
{
    fetch_options options;
    options.user_agent = asked.user_agent;
    options.origin = take_apart(p.answer.url).origin();
    options.most_bytes = 1 << 20;
    const auto got = fetch(script, options);
    if (!got.trouble.empty()) {
        p.out.fail("script", script + ": " + got.trouble,
                   "readers cannot load it either: is this luot's public address?");
        return;
    }
    const auto type = got.value("content-type");
    if (got.status != 200)
        p.out.fail("script", fmt::format("{} answers {}", script, got.status),
                   "let the web server pass /luot.js on to luot (docs/nginx.md), and check the "
                   "address in the tag");
    else if (type.find("javascript") == std::string::npos)
        p.out.fail("script", script + " is served as " + (type.empty() ? "nothing" : type),
                   "browsers run only text/javascript: let the web server pass /luot.js on");
    else if (got.body == embedded::luot_js)
        p.out.ok("script", script + " is luot.js of this version");
    else if (got.body.find("hit.gif") == std::string::npos)
        p.out.fail("script", script + " is not luot.js", "check the address in the tag");
    else
        p.out.warn("script", script + " is luot.js of another version",
                   "after an upgrade: caches hold it for a day; else replace the copy that is "
                   "served");
    if (got.status == 200 && got.value("access-control-allow-origin").empty())
        p.out.warn("script headers", script + " comes without luot's headers",
                   "something else than luot serves it: let the web server pass it on");
}

void check_ways(page& p, const std::string& luot_base, const std::string& site,
                const asked_hit& asked)
{
    fetch_options options;
    options.user_agent = asked.user_agent;
    options.origin = take_apart(p.answer.url).origin();
    options.most_bytes = 1 << 20;
    // Without a site it is refused as bad_request: that is luot's own answer, and counts nothing.
    const auto hit = fetch(luot_base + "hit.gif", options);
    if (!hit.trouble.empty())
        p.out.fail("hits", luot_base + "hit.gif: " + hit.trouble, "hits cannot reach luot");
    else if (hit.value("luot-refused") == "bad_request")
        p.out.ok("hits", "luot answers at " + luot_base + "hit.gif");
    else
        p.out.fail("hits",
                   fmt::format("{}hit.gif answers {}, and not as luot does", luot_base, hit.status),
                   "let the web server pass /hit and /hit.gif on to luot (docs/nginx.md)");
    const auto counts = fetch(luot_base + "api/v1/counts?site=" + site, options);
    if (counts.trouble.empty() && counts.status == 200)
        p.out.ok("numbers", "luot answers counts of " + site);
    else if (counts.status == 401 || counts.status == 403)
        p.out.warn("numbers", "counts of " + site + " need a token: the page cannot show any",
                   "add \"counts\" to the site's public, if the page shows numbers");
    else if (counts.status == 503)
        p.out.warn("numbers", "luot answers 503: Redis is away or behind",
                   "look with luot doctor on the server");
    else
        p.out.warn("numbers",
                   counts.trouble.empty()
                       ? fmt::format("{}api/v1/counts answers {}", luot_base, counts.status)
                       : counts.trouble,
                   "let the web server pass /api/v1/ on to luot (docs/nginx.md)");
}

/// Whether the browser runs this tag.
bool check_tag(page& p, const page_tag& tag, const std::string& script)
{
    const auto fail = [&p](std::string what, std::string advice) {
        p.out.fail("tag", std::move(what), std::move(advice));
        return false;
    };
    if (tag.site.empty())
        return fail("the tag has no data-site", "write data-site=\"ID\", the id of its [[site]]");
    if (p.settings.find_site(tag.site) == nullptr)
        return fail("the tag says data-site=\"" + tag.site +
                        "\", and no [[site]] has that id: its hits are refused (unknown_site)",
                    "correct data-site, or add the site to the configuration");
    if (tag.src.empty())
        return fail("the tag has no src", "write src=\"https://YOUR-LUOT/luot.js\"");
    if (tag.in_noscript)
        return fail("the tag is inside <noscript>: browsers do not run it", "move it out");
    if (tag.in_template)
        return fail("the tag is inside <template>: browsers do not run it", "move it out");
    if (tag.is_nomodule)
        return fail("the tag has nomodule: only very old browsers run it", "take nomodule out");
    if (take_apart(p.answer.url).scheme == "https" && take_apart(script).scheme == "http")
        return fail("a page over https loads " + script + ": browsers block that",
                    "serve luot over https, and write https in the tag");
    if (!is_script_type(tag.type)) {
        p.out.warn("tag", "the tag's type is \"" + tag.type + "\": browsers do not run it",
                   "fine if a consent manager or an optimiser runs it later; else take type out");
        return true;
    }
    if (!tag.integrity.empty())
        p.out.warn("tag", "the tag has integrity: after an upgrade of luot browsers refuse it",
                   "take integrity out, or change it with each upgrade");
    else if (!tag.is_deferred)
        p.out.warn("tag", "the tag has neither defer nor async: the page waits for it",
                   "write defer");
    else
        p.out.ok("tag", "data-site=\"" + tag.site + "\", " + script);
    return true;
}

void check_pixels(page& p, const std::string& site)
{
    auto policy = referrer_policy_of(p.answer.value("referrer-policy"));
    if (const auto of_meta = referrer_policy_of(p.content.referrer_policy); !of_meta.empty())
        policy = of_meta;
    p.out.ok("referrer policy", (policy.empty() ? "none set" : policy) +
                                    ": the script needs none, it says itself which page it is on");
    if (p.content.pixels.empty()) {
        p.out.ok("noscript",
                 "no picture in <noscript>: readers without JavaScript are not counted");
        return;
    }
    for (const auto& pixel : p.content.pixels) {
        const auto url = joined(p.base, pixel.src);
        const auto target = take_apart(url).target;
        const auto query = target.substr(std::min(target.find('?'), target.size()));
        const bool has_page =
            query.find("?p=") != std::string::npos || query.find("&p=") != std::string::npos;
        const auto of_tag = referrer_policy_of(pixel.referrer_policy);
        if (query.find("s=" + site) == std::string::npos)
            p.out.warn("noscript", pixel.src + " does not say s=" + site,
                       "write s=" + site + " in its address");
        else if (!has_page && !tells_path(of_tag.empty() ? policy : of_tag))
            p.out.warn("noscript",
                       "the picture names no page (p), and the referrer policy lets browsers tell "
                       "only the host: its hits are refused (bad_request)",
                       "write p=PATH in its address, or "
                       "referrerpolicy=\"no-referrer-when-downgrade\" in its tag");
        else if (!pixel.in_noscript)
            p.out.warn("noscript", "the picture is outside of <noscript>",
                       "with luot.js on the page each reader is counted twice: move it into "
                       "<noscript>");
        else
            p.out.ok("noscript", "its picture counts readers without JavaScript");
    }
}

void check_address(page& p, const explanation& e, const std::string& canonical)
{
    if (canonical.empty())
        p.out.ok("canonical", "none: path and query of the address count");
    else if (e.is_other_address)
        p.out.warn("canonical", canonical + " is on another host: the page's own address counts",
                   "fine for a page that is a copy; else correct the canonical link");
    else if (e.path == "/" && take_apart(p.answer.url).target != "/")
        p.out.warn("canonical", canonical + " is the home page: this page is counted as it",
                   "correct the canonical link (or data-path) of the page's template");
    else
        p.out.ok("canonical", canonical);
    if (e.refused != collector::refusal::none)
        p.out.fail("counts as", "refused: " + std::string(collector::text_of(e.refused).reason),
                   e.what_to_do);
    else if (!e.kind.empty())
        p.out.warn("counts as", "a bot (" + e.kind + ") by " + e.bot_by,
                   "ask with a reader's --ua; for the kinds see docs/agents.md");
    else if (!e.is_counted_apart)
        p.out.warn("counts as", "a view of the site " + e.site + " in (other)", e.what_to_do);
    else
        p.out.ok("counts as", "a view of " + e.path + " of the site " + e.site);
}

void no_tag(page& p, const std::vector<const site_config*>& sites)
{
    const auto advice = sites.empty()
                            ? "add the host to the hosts of a [[site]], then the tag to the page"
                            : "put into its template: " + tag_for(sites.front()->id);
    if (p.content.has_tag_in_comment)
        p.out.fail("tag", "the tag is inside a comment: browsers do not run it", "take it out");
    else if (p.content.has_tag_manager)
        p.out.warn("tag", "the page's HTML has no tag of luot; a tag manager may put it in later",
                   "look in a browser whether /hit is sent; better: " + advice);
    else
        p.out.fail("tag",
                   std::string("the page's HTML has no tag of luot") +
                       (p.answer.is_cut ? " in its first 4 MiB" : ""),
                   advice);
}

}  // namespace

std::vector<explanation> check_page(const config& c, asked_hit asked, findings& out)
{
    std::vector<explanation> explained;
    explainer why(c);
    page p{c, {}, {}, {}, {}, out};
    fetch_options options;
    options.user_agent = asked.user_agent;
    p.answer = fetch(asked.url, options);
    if (!p.answer.trouble.empty()) {
        out.fail("page", asked.url + ": " + p.answer.trouble,
                 "is the address right, and reachable from here?");
        return explained;
    }
    const auto type = p.answer.value("content-type");
    const auto seen = fmt::format("{} answers {}, {}", p.answer.url, p.answer.status,
                                  type.empty() ? "no content type" : type);
    if (p.answer.status != 200)
        out.warn("page", seen, "what is looked at is the page of that answer");
    else if (type.find("html") == std::string::npos)
        out.warn("page", seen, "that is no HTML page");
    else
        out.ok("page", seen);
    asked.url = p.answer.url;
    p.content = read_page(p.answer.body);
    auto values = p.answer.values("content-security-policy");
    values.insert(values.end(), p.content.content_policies.begin(),
                  p.content.content_policies.end());
    p.policies = policies_of(values);
    p.base = p.content.base.empty() ? p.answer.url : joined(p.answer.url, p.content.base);
    if (asked.title.empty())
        asked.title = p.content.title;
    if (asked.section.empty())
        asked.section = p.content.section;

    const auto sites = why.sites_of(asked.url);
    if (sites.empty())
        out.fail("host", take_apart(asked.url).authority + " is no host of any [[site]]",
                 "add it to the hosts of a site: hits from other hosts are refused");
    const auto explain = [&](const site_config& site, const std::string& said) {
        asked.canonical = said.empty() ? said : joined(p.base, said);
        explained.push_back(why.explain(site, asked));
        check_address(p, explained.back(), asked.canonical);
    };
    if (p.content.scripts.empty()) {
        no_tag(p, sites);
        for (const auto* site : sites)
            explain(*site, p.content.canonical);
        return explained;
    }
    std::set<std::string> done;
    constexpr std::size_t most_tags = 10;
    for (const auto& tag : p.content.scripts) {
        if (!done.insert(tag.site).second || done.size() > most_tags)
            continue;  // luot.js counts once, however often it is there
        const auto script = joined(p.base, tag.src);
        if (!check_tag(p, tag, script))
            continue;
        const auto clean = script.substr(0, script.find('?'));
        const auto luot_base = clean.substr(0, clean.rfind('/') + 1);
        check_policies(p, tag, script, luot_base);
        check_script(p, script, asked);
        check_ways(p, luot_base, tag.site, asked);
        check_pixels(p, tag.site);
        // data-path is a path, as it stands.
        if (tag.path.empty()) {
            explain(*c.find_site(tag.site), p.content.canonical);
        } else {
            asked.canonical = tag.path;
            explained.push_back(why.explain(*c.find_site(tag.site), asked));
            check_address(p, explained.back(), tag.path);
        }
    }
    return explained;
}

}  // namespace luot
