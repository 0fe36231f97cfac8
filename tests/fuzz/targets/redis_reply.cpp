// What Redis answers, however its bytes are cut; and commands, which are written in the same
// protocol.

#include "core/redis/pipeline.hpp"
#include "core/redis/reply.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <vector>

namespace luot::fuzz {

namespace {

using namespace redis;

/// A reply as text, through every accessor; deeper ones than are ever there are harmless.
void show(const reply_view& r, std::string& out, int depth = 0)
{
    check(depth < 16, "replies are nested no deeper than hiredis reads");
    check(!(r.is_array() && (r.is_null() || r.is_error())), "a reply has one type");
    check(r.is_error("") == r.is_error(), "every error begins with nothing");
    check(r.number().value_or(0) == r.count(), "a count is a number or 0");
    check(r[r.size()].is_null() && r[r.size()].size() == 0, "there is nothing behind the last");
    out += r.is_error() ? 'e' : r.is_null() ? '0' : r.is_array() ? '*' : 't';
    out += std::to_string(r.count());
    out += r.text();
    out += '(';
    for (std::size_t i = 0; i < r.size(); ++i)
        show(r[i], out, depth + 1);
    out += ')';
}

/// All replies as text, and how it ended.
std::string read_all(std::string_view bytes, numbers* cuts)
{
    reply_parser parser;
    replies all;
    std::string ended;
    while (ended.empty() && !bytes.empty()) {
        const auto size = cuts ? cuts->below(bytes.size()) + 1 : bytes.size();
        if (parser.feed(bytes.substr(0, size)))
            ended = "refused";
        bytes.remove_prefix(size);
        while (ended.empty()) {
            auto one = parser.next();
            if (!one)
                ended = "refused";
            else if (!*one)
                break;
            else
                all.add(std::move(*one));
        }
    }
    bool has_error = false;
    for (std::size_t i = 0; i < all.size(); ++i) {
        has_error = has_error || all[i].is_error();
        show(all[i], ended);
    }
    check(all.first_error().is_null() != has_error, "an error is found");
    check(all[all.size()].is_null(), "there is nothing behind the last");
    return ended;
}

/// What a client says stays an argument, whatever bytes it holds.
void try_command(std::string_view input)
{
    std::vector<std::string_view> arguments;
    while (!input.empty() && arguments.size() < 100)
        arguments.push_back(take_line(input));
    command c{"NAME"};
    for (const auto a : arguments)
        c.add(a);
    pipeline p;
    p.add(c).add("PING", 17);
    reply_parser parser;
    check(!parser.feed(p.bytes()), "a command is Redis' protocol");
    const auto one = parser.next();
    const auto two = parser.next();
    const auto three = parser.next();
    check(one && two && three && *one && *two && !*three, "a pipeline holds its commands");
    const reply_view said(one->get());
    check(said.size() == arguments.size() + 1 && said[0].text() == "NAME", "no argument is lost");
    for (std::size_t i = 0; i < arguments.size(); ++i)
        check(said[i + 1].text() == arguments[i], "an argument is as it was");
    check(reply_view(two->get())[1].count() == 17, "the next command is as it was");
}

}  // namespace

void try_input(std::string_view input)
{
    const auto whole = read_all(input, nullptr);
    numbers cuts(checksum(input));
    check(read_all(input, &cuts) == whole, "it does not matter how the bytes are cut");
    try_command(input);
}

}  // namespace luot::fuzz
