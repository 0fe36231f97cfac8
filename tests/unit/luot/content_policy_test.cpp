// Content Security Policies as https://www.w3.org/TR/CSP3/ has them.

#include "luot/content_policy.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace content_policy_test {

using namespace luot;

const std::string page = "https://site.vn/tin/a";

struct row {
    const char* policy;
    const char* url;
    bool allowed;
};

BOOST_AUTO_TEST_SUITE(content_policy_rules)

BOOST_AUTO_TEST_CASE(sources_of_scripts_fit_as_browsers_fit_them)
{
    for (const auto& r : {
             row{"", "https://l.vn/luot.js", true},
             row{"img-src 'none'", "https://l.vn/luot.js", true},
             row{"default-src 'none'", "https://l.vn/luot.js", false},
             row{"default-src 'none'; script-src l.vn", "https://l.vn/luot.js", true},
             row{"script-src 'none'; script-src l.vn", "https://l.vn/luot.js", false},
             row{"script-src x; script-src-elem l.vn", "https://l.vn/luot.js", true},
             row{"SCRIPT-SRC L.VN", "https://l.vn/luot.js", true},
             row{"script-src 'self'", "https://site.vn/luot.js", true},
             row{"script-src 'self'", "https://site.vn:8443/luot.js", false},
             row{"script-src 'self'", "https://l.vn/luot.js", false},
             row{"script-src *", "https://l.vn/luot.js", true},
             row{"script-src https:", "https://l.vn/luot.js", true},
             row{"script-src http:", "https://l.vn/luot.js", true},
             row{"script-src https:", "http://l.vn/luot.js", false},
             row{"script-src *.vn", "https://l.vn/luot.js", true},
             row{"script-src *.l.vn", "https://l.vn/luot.js", false},
             row{"script-src *.l.vn", "https://a.b.l.vn/luot.js", true},
             row{"script-src l.vn:8443", "https://l.vn/luot.js", false},
             row{"script-src l.vn", "https://l.vn:8443/luot.js", false},
             row{"script-src l.vn:*", "https://l.vn:8443/luot.js", true},
             row{"script-src http://l.vn", "https://l.vn/luot.js", true},
             row{"script-src https://l.vn", "http://l.vn/luot.js", false},
             row{"script-src l.vn/js/", "https://l.vn/js/luot.js", true},
             row{"script-src l.vn/js", "https://l.vn/js/luot.js", false},
             row{"script-src l.vn/luot.js", "https://l.vn/luot.js?x", true},
             row{"script-src l.vn 'strict-dynamic'", "https://l.vn/luot.js", false},
             row{"script-src 'unsafe-inline'", "https://l.vn/luot.js", false},
         })
        BOOST_TEST(
            content_policy(r.policy).objection({fetch_kind::script, r.url, {}, {}}, page).empty() ==
                r.allowed,
            r.policy << " and " << r.url);
}

BOOST_AUTO_TEST_CASE(nonces_and_hashes_let_a_script_in_and_nothing_else)
{
    const content_policy policy("script-src 'nonce-Abc' 'sha256-xyz=' 'strict-dynamic'");
    const std::string url = "https://l.vn/luot.js";
    BOOST_TEST(policy.objection({fetch_kind::script, url, "Abc", {}}, page).empty());
    BOOST_TEST(policy.objection({fetch_kind::script, url, "abc", {}}, page) == "script-src");
    BOOST_TEST(policy.objection({fetch_kind::script, url, {}, "sha256-xyz="}, page).empty());
    const content_policy images("img-src 'nonce-Abc'");
    BOOST_TEST(images.objection({fetch_kind::image, url, "Abc", {}}, page) == "img-src");
}

BOOST_AUTO_TEST_CASE(each_kind_has_its_directive_and_default_src_stands_for_it)
{
    const content_policy policy("default-src 'self'; connect-src l.vn");
    const std::string url = "https://l.vn/hit";
    BOOST_TEST(policy.objection({fetch_kind::connection, url, {}, {}}, page).empty());
    BOOST_TEST(policy.objection({fetch_kind::image, url, {}, {}}, page) == "default-src");
    BOOST_TEST(policies_of({"default-src *, img-src 'none'", "script-src x"}).size() == 3U);
}

BOOST_AUTO_TEST_CASE(of_referrer_policies_the_last_known_one_counts)
{
    BOOST_TEST(referrer_policy_of("no-referrer, Strict-Origin-When-Cross-Origin") ==
               "strict-origin-when-cross-origin");
    BOOST_TEST(referrer_policy_of("unsafe-url, new-one") == "unsafe-url");
    BOOST_TEST(referrer_policy_of("") == "");
    BOOST_TEST(tells_path("no-referrer-when-downgrade"));
    BOOST_TEST(!tells_path(""));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace content_policy_test
