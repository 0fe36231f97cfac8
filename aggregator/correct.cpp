#include "aggregator/correct.hpp"

#include "aggregator/apply.hpp"
#include "aggregator/fold/fold.hpp"
#include "aggregator/steps.hpp"
#include "core/bytes.hpp"
#include "core/hit.hpp"
#include "core/keys.hpp"

#include <unordered_map>
#include <utility>

namespace luot::embedded {
extern const std::string_view correct_lua;
}

namespace luot::aggregator {

namespace {

void put_text(std::string& out, std::string_view text)
{
    put_varint(out, text.size());
    out += text;
}

void put_texts(std::string& out, const std::vector<std::string>& texts)
{
    put_varint(out, texts.size());
    for (const auto& t : texts)
        put_text(out, t);
}

bool take_texts(byte_reader& in, std::vector<std::string>& out)
{
    for (auto left = in.varint(); in.ok() && left > 0; --left)
        out.emplace_back(in.bytes(in.varint()));
    return in.ok();
}

/// How many rows a key may have, "(other)" apart; "0": any number.
std::string most_rows(const std::string& key)
{
    const auto is = keys::parse(key);
    const bool is_bounded =
        is.what == keys::kind::day_breakdown || is.what == keys::kind::month_breakdown;
    return std::to_string(is_bounded ? most_members(is.by) : 0);
}

change visitors_of(const std::string& index, const std::string& page, std::string count,
                   std::string ends_ms)
{
    const auto is = keys::parse(index);
    return {'W',
            {index, keys::visitors_of_path(is.site, is.date, path_hash(page))},
            {page, std::move(count), std::move(ends_ms), std::to_string(most_visited_paths)}};
}

std::string negated(const std::string& number)
{
    if (number.starts_with('-'))
        return number.substr(1);
    return number == "0" ? number : '-' + number;
}

}  // namespace

const redis::script& correct_script()
{
    static const redis::script s{embedded::correct_lua};
    return s;
}

change add_count(std::string key, std::string field, std::int64_t delta)
{
    return {'I', {std::move(key)}, {std::move(field), std::to_string(delta)}};
}

change add_row(std::string key, std::string member, std::int64_t delta, std::int64_t ends_ms)
{
    auto most = most_rows(key);
    return {'Z',
            {std::move(key)},
            {std::move(member), std::to_string(delta), std::to_string(ends_ms), std::move(most)}};
}

change move_row(std::string key, std::string from, std::string to, std::int64_t count,
                bool is_exact)
{
    auto most = most_rows(key);
    return {'M',
            {std::move(key)},
            {std::move(from), std::move(to), std::to_string(count), is_exact ? "1" : "0",
             std::move(most)}};
}

change put_visitors(const std::string& index, const std::string& page, std::int64_t count,
                    std::int64_t ends_ms)
{
    return visitors_of(index, page, std::to_string(count), std::to_string(ends_ms));
}

change take_field(std::string key, std::string field, std::string value)
{
    return {'F', {std::move(key)}, {std::move(field), std::move(value)}};
}

change rename(std::string from, std::string to)
{
    return {'R', {std::move(from), std::move(to)}, {}};
}

change put_back(std::string kept, std::string key)
{
    const auto is = keys::parse(key);
    std::string_view how = "sum";
    std::int64_t cap = 0;
    switch (is.what) {
        case keys::kind::day_visitors:
        case keys::kind::visitors_of_path:
            how = "visitors";
            break;
        case keys::kind::day_first_seen:
            how = "text";
            break;
        case keys::kind::seen:
            how = "last";
            break;
        case keys::kind::path_visitors:
            how = "last";
            cap = most_visited_paths;
            break;
        case keys::kind::facts:
            how = "facts";
            break;
        case keys::kind::visits:
            how = "set";
            break;
        case keys::kind::day_breakdown:
        case keys::kind::month_breakdown:
            cap = most_members(is.by);
            break;
        default:
            break;
    }
    return {'B', {std::move(kept), std::move(key)}, {std::string(how), std::to_string(cap)}};
}

change count_visitors(std::string hyperloglog, std::string day, std::string month,
                      std::string totals)
{
    return {'V', {std::move(hyperloglog), std::move(day), std::move(month), std::move(totals)}, {}};
}

changes inverse(const changes& made)
{
    changes out, visitors;
    for (auto c = made.rbegin(); c != made.rend(); ++c) {
        auto& a = c->arguments;
        if (c->what == 'I')
            out.push_back({'I', c->keys, {a[0], negated(a[1])}});
        else if (c->what == 'Z' && keys::parse(c->keys[0]).what == keys::kind::path_visitors)
            visitors.push_back(visitors_of(c->keys[0], a[0], negated(a[1]), a[2]));
        else if (c->what == 'Z')
            out.push_back({'Z', c->keys, {a[0], negated(a[1]), a[2], a[3]}});
        else if (c->what == 'M')
            out.push_back({'M', c->keys, {a[1], a[0], a[2], "0", a[4]}});
        else if (c->what == 'F')
            out.push_back({'f', c->keys, a});
        else if (c->what == 'R')
            out.push_back(put_back(c->keys[1], c->keys[0]));
        else if (c->what == 'V')
            visitors.push_back(*c);
    }
    out.insert(out.end(), visitors.begin(), visitors.end());
    return out;
}

std::string encode(const changes& list)
{
    std::string out;
    put_u64(out, random_u64());  // no two are the same
    put_varint(out, list.size());
    for (const auto& c : list) {
        put_u8(out, static_cast<std::uint8_t>(c.what));
        put_texts(out, c.keys);
        put_texts(out, c.arguments);
    }
    return out;
}

std::optional<changes> decode_changes(std::string_view bytes)
{
    constexpr std::string_view letters = "IZMFVR";
    constexpr std::size_t keys[] = {1, 1, 1, 1, 4, 2}, arguments[] = {2, 4, 5, 2, 0, 0};
    changes out;
    byte_reader in{bytes};
    (void)in.u64();
    for (auto left = in.varint(); in.ok() && left > 0; --left) {
        change c;
        c.what = static_cast<char>(in.u8());
        const auto letter = letters.find(c.what);
        if (!take_texts(in, c.keys) || !take_texts(in, c.arguments) ||
            letter == std::string_view::npos || c.keys.size() != keys[letter] ||
            c.arguments.size() != arguments[letter])
            return std::nullopt;
        out.push_back(std::move(c));
    }
    if (!in.ok() || !in.rest().empty())
        return std::nullopt;
    return out;
}

redis::command correct_command(const std::string& site, std::string_view mark,
                               std::string_view next, step_kind kind, const changes& list)
{
    const auto partition = partition_of(site);
    std::vector<std::string> names{keys::corrections(site), keys::totals(site),
                                   keys::producers(partition), keys::tallies(partition)};
    std::unordered_map<std::string, std::size_t> index;
    for (std::size_t i = 0; i < names.size(); ++i)
        index.emplace(names[i], i + 1);
    redis::command arguments;
    arguments.add(mark).add(next).add(std::string_view(kind == step_kind::names   ? ""
                                                       : kind == step_kind::pages ? "pages"
                                                                                  : "all"));
    for (const auto& c : list) {
        arguments.add(std::string_view(&c.what, 1));
        for (const auto& k : c.keys) {
            const auto [at, is_new] = index.try_emplace(k, names.size() + 1);
            if (is_new)
                names.push_back(k);
            arguments.add(at->second);
        }
        for (const auto& a : c.arguments)
            arguments.add(std::string_view(a));
    }
    auto call = redis::evaluate(correct_script(), names.size());
    for (const auto& n : names)
        call.add(std::string_view(n));
    return call.append(arguments);
}

}  // namespace luot::aggregator
