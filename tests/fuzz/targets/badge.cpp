// The label of a badge.

#include "aggregator/badge.hpp"

#include "core/utf8.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace luot::fuzz {

void try_input(std::string_view input)
{
    const auto label = aggregator::clean_label(input);
    check(aggregator::clean_label(label) == label, "a clean label stays as it is");
    std::size_t characters = 0;
    for (std::string_view rest = label; !rest.empty();) {
        const auto bytes = utf8::sequence_bytes(rest);
        check(bytes > 0, "it is UTF-8");
        const auto point = utf8::code_point(rest, bytes);
        check(!utf8::is_control(point) && point != 0xFFFE && point != 0xFFFF,
              "XML knows all its characters");
        check(!(point >= 0x202A && point <= 0x202E) && !(point >= 0x2066 && point <= 0x2069),
              "none turns the direction");
        rest.remove_prefix(bytes);
        ++characters;
    }
    check(characters <= 3 * aggregator::most_label_characters + 1, "it is bounded");
    for (const auto& svg :
         {aggregator::badge_svg(input, "3.680.027"), aggregator::count_svg(input, "3.680.027")}) {
        check(svg.size() < 4000, "a picture is small");
        check(svg.find("]]>") == std::string::npos && svg.find("<script") == std::string::npos,
              "no markup but ours");
    }
}

}  // namespace luot::fuzz
