#include "aggregator/page_facts.hpp"

#include "aggregator/page_names.hpp"
#include "core/keys.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;

namespace {

constexpr std::size_t most_asked = 500;  // of one call: a read holds Redis up

page_facts facts_of(const redis::reply_view& held, const redis::reply_view& baseline)
{
    page_facts out;
    out.is_imported = baseline.number().value_or(0) > 0;
    if (held.is_null())
        return out;
    const auto votes = decode_votes(held.text());
    out.title = votes.title();
    out.section = votes.section();
    if (votes.first_seen > 0)
        out.first_seen = votes.first_seen;
    for (const auto& v : votes.votes)
        out.readers.push_back(v.voter);
    return out;
}

/// The facts of addresses, one for each, in their order.
asio::awaitable<result<std::vector<page_facts>>> read_each(redis::client& redis,
                                                           const site_table::site& site,
                                                           const std::vector<std::string>& paths)
{
    std::vector<page_facts> out;
    for (std::size_t from = 0; from < paths.size(); from += most_asked) {
        redis::command asked{"HMGET"}, imported{"ZMSCORE"};
        asked.add(std::string_view(keys::facts(site.settings->id)));
        imported.add(std::string_view(keys::baseline(site.settings->id)));
        const auto end = std::min(paths.size(), from + most_asked);
        for (auto i = from; i < end; ++i) {
            asked.add(std::string_view(paths[i]));
            imported.add(std::string_view(paths[i]));
        }
        redis::pipeline commands;
        commands.add(asked);
        commands.add(imported);
        const auto answers = co_await redis.exec(commands);
        if (!answers)
            co_return answers.error();
        const auto held = (*answers)[0], baseline = (*answers)[1];
        for (const auto& answer : {held, baseline})
            if (answer.is_error() || answer.size() != end - from)
                co_return make_error_code(errc::redis_error);
        for (std::size_t i = 0; i < held.size(); ++i)
            out.push_back(facts_of(held[i], baseline[i]));
    }
    co_return out;
}

/// What is not said of a page itself is said of the addresses that were merged into it.
void add_facts(page_facts& page, page_facts&& merged)
{
    if (page.title.empty())
        page.title = std::move(merged.title);
    if (page.section.empty())
        page.section = std::move(merged.section);
    if (!page.first_seen || merged.first_seen.value_or(*page.first_seen) < *page.first_seen)
        page.first_seen = merged.first_seen;
    for (const auto reader : merged.readers)
        if (std::find(page.readers.begin(), page.readers.end(), reader) == page.readers.end())
            page.readers.push_back(reader);
    page.is_imported = page.is_imported || merged.is_imported;
}

}  // namespace

asio::awaitable<result<std::vector<page_facts>>> read_facts(redis::client& redis,
                                                            const site_table::site& site,
                                                            const std::vector<std::string>& paths)
{
    const auto names = held_names(site);
    std::vector<std::string> addresses;
    std::vector<std::size_t> counts;
    for (const auto& path : paths) {
        auto of_page = names->addresses_of(std::string(names->page_of(path)));
        counts.push_back(of_page.size());
        std::move(of_page.begin(), of_page.end(), std::back_inserter(addresses));
    }
    auto each = co_await read_each(redis, site, addresses);
    if (!each)
        co_return each.error();
    std::vector<page_facts> out;
    std::size_t at = 0;
    for (const auto count : counts) {
        auto& page = out.emplace_back(std::move((*each)[at++]));
        for (std::size_t i = 1; i < count; ++i)
            add_facts(page, std::move((*each)[at++]));
    }
    co_return out;
}

}  // namespace luot::aggregator
