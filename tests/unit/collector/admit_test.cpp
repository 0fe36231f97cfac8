// What a request's headers say against a hit, and how each refusal is told.

#include "collector/admit.hpp"

#include <boost/test/unit_test.hpp>

#include <set>
#include <string>
#include <vector>

namespace luot::collector {

std::ostream& boost_test_print_type(std::ostream& out, refusal r)
{
    return out << (r == refusal::none ? "none" : text_of(r).reason);
}

}  // namespace luot::collector

namespace admit_test {

using namespace luot;
using namespace luot::collector;

site_config site_with(std::vector<std::string> hosts)
{
    site_config site;
    site.id = "skhcn";
    site.hosts = std::move(hosts);
    return site;
}

http::request request_from(std::string_view origin, std::string_view referer)
{
    http::request r;
    r.origin = origin;
    r.referer = referer;
    return r;
}

BOOST_AUTO_TEST_SUITE(admitting)

BOOST_AUTO_TEST_CASE(a_hit_is_taken_unless_its_page_is_on_a_foreign_host)
{
    const auto site = site_with({"skhcn.example.vn", "www.tintuc.vn", "xn--bcher-kva.example"});
    constexpr auto foreign = refusal::host_not_allowed;
    constexpr auto taken = refusal::none;
    const struct {
        std::string_view origin, referer;
        refusal expected;
    } table[] = {
        {"", "", taken},  // both may be kept back; then nothing speaks against it
        {"https://skhcn.example.vn", "", taken},
        {"", "https://skhcn.example.vn/tin-tuc/1.html?a=b#c", taken},
        {"", "https://skhcn.example.vn/", taken},
        {"https://skhcn.example.vn", "https://skhcn.example.vn/a", taken},
        {"https://foreign.example", "", foreign},
        {"", "https://foreign.example/a", foreign},
        {"https://foreign.example", "https://foreign.example/a", foreign},

        // the Origin counts, and the Referer only where there is none
        {"https://skhcn.example.vn", "https://foreign.example/a", taken},
        {"https://foreign.example", "https://skhcn.example.vn/a", foreign},

        // "null" is what sandboxed frames and local files send: nobody's host
        {"null", "", taken},
        {"null", "https://skhcn.example.vn/a", taken},
        {"null", "https://foreign.example/a", foreign},
        {"null", "null", taken},
        {"file://", "", taken},
        {"file://", "https://foreign.example/a", foreign},

        // an Origin that is no web address is not the site's; a Referer that is none says nothing
        {"https://", "", foreign},
        {"about:blank", "https://skhcn.example.vn/a", foreign},
        {"chrome-extension://abcdef", "", foreign},
        {"https://skhcn.example.vn@foreign.example", "", foreign},
        {"https://skhcn.example.vn:99999", "", foreign},
        {"", "about:client", taken},
        {"", "garbage", taken},

        // port, case, a final dot, www. and the spelling of the host do not matter
        {"http://skhcn.example.vn", "", taken},
        {"https://skhcn.example.vn:8443", "", taken},
        {"HTTPS://SKHCN.Example.VN", "", taken},
        {"https://skhcn.example.vn.", "", taken},
        {"https://skhcn.example.vn.:443", "", taken},
        {"https://www.skhcn.example.vn", "", taken},
        {"https://tintuc.vn", "", taken},
        {"https://WWW.tintuc.vn", "", taken},
        {"https://b\xC3\xBC"
         "cher.example",
         "", taken},
        {"https://xn--bcher-kva.example", "", taken},
        {"", "HTTP://WWW.SKHCN.EXAMPLE.VN:80/A", taken},
        {"https://foreign.example:443", "", foreign},
        {"https://WWW.FOREIGN.EXAMPLE", "", foreign},

        // what only looks like an own host
        {"https://skhcn.example.vn.foreign.example", "", foreign},
        {"https://xskhcn.example.vn", "", foreign},
        {"https://a.skhcn.example.vn", "", foreign},
        {"https://example.vn", "", foreign},
        {"https://vn", "", foreign},
        {"https://foreign.example/skhcn.example.vn", "", foreign},
        {"", "https://foreign.example/?https://skhcn.example.vn/", foreign},
        {"", "https://foreign.example#skhcn.example.vn", foreign},
        {"http://127.0.0.1:8000", "", foreign},
        {"http://[::1]:8000", "", foreign},
        {"http://localhost", "", foreign},
    };
    for (const auto& row : table)
        BOOST_TEST_CONTEXT("Origin \"" << row.origin << "\", Referer \"" << row.referer << "\"")
    BOOST_TEST(admit(request_from(row.origin, row.referer), site) == row.expected);
}

BOOST_AUTO_TEST_CASE(a_wildcard_takes_the_hosts_below_and_not_the_bare_one)
{
    const auto site = site_with({"*.example.vn"});
    const struct {
        std::string_view origin;
        refusal expected;
    } table[] = {{"https://skhcn.example.vn", refusal::none},
                 {"https://a.b.example.vn:8080", refusal::none},
                 {"https://example.vn", refusal::host_not_allowed},
                 {"https://anexample.vn", refusal::host_not_allowed},
                 {"https://example.vn.foreign.example", refusal::host_not_allowed}};
    for (const auto& row : table)
        BOOST_TEST_CONTEXT("Origin \"" << row.origin << "\"")
    BOOST_TEST(admit(request_from(row.origin, ""), site) == row.expected);
}

// What a browser loads ahead nobody may ever see.
BOOST_AUTO_TEST_CASE(a_prefetch_is_not_a_view)
{
    const auto site = site_with({"skhcn.example.vn"});
    http::request r;
    r.is_prefetch = true;
    BOOST_TEST(admit(r, site) == refusal::prefetch);
}

BOOST_AUTO_TEST_CASE(a_reader_who_opts_out_is_heard_where_the_site_honours_it)
{
    for (unsigned bits = 0; bits < 16; ++bits) {
        auto site = site_with({"skhcn.example.vn"});
        site.honor_gpc = (bits & 1) != 0;
        site.honor_dnt = (bits & 2) != 0;
        http::request r;
        r.global_privacy = (bits & 4) != 0;
        r.do_not_track = (bits & 8) != 0;
        BOOST_TEST_CONTEXT("honor_gpc " << site.honor_gpc << ", honor_dnt " << site.honor_dnt
                                        << ", Sec-GPC " << r.global_privacy << ", DNT "
                                        << r.do_not_track)
        {
            const bool is_out =
                (site.honor_gpc && r.global_privacy) || (site.honor_dnt && r.do_not_track);
            BOOST_TEST(admit(r, site) == (is_out ? refusal::opted_out : refusal::none));
        }
    }
}

// The defaults of the configuration: GPC is law in some places, DNT is given up by its makers.
BOOST_AUTO_TEST_CASE(without_a_word_of_the_operator_gpc_is_honoured_and_dnt_is_not)
{
    const auto site = site_with({"skhcn.example.vn"});
    http::request gpc, dnt;
    gpc.global_privacy = true;
    dnt.do_not_track = true;
    BOOST_TEST(admit(gpc, site) == refusal::opted_out);
    BOOST_TEST(admit(dnt, site) == refusal::none);
}

// Refusals are counted by reason: one that stands for several would be counted by chance.
BOOST_AUTO_TEST_CASE(the_first_of_several_reasons_is_always_the_same)
{
    const auto site = site_with({"skhcn.example.vn"});
    auto all = request_from("https://foreign.example", "");
    all.is_prefetch = all.global_privacy = true;
    BOOST_TEST(admit(all, site) == refusal::host_not_allowed);
    auto own = request_from("https://skhcn.example.vn", "");
    own.is_prefetch = own.global_privacy = true;
    BOOST_TEST(admit(own, site) == refusal::prefetch);
}

// The public contract, version 1: the words of Luot-Refused and the statuses are for ever.
BOOST_AUTO_TEST_CASE(refusals_are_told_as_the_contract_says)
{
    const struct {
        refusal r;
        std::string_view reason;
        int status;
    } contract[] = {{refusal::bad_request, "bad_request", 400},
                    {refusal::unknown_site, "unknown_site", 403},
                    {refusal::host_not_allowed, "host_not_allowed", 403},
                    {refusal::too_large, "too_large", 413},
                    {refusal::rate_limited, "rate_limited", 429},
                    {refusal::spool_full, "spool_full", 503},
                    {refusal::prefetch, "prefetch", 202},
                    {refusal::opted_out, "opted_out", 202},
                    {refusal::bad_token, "bad_token", 403}};
    std::set<std::string_view> reasons;
    for (const auto& row : contract) {
        BOOST_TEST_CONTEXT("refusal " << row.reason)
        {
            BOOST_TEST(text_of(row.r).reason == row.reason);
            BOOST_TEST(text_of(row.r).status == row.status);
            reasons.insert(text_of(row.r).reason);
        }
    }
    BOOST_TEST(reasons.size() == refusal_texts.size() - 1);  // and there are no others
    BOOST_TEST(text_of(refusal::none).reason.empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace admit_test
