// User-Agents: parsed, and what is counted of them. Input: one; behind a line feed, client hints.

#include "aggregator/fold/agents.hpp"
#include "core/utf8.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <string>

namespace luot::fuzz {

namespace {

using namespace aggregator;

// Compiled before the first input, whose time is measured.
const agent_parser parser;
const agent_list list;

bool same(const agent& a, const agent& b)
{
    return a.browser == b.browser && a.os == b.os && a.device == b.device;
}

void check_name(std::string_view name)
{
    check(!name.empty() && name.size() <= agent::most_bytes, "a family has a limit");
    check(utf8::valid(name), "a family is UTF-8");
    check(utf8::one_line(name) == name, "a family has no controls");
    check(name.front() != '(', "a family is no row of luot");
    check(name.front() != ' ' && name.back() != ' ', "no space around a family");
}

void check_software(const parsed_agent::software& s)
{
    for (const auto* text : {&s.family, &s.major, &s.minor, &s.patch, &s.patch_minor})
        check(text->size() <= 2 * agent_parser::most_bytes, "what is parsed has a limit");
}

}  // namespace

void try_input(std::string_view input)
{
    const auto found = agent_of(parser, input);
    check_name(found.browser);
    check_name(found.os);
    check(!name_of(found.device).empty(), "a class has a name");
    check(same(list.classify(input), found), "the first answer is that without the cache");
    check(same(list.classify(input), found), "the answer of the cache is the same");
    check(same(agent_of(parser, input), found),
          "an answer does not depend on what was asked before");
    const auto line = std::min(input.find('\n'), input.size());
    const auto hints = input.substr(std::min(line + 1, input.size()));
    const auto hinted = agent_of(parser, input.substr(0, line), hints);
    check_name(hinted.browser);
    check_name(hinted.os);
    for (int again = 0; again < 2; ++again)
        check(same(list.classify(input.substr(0, line), hints), hinted),
              "hints are answered with and without the cache alike");

    const auto beginning = input.substr(0, agent_parser::most_bytes);
    check(same(agent_of(parser, beginning), found), "what stands behind the limit changes nothing");

    const auto parsed = parser.parse(input);
    check_software(parsed.browser);
    check_software(parsed.system);
    for (const auto* text : {&parsed.device.family, &parsed.device.brand, &parsed.device.model})
        check(text->size() <= 4 * agent_parser::most_bytes, "what is parsed has a limit");
}

}  // namespace luot::fuzz
