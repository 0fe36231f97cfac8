#include "core/redis/pipeline.hpp"

#include <boost/uuid/detail/sha1.hpp>

#include <algorithm>
#include <charconv>

namespace luot::redis {

script::script(std::string_view source) : source_(source)
{
    boost::uuids::detail::sha1 hash;
    hash.process_bytes(source.data(), source.size());
    boost::uuids::detail::sha1::digest_type digest;
    hash.get_digest(digest);
    for (const unsigned int word : digest)
        for (int shift = 28; shift >= 0; shift -= 4)
            sha1_ += "0123456789abcdef"[(word >> shift) & 15];
}

command& command::add(std::string_view argument)
{
    bytes_.append(argument);
    ends_.push_back(bytes_.size());
    return *this;
}

command& command::append(const command& other)
{
    const auto begin = bytes_.size();
    bytes_.append(other.bytes_);
    for (const auto end : other.ends_)
        ends_.push_back(begin + end);
    return *this;
}

pipeline& pipeline::add(const command& c)
{
    // "*<arguments>\r\n", and for each argument "$<bytes>\r\n<argument>\r\n". By hand: with
    // thousands of short arguments hiredis' formatter, a printf for each, costs more than the fold.
    const auto number = [this](char kind, std::size_t n) {
        char digits[24];
        digits[0] = kind;
        char* end = std::to_chars(digits + 1, digits + sizeof digits - 2, n).ptr;
        *end++ = '\r';
        *end++ = '\n';
        bytes_.append(digits, end);
    };
    // Grown by doubling: the next command comes right behind.
    const auto needed = bytes_.size() + c.bytes_.size() + 16 * (c.ends_.size() + 1);
    if (needed > bytes_.capacity())
        bytes_.reserve(std::max(needed, 2 * bytes_.capacity()));
    number('*', c.ends_.size());
    std::size_t begin = 0;
    for (const auto end : c.ends_) {
        number('$', end - begin);
        bytes_.append(c.bytes_, begin, end - begin);
        bytes_.append("\r\n", 2);
        begin = end;
    }
    ++count_;
    return *this;
}

command evaluate(const script& s, std::size_t key_count)
{
    command c{"EVALSHA"};
    c.add(s.sha1()).add(key_count);
    return c;
}

}  // namespace luot::redis
