// The JSON body of POST /hit.

#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/hit_fields.hpp"

namespace luot::fuzz {

void try_input(std::string_view input)
{
    // Without the brace it is a form, which is another target's.
    std::string body = "{";
    body += input;
    auto fields = used_fields();
    if (collector::parse_body(body, fields))
        return;
    check_limits(fields);

    collector::hit_fields other;
    check(!collector::parse_body(body, other) && are_equal(other, fields),
          "nothing of the hit before is left");
    check(!collector::parse_body(as_json(fields), other) && are_equal(other, fields),
          "what was taken is taken again as it is");
    check(!collector::parse_body(" \t\r\n" + body + "\n ", other) && are_equal(other, fields),
          "white space around it changes nothing");
    check(collector::parse_body(body + "x", other).failed(), "what follows the object is refused");
}

}  // namespace luot::fuzz
