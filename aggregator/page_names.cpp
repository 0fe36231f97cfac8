#include "aggregator/page_names.hpp"

#include "core/bytes.hpp"
#include "core/keys.hpp"

#include <fmt/format.h>

#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;
using namespace std::string_view_literals;

namespace {

constexpr int names_per_step = 500;

}  // namespace

std::string encode(const page_alias& alias)
{
    return fmt::format("{} {}", alias.number, alias.to);
}

std::optional<page_alias> decode_alias(std::string_view text)
{
    page_alias out;
    const auto space = text.find(' ');
    if (space == std::string_view::npos || !parse_number(text.substr(0, space), out.number) ||
        out.number == 0 || space + 1 == text.size())
        return std::nullopt;
    out.to = text.substr(space + 1);
    return out;
}

std::optional<std::string_view> end_of_chain(const page_aliases& aliases, std::string_view from)
{
    auto at = from;
    for (std::size_t steps = 0; steps <= aliases.size(); ++steps) {
        const auto next = aliases.find(at);
        if (next == aliases.end())
            return at;
        at = next->second.to;
    }
    return std::nullopt;
}

page_names::page_names(std::string mark, const page_aliases& aliases,
                       std::vector<std::string> hidden)
    : mark_(std::move(mark))
{
    for (const auto& [from, alias] : aliases) {
        const auto end = end_of_chain(aliases, from);
        if (!end)
            continue;  // written by hand: no command makes a loop. Its addresses stay themselves
        ends_.emplace(from, *end);
        merged_[std::string(*end)].push_back(from);
    }
    for (auto& page : hidden)
        hidden_.emplace(std::move(page));
}

std::string_view page_names::page_of(std::string_view path) const
{
    if (ends_.empty())
        return path;
    const auto known = ends_.find(path);
    return known == ends_.end() ? path : std::string_view(known->second);
}

std::vector<std::string> page_names::addresses_of(const std::string& page) const
{
    std::vector<std::string> out{page};
    if (const auto known = merged_.find(page); known != merged_.end())
        out.insert(out.end(), known->second.begin(), known->second.end());
    return out;
}

bool page_names::is_hidden(std::string_view page) const
{
    return !hidden_.empty() && hidden_.contains(page);
}

asio::awaitable<result<read_names>> read_page_names(redis::client& redis, std::string site)
{
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        read_names out;
        std::string cursor = "0";
        bool is_first = true;
        do {
            redis::pipeline commands;
            commands.add("HGET", keys::corrections(site), "mark"sv);
            commands.add("HSCAN", keys::aliases(site), std::string_view(cursor), "COUNT"sv,
                         names_per_step);
            commands.add("SMEMBERS", keys::hidden(site));
            commands.add("HGET", keys::corrections(site), "mark"sv);
            const auto answers = co_await redis.exec(commands);
            if (!answers)
                co_return answers.error();
            if (!answers->first_error().is_null())
                co_return make_error_code(errc::redis_error);
            const auto mark = (*answers)[0].text();
            if (std::exchange(is_first, false))
                out.mark = mark;
            if (mark != out.mark || (*answers)[3].text() != out.mark)
                break;
            const auto part = (*answers)[1];
            cursor = part[0].text();
            for (std::size_t i = 0; i + 1 < part[1].size(); i += 2)
                if (auto alias = decode_alias(part[1][i + 1].text()))
                    out.aliases.insert_or_assign(std::string(part[1][i].text()), std::move(*alias));
            out.hidden.clear();
            for (std::size_t i = 0; i < (*answers)[2].size(); ++i)
                out.hidden.emplace_back((*answers)[2][i].text());
            if (cursor == "0")
                co_return out;
        } while (true);
    }
    co_return make_error_code(errc::redis_error);
}

shared_names held_names(const site_table::site& site)
{
    static const auto none = std::make_shared<const page_names>();
    return site.names ? site.names : none;
}

asio::awaitable<result<shared_names>> current_names(redis::client& redis,
                                                    const site_table::site& site)
{
    const auto& id = site.settings->id;
    redis::pipeline asking;
    asking.add("HGET", keys::corrections(id), "mark"sv);
    const auto answers = co_await redis.exec(asking);
    if (!answers)
        co_return answers.error();
    if ((*answers)[0].is_error())
        co_return make_error_code(errc::redis_error);
    const auto held = held_names(site);
    if (held->mark() == (*answers)[0].text())
        co_return held;
    auto read = co_await read_page_names(redis, id);
    if (!read)
        co_return read.error();
    site.names = std::make_shared<const page_names>(std::move(read->mark), read->aliases,
                                                    std::move(read->hidden));
    co_return site.names;
}

}  // namespace luot::aggregator
