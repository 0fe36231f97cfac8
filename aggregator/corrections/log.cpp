#include "aggregator/corrections/log.hpp"

#include "core/bytes.hpp"
#include "core/keys.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <array>
#include <cstdlib>
#include <pwd.h>
#include <unistd.h>
#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

std::int64_t number_of(const json::object& o, std::string_view name)
{
    const auto* v = o.if_contains({name.data(), name.size()});
    return v && v->is_int64() ? v->get_int64() : 0;
}

std::string text_of(const json::object& o, std::string_view name)
{
    const auto* v = o.if_contains({name.data(), name.size()});
    return v && v->is_string() ? std::string(v->get_string()) : std::string{};
}

}  // namespace

std::string encode(const correction& c)
{
    json::object o{{"at", c.at_ms}, {"by", c.by},           {"what", c.what},
                   {"of", c.of},    {"changed", c.changed}, {"state", c.state}};
    if (c.imports >= 0)
        o["imports"] = c.imports;
    if (c.undone_at_ms > 0) {
        o["undone_at"] = c.undone_at_ms;
        o["undone_by"] = c.undone_by;
    }
    return json::serialize(o);
}

bool decode(std::string_view text, correction& out)
{
    json::error_code error;
    const auto value = json::parse(json::string_view(text.data(), text.size()), error);
    if (error || !value.is_object())
        return false;
    const auto& o = value.get_object();
    out = {};
    out.at_ms = number_of(o, "at");
    out.by = text_of(o, "by");
    out.what = text_of(o, "what");
    out.of = text_of(o, "of");
    out.changed = text_of(o, "changed");
    out.state = text_of(o, "state");
    out.imports = o.if_contains("imports") ? number_of(o, "imports") : -1;
    out.undone_at_ms = number_of(o, "undone_at");
    out.undone_by = text_of(o, "undone_by");
    return out.at_ms > 0 && !out.what.empty() && !out.state.empty();
}

bool can_go_on(const correction_log& log, std::uint64_t number)
{
    const auto found = log.records.find(number);
    return found != log.records.end() && number == log.last && found->second.what == "delete" &&
           found->second.state == "begun" && found->second.of != of_site;
}

asio::awaitable<correction_log> read_corrections(redis::client& redis, std::string site)
{
    redis::pipeline asking;
    asking.add("HGETALL", keys::corrections(site));
    const auto answers = co_await redis.exec(asking);
    if (!answers)
        throw correction_error(
            "Redis: " + (redis.trouble().empty() ? answers.error().message() : redis.trouble()));
    if (const auto error = answers->first_error(); !error.is_null())
        throw correction_error("Redis: " + std::string(error.text()));
    correction_log out;
    const auto fields = (*answers)[0];
    for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
        const auto name = fields[i].text(), value = fields[i + 1].text();
        std::uint64_t number = 0;
        correction c;
        if (name == "mark")
            out.mark = value;
        else if (name == "last")
            (void)parse_number(value, out.last);
        else if (parse_number(name, number) && decode(value, c))
            out.records.emplace(number, std::move(c));
    }
    co_return out;
}

std::string caller_name()
{
    const auto uid = ::getuid();
    if (const auto* caller = uid == 0 ? std::getenv("SUDO_USER") : nullptr; caller && *caller)
        return caller;
    passwd entry{};
    passwd* found = nullptr;
    std::array<char, 4096> buffer{};
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found)
        return found->pw_name;
    return std::to_string(uid);
}

}  // namespace luot::aggregator
