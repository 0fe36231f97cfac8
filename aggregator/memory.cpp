#include "aggregator/memory.hpp"

#include "core/bytes.hpp"

namespace luot::aggregator {

namespace {

// Of each of the 16 partitions; beyond, all of a kind is forgotten and learnt again.
constexpr std::size_t most_visitors = 1 << 16, most_paths = 1 << 15;

std::uint64_t hash_of(std::string_view site, std::string_view path) noexcept
{
    return checksum(path, checksum(site));
}

}  // namespace

std::optional<std::int64_t> partition_memory::seen(std::uint64_t visitor) const
{
    const auto found = seen_.find(visitor);
    return found == seen_.end() ? std::nullopt : std::optional(found->second);
}

bool partition_memory::knows(std::string_view site, std::string_view path) const
{
    return paths_.contains(hash_of(site, path));
}

void partition_memory::learn(std::string_view site, std::string_view path)
{
    if (paths_.size() >= most_paths)
        paths_.clear();
    paths_.insert(hash_of(site, path));
}

void partition_memory::applied(const std::string& upto, const additions& a)
{
    tip_ = upto;
    if (seen_.size() >= most_visitors)
        seen_.clear();
    for (const auto& [id, s] : a.sites)
        for (const auto& [visitor, time] : s.seen)
            seen_[visitor] = time;
}

void partition_memory::forget_visitors()
{
    tip_.clear();
    seen_.clear();
}

}  // namespace luot::aggregator
