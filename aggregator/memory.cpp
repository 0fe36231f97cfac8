#include "aggregator/memory.hpp"

#include "core/bytes.hpp"

#include <utility>

namespace luot::aggregator {

namespace {

// Of each of the 16 partitions; beyond, all of a kind is forgotten and learnt again.
constexpr std::size_t most_visitors = 1 << 15, most_paths = 1 << 15, most_ids = 1 << 18;
constexpr std::size_t most_voted = 1 << 12;  // of up to page_votes::most_bytes

std::uint64_t hash_of(std::uint64_t seed, std::string_view site, std::string_view path) noexcept
{
    return checksum(path, checksum(site, seed));
}

}  // namespace

partition_memory::partition_memory() : path_seed_(random_u64()) {}

std::optional<std::int64_t> partition_memory::seen(std::uint64_t visitor) const
{
    const auto found = seen_.find(visitor);
    return found == seen_.end() ? std::nullopt : std::optional(found->second);
}

const std::string* partition_memory::visit_of(std::uint64_t visitor) const
{
    const auto found = visits_.find(visitor);
    return found == visits_.end() ? nullptr : &found->second;
}

bool partition_memory::knows(std::string_view site, std::string_view path) const
{
    return paths_.contains(hash_of(path_seed_, site, path));
}

void partition_memory::learn(std::string_view site, std::string_view path)
{
    paths_.insert(hash_of(path_seed_, site, path));
}

bool partition_memory::agrees(std::string_view site, std::string_view path, std::string_view title,
                              std::string_view section) const
{
    const auto found = agreed_.find(hash_of(path_seed_, site, path));
    return found != agreed_.end() && found->second == hash_of(path_seed_, title, section);
}

bool partition_memory::agrees(std::string_view site, std::string_view path) const
{
    return agreed_.contains(hash_of(path_seed_, site, path));
}

const std::string* partition_memory::votes_of(std::string_view site, std::string_view path) const
{
    const auto found = votes_.find(hash_of(path_seed_, site, path));
    return found == votes_.end() ? nullptr : &found->second;
}

void partition_memory::learn(std::string_view site, std::string_view path, std::string votes)
{
    const auto page = hash_of(path_seed_, site, path);
    const auto said = decode_votes(votes);
    const auto last = said.votes.empty() ? page_votes::vote{} : said.votes.back();
    // A longer title was cut: it is asked for again.
    if (said.is_settled_on(last.title, last.section)) {
        agreed_[page] = hash_of(path_seed_, last.title, last.section);
        votes_.erase(page);
    } else {
        agreed_.erase(page);
        votes_[page] = std::move(votes);
    }
}

void partition_memory::make_room()
{
    if (seen_.size() >= most_visitors) {
        seen_.clear();
        visits_.clear();
    }
    if (paths_.size() >= most_paths)
        paths_.clear();
    if (agreed_.size() >= most_paths)
        agreed_.clear();
    if (votes_.size() >= most_voted)
        votes_.clear();
    if (ids_.size() >= most_ids) {
        ids_.clear();
        sets_.clear();
    }
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

void partition_memory::rest_on(std::string tip)
{
    tip_ = std::move(tip);
}

void partition_memory::applied(const std::string& upto, additions a, const id_sets& before)
{
    tip_ = upto;
    for (auto& [id, s] : a.sites) {
        for (const auto& [visitor, time] : s.seen)
            seen_[visitor] = time;
        for (auto& [visitor, state] : s.visits)
            visits_[visitor] = std::move(state);
        for (auto& [path, votes] : s.votes)
            learn(id, path, std::move(votes));
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
    visits_.clear();
    ids_.clear();
    sets_.clear();
    paths_.clear();
    agreed_.clear();
    votes_.clear();
}

}  // namespace luot::aggregator
