// A page that `luot doctor URL` has fetched: a head as curl prints it, policies, HTML.

#include "core/utf8.hpp"
#include "luot/content_policy.hpp"
#include "luot/page_content.hpp"
#include "luot/terminal.hpp"
#include "luot/url.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace luot::fuzz {

void try_input(std::string_view input)
{
    const auto policy = take_line(input);
    const auto page = read_page(input);
    check(page.scripts.size() <= 1000 && page.pixels.size() <= 1000, "what is kept is bounded");
    const std::string url = "https://site.vn/a";
    for (const auto& tag : page.scripts) {
        const auto script = joined(url, tag.src);
        for (const auto& p : policies_of({std::string(policy)}))
            (void)p.objection({fetch_kind::script, script, tag.nonce, tag.integrity}, url);
        check(joined(url, script).find('#') == std::string::npos, "no fragment is left");
    }
    const auto text = shown(input, 100);
    check(utf8::valid(text), "what is shown is UTF-8");
    for (std::string_view rest = text; !rest.empty();) {
        const auto bytes = utf8::sequence_bytes(rest);
        check(!utf8::is_control(utf8::code_point(rest, bytes)), "no control character is shown");
        rest.remove_prefix(bytes);
    }
    check(in_column(input, 20).size() >= 20, "a column has its width");
    (void)referrer_policy_of(policy);
}

}  // namespace luot::fuzz
