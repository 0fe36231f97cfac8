#include "aggregator/page_facts.hpp"

#include "core/keys.hpp"

#include <algorithm>
#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;

namespace {

constexpr std::size_t most_asked = 500;  // of one call: a read holds Redis up

page_facts facts_of(const redis::reply_view& held)
{
    if (held.is_null())
        return {};
    const auto votes = decode_votes(held.text());
    page_facts out{std::string(votes.title()), std::string(votes.section()), std::nullopt};
    if (votes.first_seen > 0)
        out.first_seen = votes.first_seen;
    return out;
}

}  // namespace

asio::awaitable<result<std::vector<page_facts>>> read_facts(redis::client& redis,
                                                            const site_table::site& site,
                                                            const std::vector<std::string>& paths)
{
    std::vector<page_facts> out;
    for (std::size_t from = 0; from < paths.size(); from += most_asked) {
        redis::command asked{"HMGET"};
        asked.add(std::string_view(keys::facts(site.settings->id)));
        const auto end = std::min(paths.size(), from + most_asked);
        for (auto i = from; i < end; ++i)
            asked.add(std::string_view(paths[i]));
        redis::pipeline commands;
        commands.add(asked);
        const auto answers = co_await redis.exec(commands);
        if (!answers)
            co_return answers.error();
        const auto held = (*answers)[0];
        if (held.is_error() || held.size() != end - from)
            co_return make_error_code(errc::redis_error);
        for (std::size_t i = 0; i < held.size(); ++i)
            out.push_back(facts_of(held[i]));
    }
    co_return out;
}

}  // namespace luot::aggregator
