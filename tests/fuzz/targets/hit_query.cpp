// The query string of GET /hit.gif.

#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/hit_fields.hpp"

namespace luot::fuzz {

void try_input(std::string_view input)
{
    auto fields = used_fields();
    if (collector::parse_query(input, fields))
        return;
    check_limits(fields);

    collector::hit_fields other;
    check(!collector::parse_query(input, other) && are_equal(other, fields),
          "nothing of the hit before is left");
    check(!collector::parse_query(as_query(fields), other) && are_equal(other, fields),
          "what was taken is taken again as it is, escaped");
    check(!collector::parse_body(as_json(fields), other) && are_equal(other, fields),
          "what was taken is taken again as it is, as JSON");
    const std::string more = std::string(input) + "&unknown=1&&=&s2=3";
    check(!collector::parse_query(more, other) && are_equal(other, fields),
          "unknown fields change nothing");
}

}  // namespace luot::fuzz
