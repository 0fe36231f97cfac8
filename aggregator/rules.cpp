#include "aggregator/rules.hpp"

#include "aggregator/corrections.hpp"
#include "aggregator/fold/fold.hpp"
#include "aggregator/fold/visit.hpp"
#include "aggregator/page_names.hpp"
#include "aggregator/steps.hpp"
#include "core/bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

namespace luot::aggregator {

using namespace std::string_view_literals;

namespace {

constexpr std::size_t most_named_parts = 3;
/// Entries of a time to come are taken off by who is at work; nobody is when a clock was set back.
constexpr std::uint64_t most_ahead_ms = day_ms;

/// Fields of a day, a month and all time that are sums of their parts (rows of breakdowns: not
/// those of all time, which has none). A day's `visitors` are the `visitor_days` of what it is a
/// part of.
bool adds_up(std::string_view field, std::string_view rule)
{
    static constexpr std::array<std::string_view, 10> fields{
        "views",   "visits",  "events",   "bots",          "visitor_days",
        "reloads", "bounces", "visit_ms", "deleted_views", "deleted_visits"};
    return field.starts_with("bots:") || (field.starts_with("rows:") && rule == "sum_of_days") ||
           std::find(fields.begin(), fields.end(), field) != fields.end();
}

std::string_view field_in_sum(std::string_view field)
{
    return field == "visitors" ? "visitor_days" : field;
}

void differ(differences& out, std::string_view rule, std::string keys, std::string_view field,
            std::string found, std::string expected)
{
    out.push_back({std::string(rule),
                   std::move(keys),
                   std::string(field),
                   {},
                   std::move(found),
                   std::move(expected)});
}

void must_equal(differences& out, std::string_view rule, const std::string& keys,
                std::string_view field, std::int64_t found, std::int64_t expected)
{
    if (found != expected)
        differ(out, rule, keys, field, std::to_string(found), std::to_string(expected));
}

void must_not_exceed(differences& out, std::string_view rule, const std::string& keys,
                     std::string_view field, std::uint64_t found, std::uint64_t most)
{
    if (found > most)
        differ(out, rule, keys, field, std::to_string(found), fmt::format("at most {}", most));
}

/// Printable ASCII; everything else as \xHH, so that no line can be forged. `first`: the least
/// character that is printed as it is.
void add_escaped(std::string& line, std::string_view text, unsigned char first = '!')
{
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= first && byte < 0x7f && c != '\\' && c != '"')
            line += c;
        else
            fmt::format_to(std::back_inserter(line), "\\x{:02x}", byte);
    }
}

void take_producer_field(producers_state& state, std::string_view name, std::string_view value,
                         differences& out)
{
    std::uint64_t producer = 0, number = 0;
    const auto field = name.substr(std::min<std::size_t>(name.size(), 17));
    if (!from_hex(name.substr(0, 16), producer) || name.size() < 18 || name[16] != ':') {
        differ(out, "unknown_field", state.key, name, std::string(value), "no such field");
        return;
    }
    auto& p = state.producers[std::string(name.substr(0, 16))];
    if (field == "chain") {
        std::uint64_t chain = 0;
        if (!value.empty() && !from_hex(value, chain))
            differ(out, "not_a_checksum", state.key, name, std::string(value),
                   "16 hexadecimal digits");
        p.chain = value;
        return;
    }
    if (!parse_number(value, number)) {
        differ(out, "not_a_count", state.key, name, std::string(value), "a whole number from 0");
        return;
    }
    if (field == "shipped")
        p.shipped = number;
    else if (field == "applied")
        p.applied = number;
    else if (field == "lost")
        p.lost = number;
    else if (field != "watermark" && field != "heard")
        differ(out, "unknown_field", state.key, name, std::string(value), "no such field");
}

/// The waiting entries of each producer must lead from what it has applied to what it has shipped.
void check_entry_chains(const std::string& key, const std::vector<stream_entry>& waiting,
                        producers_state& state, differences& out)
{
    const auto both = key + ',' + state.key;
    std::map<std::string_view, std::uint64_t> reached;
    std::set<std::string_view> broken;
    for (const auto& e : waiting) {
        const auto known = state.producers.find(e.producer);
        if (known == state.producers.end() || !known->second.shipped)
            continue;  // its name was taken off Redis: nothing to compare with
        known->second.queued += e.last - std::min(e.prev, e.last);
        const auto [at, is_first] = reached.try_emplace(e.producer, known->second.applied);
        if (e.prev != at->second && broken.insert(e.producer).second)
            differ(out, "entries_follow", both,
                   fmt::format("{}:{}", e.producer, is_first ? "applied" : "shipped"),
                   fmt::format("entry {} goes on behind {}", e.id, e.prev),
                   std::to_string(at->second));
        if (e.last <= e.prev && broken.insert(e.producer).second)
            differ(out, "entries_follow", key, e.producer,
                   fmt::format("entry {} ends at {}", e.id, e.last),
                   fmt::format("beyond {}", e.prev));
        at->second = e.last;
    }
    for (const auto& [name, p] : state.producers) {
        const auto at = reached.find(name);
        const auto end = at == reached.end() ? p.applied : at->second;
        if (p.shipped && !broken.contains(name) && *p.shipped != end)
            differ(out, "entries_follow", both, name + ":shipped", std::to_string(*p.shipped),
                   std::to_string(end));
    }
}

}  // namespace

std::string text_of(const difference& d)
{
    std::string line = d.rule + ' ';
    add_escaped(line, d.keys);
    const auto add = [&line](std::string_view name, std::string_view value) {
        if (value.empty())
            return;
        line += fmt::format(" {}=", name);
        add_escaped(line, value);
    };
    add("field", d.field);
    add("member", d.member);
    line += " found=\"";
    add_escaped(line, d.found, ' ');
    line += "\" expected=\"";
    add_escaped(line, d.expected, ' ');
    return line + '"';
}

count_hash read_counts_of(std::string key, const redis::reply_view& reply, differences& out)
{
    count_hash hash{std::move(key), {}};
    for (std::size_t i = 0; i + 1 < reply.size(); i += 2) {
        const auto value = reply[i + 1].number();
        if (value && *value >= 0)
            hash.counts.emplace(reply[i].text(), *value);
        else
            differ(out, "not_a_count", hash.key, reply[i].text(), std::string(reply[i + 1].text()),
                   "a whole number from 0");
    }
    return hash;
}

void check_hash(const count_hash& hash, differences& out)
{
    std::int64_t kinds = 0, hour_views = 0, hour_visits = 0;
    bool has_hours = false;
    for (const auto& [field, value] : hash.counts) {
        if (field.starts_with("bots:"))
            kinds += value;
        if (field.starts_with("views@")) {
            hour_views += value;
            has_hours = true;
        }
        if (field.starts_with("visits@")) {
            hour_visits += value;
            has_hours = true;
            const auto views = hash["views@" + field.substr(7)];
            must_not_exceed(out, "visits_within_views", hash.key, field,
                            static_cast<std::uint64_t>(value), static_cast<std::uint64_t>(views));
        }
    }
    must_equal(out, "bots_by_kind", hash.key, "bots", hash["bots"], kinds);
    const auto is_day = hash.key.find(":day:") != std::string::npos;
    if (is_day || has_hours) {
        must_equal(out, "hours_of_day", hash.key, "views", hash["views"],
                   hour_views - hash["deleted_views"]);
        must_equal(out, "hours_of_day", hash.key, "visits", hash["visits"],
                   hour_visits - hash["deleted_visits"]);
    }
    const auto views = static_cast<std::uint64_t>(hash["views"]);
    // Of a page that was deleted nobody knows in which hours it was read, from where and by whom:
    // hours and rows of other than pages are of what was counted.
    const auto all_views = views + static_cast<std::uint64_t>(hash["deleted_views"]),
               all_visits = static_cast<std::uint64_t>(hash["visits"] + hash["deleted_visits"]);
    must_not_exceed(out, "visits_within_views", hash.key, "new_paths",
                    static_cast<std::uint64_t>(hash["new_paths"]), all_views);
    for (const std::string_view field : {"visits", "visitors", "visitor_days"})
        must_not_exceed(out, "visits_within_views", hash.key, field,
                        static_cast<std::uint64_t>(hash[field]), views);
    must_not_exceed(out, "bounces_within_visits", hash.key, "bounces",
                    static_cast<std::uint64_t>(hash["bounces"]), all_visits);
    for (const auto& by : breakdown_names) {
        if (by.whole.empty())
            continue;
        const bool is_of_what_is_left = by.what == breakdown::path || by.what == breakdown::entry;
        const auto whole = static_cast<std::uint64_t>(hash[by.whole]);
        must_not_exceed(out, "rows_within_counts", hash.key, rows_field(by),
                        static_cast<std::uint64_t>(hash[rows_field(by)]),
                        is_of_what_is_left     ? whole
                        : by.whole == "views"  ? all_views
                        : by.whole == "visits" ? all_visits
                                               : whole);
    }
    must_not_exceed(out, "baseline_visits_within_views", hash.key, "baseline_visits",
                    static_cast<std::uint64_t>(hash["baseline_visits"]),
                    static_cast<std::uint64_t>(hash["baseline_views"]));
}

void check_breakdown(const std::string& key, const std::string& whole_key, breakdown by,
                     const redis::reply_view& rows, std::int64_t whole, differences& out)
{
    // A page that was once where a visit ended may be so no more.
    const std::int64_t least = by == breakdown::exit ? 0 : 1;
    std::int64_t sum = 0;
    for (std::size_t i = 0; i + 1 < rows.size(); i += 2) {
        const auto value = rows[i + 1].number();
        sum += value.value_or(0);
        if (!value || *value < least)
            out.push_back({"not_a_count",
                           key,
                           {},
                           std::string(rows[i].text()),
                           std::string(rows[i + 1].text()),
                           fmt::format("a whole number from {}", least)});
    }
    // One row more: "(other)".
    const auto members = static_cast<std::int64_t>(rows.size() / 2);
    if (members > most_members(by) + 1)
        differ(out, "rows_of_breakdown", key, {}, fmt::format("{} rows", members),
               fmt::format("at most {}", most_members(by) + 1));
    if (sum != whole)
        differ(out, "sum_of_breakdown", whole_key + ',' + key, rows_field(name_of(by)),
               std::to_string(whole), std::to_string(sum));
}

void check_tallies(const std::string& key, const redis::reply_view& waiting, differences& out)
{
    for (std::size_t i = 0; i < waiting.size(); ++i)
        if (site_tallies read; !add_encoded(read, waiting[i].text()))
            out.push_back({"tallies", key, {}, {}, fmt::format("damaged at {}", i), "tallies"});
}

void check_facts(const std::string& key, std::string_view path, std::string_view bytes,
                 differences& out)
{
    if (const auto v = decode_votes(bytes); v.votes.empty() && v.first_seen == 0)
        out.push_back({"facts", key, {}, std::string(path), std::string(bytes), "votes"});
}

std::set<std::uint64_t> check_log(const std::string& key, const redis::reply_view& log,
                                  differences& out)
{
    std::set<std::uint64_t> numbers;
    std::uint64_t last = 0;
    for (std::size_t i = 0; i + 1 < log.size(); i += 2) {
        const auto name = log[i].text(), value = log[i + 1].text();
        std::uint64_t number = 0, mark = 0;
        correction c;
        const bool is_number = parse_number(name, number) && number > 0;
        const bool is_right = name == "mark"   ? from_hex(value, mark)
                              : name == "last" ? parse_number(value, last)
                                               : is_number && decode(value, c);
        if (!is_right)
            out.push_back({"correction_record",
                           key,
                           std::string(name),
                           {},
                           std::string(value),
                           "a record, its number, the last number, or a mark"});
        if (is_number)
            numbers.insert(number);
    }
    if (!numbers.empty())
        must_not_exceed(out, "correction_record", key, "last", *numbers.rbegin(), last);
    return numbers;
}

void check_aliases(const std::string& key, const redis::reply_view& aliases, differences& out)
{
    page_aliases read;
    for (std::size_t i = 0; i + 1 < aliases.size(); i += 2) {
        auto alias = decode_alias(aliases[i + 1].text());
        if (alias)
            read.emplace(aliases[i].text(), std::move(*alias));
        else
            out.push_back({"alias",
                           key,
                           {},
                           std::string(aliases[i].text()),
                           std::string(aliases[i + 1].text()),
                           "the number of a correction and a page"});
    }
    if (read.size() > most_aliases)
        differ(out, "alias", key, {}, fmt::format("{} addresses", read.size()),
               fmt::format("at most {}", most_aliases));
    for (const auto& [from, alias] : read)
        if (!end_of_chain(read, from))
            out.push_back({"alias", key, {}, from, alias.to, "no loop"});
}

void check_hidden(const std::string& key, const redis::reply_view& pages, differences& out)
{
    must_not_exceed(out, "hidden_page", key, {}, pages.size(), most_hidden);
    for (std::size_t i = 0; i < pages.size(); ++i)
        if (pages[i].text().find('/') == std::string_view::npos)
            out.push_back(
                {"hidden_page", key, {}, std::string(pages[i].text()), "no path", "a path"});
}

void check_visit(const std::string& key, std::string_view visitor, std::string_view bytes,
                 differences& out)
{
    if (visitor.size() != sizeof(std::uint64_t))
        out.push_back({"seen_members",
                       key,
                       {},
                       std::string(visitor),
                       fmt::format("{} bytes", visitor.size()),
                       "8 bytes"});
    else if (decode_visit(bytes).date == 0)
        out.push_back({"visit", key, {}, std::string(visitor), std::string(bytes), "a visit"});
}

void check_first_seen(const std::string& key, const std::string& day_key, std::uint64_t bytes,
                      std::uint64_t brought, differences& out)
{
    const auto paths = bytes / sizeof(std::uint64_t);
    if (bytes % sizeof(std::uint64_t) != 0)
        differ(out, "first_seen_list", key, {}, fmt::format("{} bytes", bytes), "8 bytes a path");
    else if (paths > brought)
        differ(out, "first_seen_within_new_paths", key + ',' + day_key, {},
               fmt::format("{} paths", paths), fmt::format("at most {}", brought));
}

void client_paths::add(const redis::reply_view& part, differences& out)
{
    for (std::size_t i = 0; i + 1 < part.size(); i += 2) {
        const auto client = part[i].text(), value = part[i + 1].text();
        const bool is_client = client.size() == 8 && client.find_first_not_of("0123456789abcdef") ==
                                                         std::string_view::npos;
        std::uint64_t count = 0;
        const auto most = static_cast<std::uint64_t>(most_new_paths_per_client);
        const bool is_count = parse_number(value, count) && count > 0 && count <= most;
        // As a member: a client's hash is not for the log.
        if (!is_client || !is_count)
            out.push_back(
                {"new_paths_of_client",
                 key,
                 {},
                 std::string(client),
                 std::string(value),
                 is_client ? fmt::format("1 to {}", most) : "a client in 8 hexadecimal digits"});
        auto& known = counts[std::string(client)];
        known = std::max(known, count);
    }
}

std::uint64_t client_paths::sum() const noexcept
{
    std::uint64_t all = 0;
    for (const auto& [client, count] : counts)
        all += count;
    return all;
}

void check_aggregators(const std::string& key, const redis::reply_view& reply, std::int64_t now_ms,
                       differences& out)
{
    const auto latest = static_cast<std::uint64_t>(now_ms) + most_ahead_ms;
    for (std::size_t i = 0; i + 1 < reply.size(); i += 2) {
        const auto owner = reply[i].text(), value = reply[i + 1].text();
        const auto space = std::min(value.find(' '), value.size());
        std::uint64_t name = 0, since = 0, until = 0;
        if (!from_hex(owner, name))
            differ(out, "aggregator_entry", key, owner, std::string(value),
                   "an aggregator in 16 hexadecimal digits");
        else if (!parse_number(value.substr(0, space), since) ||
                 !parse_number(value.substr(std::min(space + 1, value.size())), until) ||
                 since > until)
            differ(out, "aggregator_entry", key, owner, std::string(value),
                   "two times, the second not before the first");
        else
            must_not_exceed(out, "aggregator_entry", key, owner, until, latest);
    }
}

void check_sum(std::string_view rule, const count_hash& whole, const std::vector<count_hash>& parts,
               const std::string& parts_name, differences& out)
{
    std::map<std::string, std::int64_t, std::less<>> sums;
    for (const auto& [field, value] : whole.counts)
        if (adds_up(field, rule))
            sums.try_emplace(field, 0);
    std::string names;
    std::size_t present = 0;
    for (const auto& part : parts) {
        if (!part.counts.empty() && ++present <= most_named_parts)
            names += ',' + part.key;
        for (const auto& [field, value] : part.counts)
            if (const auto name = field_in_sum(field); adds_up(name, rule))
                sums[std::string(name)] += value;
    }
    if (present > most_named_parts || names.empty())
        names = ',' + parts_name;
    for (const auto& [field, sum] : sums)
        must_equal(out, rule, whole.key + names, field, whole[field], sum);
}

producers_state read_producers(std::string key, const redis::reply_view& reply, differences& out)
{
    producers_state state;
    state.key = std::move(key);
    const std::map<std::string_view, std::uint64_t*> numbers{
        {"applied", &state.applied}, {"lost", &state.lost},
        {"damaged", &state.damaged}, {"unconfigured", &state.unconfigured},
        {"bare", &state.bare},       {"bytes", &state.bytes},
        {"last_ms", &state.last_ms}, {"tidied", &state.tidied}};
    for (std::size_t i = 0; i + 1 < reply.size(); i += 2) {
        const auto name = reply[i].text(), value = reply[i + 1].text();
        if (name == "tip") {
            state.tip = value.substr(0, value.find('~'));  // behind it: the mark of `luot prune`
        } else if (const auto at = numbers.find(name); at == numbers.end()) {
            take_producer_field(state, name, value, out);
        } else if (!parse_number(value, *at->second)) {
            differ(out, "not_a_count", state.key, name, std::string(value),
                   "a whole number from 0");
        }
    }
    return state;
}

std::map<std::string, producer_position> read_retired(const std::string& key,
                                                      const redis::reply_view& pairs,
                                                      differences& out)
{
    std::map<std::string, producer_position> logs;
    for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
        const auto producer = pairs[i].text(), value = pairs[i + 1].text();
        const auto first = std::min(value.find(' '), value.size());
        const auto second = std::min(value.find(' ', first + 1), value.size());
        const auto chain = value.substr(std::min(second + 1, value.size()));
        producer_position p;
        std::uint64_t name = 0, shipped = 0, sum = 0;
        const bool is_position =
            second < value.size() && parse_number(value.substr(0, first), shipped) && shipped > 0 &&
            parse_number(value.substr(first + 1, second - first - 1), p.lost) &&
            p.lost <= shipped && (chain.empty() || from_hex(chain, sum));
        if (!from_hex(producer, name) || !is_position) {
            differ(out, "retired_log", key, producer, std::string(value),
                   "how much of a log was shipped, how much of that lost, and its checksum");
            continue;
        }
        p.shipped = p.applied = shipped;
        p.chain = chain;
        logs.emplace(producer, std::move(p));
    }
    return logs;
}

void check_producers(const producers_state& state, differences& out)
{
    std::uint64_t applied = 0, lost = 0;
    for (const auto& [name, p] : state.producers) {
        applied += p.applied;
        lost += p.lost;
        if (!p.shipped)
            continue;  // its name was taken off Redis
        must_not_exceed(out, "applied_within_shipped", state.key, name + ":applied", p.applied,
                        *p.shipped);
        must_not_exceed(out, "lost_within_shipped", state.key, name + ":lost", p.lost, *p.shipped);
    }
    // Those whose names were taken off are in the partition's numbers only.
    if (state.applied < applied)
        differ(out, "applied_of_all", state.key, "applied", std::to_string(state.applied),
               fmt::format("at least {}", applied));
    if (state.lost < lost)
        differ(out, "lost_of_all", state.key, "lost", std::to_string(state.lost),
               fmt::format("at least {}", lost));
}

void check_stream(const std::string& key, const std::vector<stream_entry>& waiting,
                  producers_state& state, differences& out)
{
    std::uint64_t bytes = 0;
    for (const auto& e : waiting)
        bytes += e.bytes;
    must_equal(out, "bytes_waiting", state.key + ',' + key, "bytes",
               static_cast<std::int64_t>(state.bytes), static_cast<std::int64_t>(bytes));
    const auto newest = waiting.empty() ? state.tip : waiting.back().id;
    if (!newest.empty() && state.last_ms != ms_of(newest))
        differ(out, "newest_entry", state.key + ',' + key, waiting.empty() ? "tip" : "last_ms",
               waiting.empty() ? state.tip : std::to_string(state.last_ms),
               waiting.empty() ? fmt::format("an entry of last_ms = {}", state.last_ms)
                               : std::to_string(ms_of(newest)));
    if (!waiting.empty() && !state.tip.empty() && !is_earlier(state.tip, waiting.front().id))
        differ(out, "tip_is_behind", state.key + ',' + key, "tip", state.tip,
               "before " + waiting.front().id);
    check_entry_chains(key, waiting, state, out);
}

std::uint64_t ms_of(std::string_view id) noexcept
{
    std::uint64_t ms = 0;
    (void)parse_number(id.substr(0, id.find('-')), ms);
    return ms;
}

bool is_earlier(std::string_view a, std::string_view b) noexcept
{
    const auto bits = [](std::string_view id) {
        std::uint64_t value = 0;
        const auto dash = id.find('-');
        if (dash != std::string_view::npos)
            (void)parse_number(id.substr(dash + 1), value);
        return value;
    };
    const auto ms_a = ms_of(a), ms_b = ms_of(b);
    return ms_a != ms_b ? ms_a < ms_b : bits(a) < bits(b);
}

}  // namespace luot::aggregator
