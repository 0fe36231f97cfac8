#include "tests/fuzz/hit_fields.hpp"

#include "core/hit.hpp"
#include "core/utf8.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace luot::fuzz {

namespace {

using collector::hit_fields;

constexpr std::array<std::pair<const char*, std::string hit_fields::*>, 12> texts{{
    {"s", &hit_fields::site},
    {"p", &hit_fields::page},
    {"u", &hit_fields::location},
    {"id", &hit_fields::id},
    {"r", &hit_fields::referrer},
    {"t", &hit_fields::title},
    {"c", &hit_fields::section},
    {"n", &hit_fields::event},
    {"l", &hit_fields::language},
    {"tab", &hit_fields::tab},
    {"ip", &hit_fields::address},
    {"ua", &hit_fields::agent},
}};
constexpr std::array<std::pair<const char*, std::uint32_t hit_fields::*>, 2> counts{{
    {"w", &hit_fields::width},
    {"b", &hit_fields::bot_hint},
}};

bool is_control(char c)
{
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

bool has_control(const std::string& text)
{
    return std::any_of(text.begin(), text.end(), is_control);
}

bool is_token(const std::string& text)
{
    return std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return c < 0x80 && (std::isalnum(c) != 0 || c == '_' || c == '-');
    });
}

/// U+0080 to U+009F.
bool has_c1_control(const std::string& text)
{
    for (std::size_t i = 0; i + 1 < text.size(); ++i)
        if (text[i] == '\xC2' && text[i + 1] < '\xA0')
            return true;
    return false;
}

std::string escaped(const std::string_view text)
{
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += "0123456789abcdef"[byte >> 4];
        out += "0123456789ABCDEF"[byte & 15];
    }
    return out;
}

/// Keys and values, as parse.hpp says they stand in a text.
std::vector<std::pair<std::string, std::string>> properties_of(const hit_fields& f)
{
    std::vector<std::pair<std::string, std::string>> properties;
    for (std::string_view rest = f.properties; !rest.empty();) {
        const auto property = take_property(rest);
        const auto end = property.find(property_separator);
        check(end != std::string_view::npos, "a property has a key and a value");
        properties.emplace_back(property.substr(0, end), property.substr(end + 1));
    }
    return properties;
}

void check_shown(const std::string& text, std::size_t most_bytes)
{
    check(text.size() <= most_bytes, "a text for people is cut");
    check(utf8::valid(text), "a text for people is UTF-8");
    check(!has_control(text) && !has_c1_control(text), "a text for people has no controls");
}

}  // namespace

void check_limits(const hit_fields& f)
{
    check(f.site.size() <= 32 && is_token(f.site), "a site is a token of 32 bytes");
    check(f.id.size() <= 64 && is_token(f.id), "an id is a token of 64 bytes");
    check(f.tab.size() <= 64 && is_token(f.tab), "a tab is a token of 64 bytes");
    check(f.address.size() <= 64 && std::all_of(f.address.begin(), f.address.end(),
                                                [](char c) { return c > 0x20 && c < 0x7F; }),
          "a reader's address is 64 printable ASCII characters");
    check(f.agent.size() <= 1000 && !has_control(f.agent),
          "a reader's User-Agent is 1,000 bytes without controls");
    check(f.page.size() <= 2000 && utf8::valid(f.page), "a page is 2,000 bytes of UTF-8");
    check(f.location.size() <= 2000 && utf8::valid(f.location),
          "a location is 2,000 bytes of UTF-8");
    check(f.referrer.size() <= 2000 && !has_control(f.referrer),
          "a referrer is 2,000 bytes without controls");
    check_shown(f.title, 500);
    check_shown(f.section, 100);
    check_shown(f.event, 100);
    check(f.language.size() <= 35 && std::all_of(f.language.begin(), f.language.end(),
                                                 [](char c) { return c > 0x20 && c < 0x7F; }),
          "a language is 35 printable ASCII characters");
    const auto properties = properties_of(f);
    check(properties.size() <= most_properties, "an event has eight properties");
    check(properties.empty() || !f.event.empty(), "only an event has properties");
    std::set<std::string> keys;
    for (const auto& [key, value] : properties) {
        check(!key.empty() && key.size() <= 32 && is_token(key), "a key is a token of 32 bytes");
        check(keys.insert(key).second, "a key stands there once");
        check(!value.empty(), "a property has a value");
        check_shown(value, 100);
    }
    check(f.width <= 99'999 && f.bot_hint <= 99'999, "a number has five digits");
}

bool are_equal(const hit_fields& a, const hit_fields& b)
{
    return a.properties == b.properties &&
           std::all_of(texts.begin(), texts.end(),
                       [&](const auto& t) { return a.*t.second == b.*t.second; }) &&
           std::all_of(counts.begin(), counts.end(),
                       [&](const auto& c) { return a.*c.second == b.*c.second; });
}

std::string as_query(const hit_fields& fields)
{
    std::string query;
    for (const auto& [name, field] : texts)
        query.append(query.empty() ? "" : "&")
            .append(name)
            .append("=")
            .append(escaped(fields.*field));
    for (const auto& [key, value] : properties_of(fields))
        query.append("&d.").append(key).append("=").append(escaped(value));
    for (const auto& [name, field] : counts)
        query.append("&").append(name).append("=").append(std::to_string(fields.*field));
    return query;
}

std::string as_json(const hit_fields& fields)
{
    boost::json::object object;
    for (const auto& [name, field] : texts)
        object[name] = fields.*field;
    for (const auto& [name, field] : counts)
        object[name] = fields.*field;
    boost::json::object properties;
    for (const auto& [key, value] : properties_of(fields))
        properties[key] = value;
    object["d"] = std::move(properties);
    return boost::json::serialize(object);
}

hit_fields used_fields()
{
    hit_fields fields;
    for (const auto& [name, field] : texts)
        fields.*field = "left from the hit before";
    for (const auto& [name, field] : counts)
        fields.*field = 4711;
    fields.properties = "left\037from the hit before\036";
    return fields;
}

}  // namespace luot::fuzz
