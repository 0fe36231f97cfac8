// The token that an accepted hit is answered with, as it comes back in reads.

#include "core/token.hpp"

#include "core/hit.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace luot::fuzz {

namespace {

bool are_equal(const hit_token& a, const hit_token& b)
{
    return a.producer == b.producer && a.partition == b.partition && a.offset == b.offset;
}

std::string text_of(const hit_token& token)
{
    std::string text;
    append(text, token);
    return text;
}

}  // namespace

void try_input(std::string_view input)
{
    if (const auto token = parse_token(input)) {
        check(token->partition < partitions, "a partition is one of those there are");
        check(token->offset >= 1 && token->offset <= 1ULL << 53, "an offset is in range");
        const auto text = text_of(*token);
        check(text.size() <= input.size(), "a token is written in its shortest form");
        const auto again = parse_token(text);
        check(again && are_equal(*again, *token), "a token that was read is written as it was");
        check(text_of(*again) == text, "there is one way to write a token");
    }

    byte_reader in{input};
    const hit_token made{in.u64(), in.u8() % partitions, in.u64() % (1ULL << 53) + 1};
    const auto read = parse_token(text_of(made));
    check(read && are_equal(*read, made), "a token that was written is read as it was");
}

}  // namespace luot::fuzz
