// Corrections that change names alone: an address is another page, a page stands in no list.

#include "aggregator/corrections/correcting.hpp"
#include "core/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;
using namespace std::string_view_literals;

namespace {

class renaming : public correcting {
public:
    using correcting::correcting;

    asio::awaitable<corrected> merge(address_pairs pairs, std::string of);
    asio::awaitable<corrected> hide(std::string path);
};

/// What speaks against a merge of these pairs, beside what is merged already; those that stand are
/// taken out of `pairs`, the others added to `aliases`.
std::string why_not(page_aliases& aliases, address_pairs& pairs, std::uint64_t number)
{
    address_pairs fresh;
    for (auto& [from, to] : pairs) {
        if (const auto known = aliases.find(from); known != aliases.end()) {
            if (known->second.to != to)
                return fmt::format(
                    "{} is merged into {} already, by correction {}: undo that first", from,
                    known->second.to, known->second.number);
            continue;
        }
        const auto end = end_of_chain(aliases, to);
        if (from == to || !end || *end == from)
            return fmt::format("{} cannot be merged into {}: it would be merged into itself", from,
                               to);
        aliases[from] = {number, to};
        fresh.emplace_back(std::move(from), std::move(to));
    }
    pairs = std::move(fresh);
    if (aliases.size() > most_aliases)
        return fmt::format(
            "the site would have {} addresses that are merged into others; {} is the "
            "most",
            aliases.size(), most_aliases);
    std::map<std::string_view, std::size_t> into;
    for (const auto& [from, alias] : aliases)
        if (const auto end = end_of_chain(aliases, from);
            end && ++into[*end] > most_aliases_of_page)
            return fmt::format("more than {} addresses would be merged into {}",
                               most_aliases_of_page, *end);
    return {};
}

asio::awaitable<corrected> renaming::merge(address_pairs pairs, std::string of)
{
    for (int attempt = 0; attempt < most_tries; ++attempt) {
        co_await read_both();
        co_await begin("merge", of);
        auto wanted = pairs;
        if (const auto trouble = why_not(aliases_, wanted, number_); !trouble.empty())
            throw correction_error(trouble);
        if (wanted.empty())
            co_return corrected{};
        std::int64_t views = 0;
        for (std::size_t from = 0; from < wanted.size(); from += names_per_step) {
            redis::command c{"ZMSCORE"};
            c.add(std::string_view(keys::pages(site_.id)));
            for (auto i = from; i < std::min(wanted.size(), from + names_per_step); ++i)
                c.add(std::string_view(wanted[i].first));
            redis::pipeline commands;
            commands.add(c);
            const auto answers = co_await exec(commands);
            for (std::size_t i = 0; i < answers[0].size(); ++i)
                views += answers[0][i].number().value_or(0);
        }
        record_.changed =
            fmt::format("{} with {} so far",
                        counted(static_cast<std::int64_t>(wanted.size()), "address", "addresses"),
                        views_text(views));
        bool is_done = false;
        for (std::size_t from = 0; from < wanted.size(); from += names_per_step) {
            changes list;
            const auto upto = std::min(wanted.size(), from + names_per_step);
            for (auto i = from; i < upto; ++i)
                list.push_back({'A',
                                {keys::aliases(site_.id)},
                                {wanted[i].first, encode(page_alias{number_, wanted[i].second}),
                                 std::to_string(most_aliases)}});
            record_.state = upto == wanted.size() ? "made" : "begun";
            count_record(list);
            const auto done = co_await step(step_kind::names, list);
            if (done != outcome::done && from > 0)
                throw correction_error(fmt::format(
                    "somebody else has corrected this site meanwhile: undo {}, or run this again "
                    "for the rest",
                    number_));
            is_done = done == outcome::done;
            if (!is_done)
                break;
        }
        if (is_done)
            co_return corrected{number_, record_.changed};
    }
    throw correction_error("others are correcting this site: try again");
}

asio::awaitable<corrected> renaming::hide(std::string path)
{
    for (int attempt = 0; attempt < most_tries; ++attempt) {
        co_await read_both();
        const auto page = std::string(end_of_chain(aliases_, path).value_or(path));
        if (std::find(hidden_.begin(), hidden_.end(), page) != hidden_.end())
            co_return corrected{};
        if (hidden_.size() >= most_hidden)
            throw correction_error(
                fmt::format("the site has {} hidden pages, which is the most", most_hidden));
        co_await begin("hide", page);
        record_.state = "made";
        record_.changed = "it stands in no list";
        changes list{{'N', {keys::hidden(site_.id)}, {page, std::to_string(most_hidden)}}};
        count_record(list);
        const auto done = co_await step(step_kind::names, list);
        if (done == outcome::done)
            co_return corrected{number_, record_.changed};
    }
    throw correction_error("others are correcting this site: try again");
}

}  // namespace

asio::awaitable<corrected> merge_pages(redis::client& redis, const site_config& site,
                                       address_pairs pairs, std::string of)
{
    renaming run{redis, site};
    co_return co_await run.merge(std::move(pairs), std::move(of));
}

asio::awaitable<corrected> hide_page(redis::client& redis, const site_config& site,
                                     std::string path)
{
    renaming run{redis, site};
    co_return co_await run.hide(std::move(path));
}

}  // namespace luot::aggregator
