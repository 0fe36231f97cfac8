#include "core/redis/reads.hpp"

namespace luot::embedded {
extern const std::string_view read_lua;
}

namespace luot::redis {

const script& reads::source()
{
    static const script s{embedded::read_lua};
    return s;
}

void reads::begin(std::string_view name, std::string key, std::size_t count)
{
    keys_.push_back(std::move(key));
    arguments_.add(name).add(keys_.size()).add(count);
}

void reads::add_list(std::string_view name, std::string key,
                     const std::vector<std::string>& arguments)
{
    begin(name, std::move(key), arguments.size());
    for (const auto& a : arguments)
        arguments_.add(std::string_view(a));
}

command reads::call() const
{
    auto c = evaluate(source(), keys_.size());
    for (const auto& k : keys_)
        c.add(std::string_view(k));
    return c.append(arguments_);
}

}  // namespace luot::redis
