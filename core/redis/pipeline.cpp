#include "core/redis/pipeline.hpp"

#include <boost/uuid/detail/sha1.hpp>
#include <hiredis/hiredis.h>

#include <cstdlib>
#include <new>

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
    thread_local std::vector<const char*> starts;
    thread_local std::vector<std::size_t> sizes;
    starts.clear();
    sizes.clear();
    std::size_t begin = 0;
    for (const auto end : c.ends_) {
        starts.push_back(c.bytes_.data() + begin);
        sizes.push_back(end - begin);
        begin = end;
    }
    char* formatted = nullptr;
    const int size = redisFormatCommandArgv(&formatted, static_cast<int>(starts.size()),
                                            starts.data(), sizes.data());
    if (size < 0)
        throw std::bad_alloc();
    bytes_.append(formatted, static_cast<std::size_t>(size));
    std::free(formatted);
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
