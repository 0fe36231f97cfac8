#include "aggregator/memory.hpp"

#include "core/bytes.hpp"

namespace luot::aggregator {

namespace {

// Of each of the 16 partitions; beyond, all of a kind is forgotten and learnt again.
constexpr std::size_t most_visitors = 1 << 16, most_paths = 1 << 15, most_ids = 1 << 18;

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

bool partition_memory::has_all_of(std::int64_t ten_minutes) const
{
    return sets_.contains(ten_minutes);
}

bool partition_memory::was_counted(std::uint64_t id) const
{
    return ids_.contains(id);
}

void partition_memory::keep_sets(const id_sets& there)
{
    for (auto set = sets_.begin(); set != sets_.end();) {
        if (there.contains(set->first)) {
            ++set;
            continue;
        }
        for (const auto id : set->second)
            ids_.erase(id);
        set = sets_.erase(set);
    }
}

void partition_memory::applied(const std::string& upto, const additions& a, const id_sets& before)
{
    tip_ = upto;
    if (seen_.size() >= most_visitors)
        seen_.clear();
    for (const auto& [id, s] : a.sites)
        for (const auto& [visitor, time] : s.seen)
            seen_[visitor] = time;
    if (ids_.size() >= most_ids) {
        ids_.clear();
        sets_.clear();
    }
    for (const auto& [ten_minutes, members] : a.ids) {
        if (before.contains(ten_minutes) && !sets_.contains(ten_minutes))
            continue;  // it holds others that we do not know
        auto& set = sets_[ten_minutes];
        set.insert(set.end(), members.begin(), members.end());
        ids_.insert(members.begin(), members.end());
    }
}

void partition_memory::forget_state()
{
    tip_.clear();
    seen_.clear();
    ids_.clear();
    sets_.clear();
}

}  // namespace luot::aggregator
