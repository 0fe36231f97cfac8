#include "core/redis/pipeline.hpp"

#include <boost/uuid/detail/sha1.hpp>

namespace luot::redis {

namespace {

/// How a number of arguments or of bytes stands before them in Redis' protocol.
void put_line(std::string& out, char kind, std::size_t number)
{
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    out += kind;
    out.append(digits, end).append("\r\n");
}

}  // namespace

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
    put_line(bytes_, '*', c.ends_.size());
    std::size_t begin = 0;
    for (const auto end : c.ends_) {
        put_line(bytes_, '$', end - begin);
        bytes_.append(c.bytes_, begin, end - begin).append("\r\n");
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
