// What clients send, well-meant and not: every field at its limits, forms and JSON.

#include "collector/parse.hpp"

#include "core/hit.hpp"
#include "core/utf8.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace parse_test {

using namespace luot::collector;
using luot::errc;

struct parsed {
    luot::error_code error;
    hit_fields fields;

    [[nodiscard]] bool refused() const { return error == make_error_code(errc::bad_request); }
};

parsed query(std::string_view text)
{
    parsed p;
    p.fields.title = "left from before";
    p.error = parse_query(text, p.fields);
    return p;
}

parsed body(std::string_view text)
{
    parsed p;
    p.fields.title = "left from before";
    p.error = parse_body(text, p.fields);
    return p;
}

std::string escaped(std::string_view bytes)
{
    constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (const char c : bytes) {
        out += '%';
        out += digits[static_cast<unsigned char>(c) >> 4];
        out += digits[static_cast<unsigned char>(c) & 15];
    }
    return out;
}

/// A name and a value as each of the ways in takes them.
struct way {
    std::string name;
    std::function<parsed(const std::string& field, const std::string& value)> parse;
};

const std::vector<way> ways{
    {"query", [](const auto& f, const auto& v) { return query(f + '=' + escaped(v)); }},
    {"form", [](const auto& f, const auto& v) { return body(f + '=' + escaped(v)); }},
    {"json", [](const auto& f, const auto& v) { return body("{\"" + f + "\":\"" + v + "\"}"); }}};

/// Properties as they can be read: "key=value key=value".
std::string properties(const parsed& p)
{
    std::string out;
    for (std::string_view rest = p.fields.properties; !rest.empty();) {
        const auto property = luot::take_property(rest);
        const auto end = std::min(property.find(luot::property_separator), property.size());
        out.append(out.empty() ? "" : " ").append(property.substr(0, end)).append("=");
        out.append(property.substr(std::min(end + 1, property.size())));
    }
    return out;
}

/// An event with one property, in each of the ways.
const std::vector<way> ways_of_properties{
    {"query",
     [](const auto& key, const auto& v) { return query("n=e&d." + key + '=' + escaped(v)); }},
    {"form",
     [](const auto& key, const auto& v) { return body("d." + key + '=' + escaped(v) + "&n=e"); }},
    {"json", [](const auto& key, const auto& v) {
         return body("{\"d\":{\"" + key + "\":\"" + v + "\"},\"n\":\"e\"}");
     }}};

BOOST_AUTO_TEST_SUITE(parse)

BOOST_AUTO_TEST_CASE(a_query_fills_all_fields)
{
    const auto p = query(
        "s=skhcn&p=%2Ftin-tuc%2Fb%C3%A0i%3Fid%3D1&u=https://skhcn.example.vn/x&id=Ab_9-&"
        "r=https://google.com/&t=H%E1%BB%99i+ngh%E1%BB%8B&c=Tin&n=tai-ve&l=vi-VN&w=1920&b=3&x=1&"
        "tab=T-1&ip=2001:db8::1&ua=Mozilla/5.0+(X11)");
    BOOST_TEST(!p.error);
    BOOST_TEST(p.fields.site == "skhcn");
    BOOST_TEST(p.fields.page == "/tin-tuc/bài?id=1");
    BOOST_TEST(p.fields.location == "https://skhcn.example.vn/x");
    BOOST_TEST(p.fields.id == "Ab_9-");
    BOOST_TEST(p.fields.referrer == "https://google.com/");
    BOOST_TEST(p.fields.title == "Hội nghị");
    BOOST_TEST(p.fields.section == "Tin");
    BOOST_TEST(p.fields.event == "tai-ve");
    BOOST_TEST(p.fields.language == "vi-VN");
    BOOST_TEST(p.fields.width == 1920U);
    BOOST_TEST(p.fields.bot_hint == 3U);
    BOOST_TEST(p.fields.tab == "T-1");
    BOOST_TEST(p.fields.address == "2001:db8::1");
    BOOST_TEST(p.fields.agent == "Mozilla/5.0 (X11)");
}

BOOST_AUTO_TEST_CASE(json_fills_all_fields)
{
    const auto p = body(
        " \r\n{\"s\":\"skhcn\",\"p\":\"/tin-tuc/b\\u00e0i?id=1\",\"u\":\"https://x.vn/\","
        "\"id\":\"Ab_9-\",\"r\":\"https://google.com/\",\"t\":\"Hội nghị \\ud83d\\ude00\","
        "\"c\":\"Tin\",\"n\":\"tai-ve\",\"l\":\"vi-VN\",\"w\":1920,\"b\":\"3\","
        "\"tab\":\"T-1\",\"ip\":\"192.0.2.1\",\"ua\":\"Mozilla/5.0 \xFF\","
        "\"x\":{\"y\":[1,true,null]}} ");
    BOOST_TEST(!p.error);
    BOOST_TEST(p.fields.site == "skhcn");
    BOOST_TEST(p.fields.page == "/tin-tuc/bài?id=1");
    BOOST_TEST(p.fields.location == "https://x.vn/");
    BOOST_TEST(p.fields.id == "Ab_9-");
    BOOST_TEST(p.fields.referrer == "https://google.com/");
    BOOST_TEST(p.fields.title == "Hội nghị 😀");
    BOOST_TEST(p.fields.section == "Tin");
    BOOST_TEST(p.fields.event == "tai-ve");
    BOOST_TEST(p.fields.language == "vi-VN");
    BOOST_TEST(p.fields.width == 1920U);
    BOOST_TEST(p.fields.bot_hint == 3U);
    BOOST_TEST(p.fields.tab == "T-1");
    BOOST_TEST(p.fields.address == "192.0.2.1");
    BOOST_TEST(p.fields.agent == "Mozilla/5.0 \xFF");
}

BOOST_AUTO_TEST_CASE(nothing_is_left_of_the_hit_before)
{
    hit_fields fields;
    BOOST_TEST(!parse_query("s=a&p=/a&u=/b&id=c&r=d&t=e&c=f&n=g&l=h&w=1&b=2&tab=i&ip=j&ua=k&d.a=l",
                            fields));
    BOOST_TEST(!parse_body("", fields));
    const hit_fields none;
    for (const auto text : {&hit_fields::site, &hit_fields::page, &hit_fields::location,
                            &hit_fields::id, &hit_fields::referrer, &hit_fields::title,
                            &hit_fields::section, &hit_fields::event, &hit_fields::language})
        BOOST_TEST((fields.*text).empty());
    BOOST_TEST(fields.properties.empty());
    BOOST_TEST(fields.width == 0U);
    BOOST_TEST(fields.bot_hint == 0U);
    BOOST_TEST(!parse_query("t=a", fields));
    BOOST_TEST(!parse_body("{}", fields));
    BOOST_TEST(fields.title == "");
}

BOOST_AUTO_TEST_CASE(the_first_of_a_repeated_field_counts)
{
    BOOST_TEST(query("p=/a&p=/b").fields.page == "/a");
    BOOST_TEST(query("p=&p=/b").fields.page == "");
    BOOST_TEST(query("&&p=/a&&").fields.page == "/a");
    BOOST_TEST(query("p&s=a").fields.site == "a");
    BOOST_TEST(query("P=/a&=x&pp=/b").fields.page == "");
}

// Too long or malformed, and the whole hit is refused: cut, they would name something else.
BOOST_AUTO_TEST_CASE(names_and_addresses_have_hard_limits)
{
    struct {
        std::string name;
        std::size_t most;
        std::string hit_fields::*text;
    } const limits[] = {{"s", 32, &hit_fields::site},
                        {"p", 2000, &hit_fields::page},
                        {"u", 2000, &hit_fields::location},
                        {"id", 64, &hit_fields::id},
                        {"tab", 64, &hit_fields::tab}};
    for (const auto& w : ways) {
        for (const auto& limit : limits) {
            BOOST_TEST_CONTEXT(w.name << " field " << limit.name)
            {
                const auto longest = w.parse(limit.name, std::string(limit.most, 'a'));
                BOOST_TEST(!longest.error);
                BOOST_TEST((longest.fields.*limit.text) == std::string(limit.most, 'a'));
                BOOST_TEST(w.parse(limit.name, std::string(limit.most + 1, 'a')).refused());
                BOOST_TEST(w.parse(limit.name, "a\xFF").refused());
                BOOST_TEST(w.parse(limit.name, "a\xE1\xBA").refused());
            }
        }
        for (const std::string bad : {"a b", "a/b", "à", "a.b", "a\x7F"}) {
            BOOST_TEST_CONTEXT(w.name << " value " << bad)
            {
                BOOST_TEST(w.parse("id", bad).refused());
                BOOST_TEST(w.parse("tab", bad).refused());
                BOOST_TEST(w.parse("s", bad).refused());
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(texts_are_cut_at_a_character)
{
    struct {
        std::string name;
        std::size_t most;
        std::string hit_fields::*text;
    } const limits[] = {{"r", 2000, &hit_fields::referrer},
                        {"t", 500, &hit_fields::title},
                        {"c", 100, &hit_fields::section},
                        {"n", 100, &hit_fields::event},
                        {"l", 35, &hit_fields::language}};
    for (const auto& w : ways) {
        for (const auto& limit : limits) {
            BOOST_TEST_CONTEXT(w.name << " field " << limit.name)
            {
                const std::string longest(limit.most, 'a');
                BOOST_TEST((w.parse(limit.name, longest).fields.*limit.text) == longest);
                const auto cut = w.parse(limit.name, longest + 'b');
                BOOST_TEST(!cut.error);
                BOOST_TEST((cut.fields.*limit.text) == longest);
                if (limit.name == "l")
                    continue;  // ASCII
                for (const std::string last : {"à", "ế", "😀"}) {
                    for (std::size_t room = 0; room <= 4; ++room) {
                        const std::string before(limit.most - room, 'a');
                        const std::string text =
                            w.parse(limit.name, before + last).fields.*limit.text;
                        BOOST_TEST(text == (room < last.size() ? before : before + last));
                    }
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(broken_utf8_in_texts_is_replaced)
{
    for (const auto& w : ways) {
        for (const std::string field : {"t", "c", "n"}) {
            BOOST_TEST_CONTEXT(w.name << " field " << field)
            {
                const auto p = w.parse(field, "a\xFF\xE1\xBA z");
                BOOST_TEST(!p.error);
                const auto& text = field == "t"   ? p.fields.title
                                   : field == "c" ? p.fields.section
                                                  : p.fields.event;
                BOOST_TEST(text == "a\uFFFD\uFFFD\uFFFD z");
                // three bytes for one: the limit holds afterwards
                const std::string broken(600, '\xFF');
                const auto cut = w.parse(field, broken);
                const std::size_t size = field == "t"   ? cut.fields.title.size()
                                         : field == "c" ? cut.fields.section.size()
                                                        : cut.fields.event.size();
                BOOST_TEST(size == (field == "t" ? 498U : 99U));
            }
        }
    }
}

// A line break in a title must never become one in a log or a header.
BOOST_AUTO_TEST_CASE(no_control_character_comes_through)
{
    for (int byte = 0; byte <= 0x7F; byte = byte == 0x1F ? 0x7F : byte + 1) {
        const std::string value = "a" + std::string(1, static_cast<char>(byte)) + "b";
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(byte));
        const std::string json = "a" + std::string(escape) + "b";
        BOOST_TEST_CONTEXT("byte " << byte)
        {
            for (const std::string field : {"t", "c", "n", "r", "l"}) {
                for (const auto& p : {ways[0].parse(field, value), ways[2].parse(field, json)}) {
                    BOOST_TEST(!p.error);
                    const std::string all = p.fields.title + p.fields.section + p.fields.event +
                                            p.fields.referrer + p.fields.language;
                    BOOST_TEST(all == (field == "r" || field == "l" ? "ab" : "a b"));
                }
            }
        }
    }
    BOOST_TEST(query("t=a%C2%85b%C2%9Bc").fields.title == "a b c");
    BOOST_TEST(query("l=vi%20%C3%A0%FF-VN").fields.language == "vi-VN");
}

BOOST_AUTO_TEST_CASE(broken_escapes_are_refused_in_names_and_shown_in_texts)
{
    for (const std::string broken : {"%", "%4", "%zz", "a%4g"}) {
        for (const std::string field : {"s", "p", "u", "id"}) {
            BOOST_TEST_CONTEXT("field " << field << " value " << broken)
            BOOST_TEST(query(field + "=" + broken).refused());
        }
        BOOST_TEST(query("t=" + broken).fields.title == broken);
        BOOST_TEST(query("r=" + broken).fields.referrer == broken);
    }
    BOOST_TEST(!query("x=%zz&s=a").error);
}

// From anybody: they mean something only from who has the site's token.
BOOST_AUTO_TEST_CASE(what_a_server_says_of_its_reader_is_cut_and_never_refused)
{
    for (const auto& w : ways) {
        BOOST_TEST_CONTEXT(w.name)
        {
            BOOST_TEST(w.parse("ip", "192.0.2.1").fields.address == "192.0.2.1");
            BOOST_TEST(w.parse("ip", std::string(65, '1')).fields.address == std::string(64, '1'));
            BOOST_TEST(w.parse("ip", " [::1]:80 ế").fields.address == "[::1]:80");
            BOOST_TEST(w.parse("ua", std::string(1001, 'a')).fields.agent ==
                       std::string(1000, 'a'));
            BOOST_TEST(w.parse("ua",
                               "a\x7F"
                               "b")
                           .fields.agent == "ab");
        }
    }
}

BOOST_AUTO_TEST_CASE(a_number_has_five_digits_at_most)
{
    struct {
        std::string text;
        std::uint32_t number;
    } const table[] = {{"0", 0},      {"1", 1},  {"99999", 99999}, {"100000", 0}, {"00001", 1},
                       {"000001", 0}, {"-1", 0}, {"+1", 0},        {"1.5", 0},    {"", 0},
                       {"x", 0},      {"1x", 0}, {" 1", 0},        {"0x10", 0}};
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("text " << row.text)
        {
            for (const auto& w : ways) {
                BOOST_TEST(w.parse("w", row.text).fields.width == row.number);
                BOOST_TEST(w.parse("b", row.text).fields.bot_hint == row.number);
            }
        }
    }
    struct {
        std::string json;
        std::uint32_t number;
    } const numbers[] = {{"1920", 1920},   {"1920.7", 1920},
                         {"99999", 99999}, {"99999.9", 99999},
                         {"100000", 0},    {"-1", 0},
                         {"-0.5", 0},      {"1e300", 0},
                         {"1.5e3", 1500},  {"18446744073709551615", 0},
                         {"null", 0}};
    for (const auto& row : numbers) {
        BOOST_TEST_CONTEXT("number " << row.json)
        {
            const auto p = body("{\"w\":" + row.json + "}");
            BOOST_TEST(!p.error);
            BOOST_TEST(p.fields.width == row.number);
        }
    }
}

BOOST_AUTO_TEST_CASE(json_numbers_are_texts_where_texts_are_wanted)
{
    BOOST_TEST(body("{\"s\":24,\"id\":-18,\"t\":2021,\"c\":1.5}").fields.site == "24");
    BOOST_TEST(body("{\"id\":-18}").fields.id == "-18");
    BOOST_TEST(body("{\"id\":18446744073709551615}").fields.id == "18446744073709551615");
    BOOST_TEST(body("{\"t\":1.5}").fields.title == "1.5");
    BOOST_TEST(body("{\"id\":1.5}").refused());
    BOOST_TEST(body("{\"p\":674684414.407370951}").fields.page == "674684414.407370951");
    BOOST_TEST(body(" {\"p\":674684414.407370951} ").fields.page == "674684414.407370951");
    BOOST_TEST(body("{\"p\":null,\"s\":\"a\"}").fields.page == "");
}

BOOST_AUTO_TEST_CASE(a_known_field_of_another_type_is_refused)
{
    for (const std::string field : {"s", "p", "u", "id", "r", "t", "c", "n", "l", "w", "b"}) {
        for (const std::string value : {"true", "false", "[]", "{}", "[\"a\"]", "{\"a\":1}"}) {
            BOOST_TEST_CONTEXT("field " << field << " value " << value)
            {
                BOOST_TEST(body("{\"" + field + "\":" + value + "}").refused());
                BOOST_TEST(!body("{\"x" + field + "\":" + value + "}").error);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(json_cut_at_any_byte_is_refused)
{
    const std::string whole =
        "{\"s\":\"skhcn\",\"p\":\"/b\xC3\xA0i\\u00e0\",\"t\":\"\\ud83d\\ude00\",\"w\":1920,"
        "\"x\":[1,{\"y\":null}],\"b\":-1.5e3,\"n\":null}";
    BOOST_TEST(!body(whole).error);
    for (std::size_t cut = 1; cut < whole.size(); ++cut) {
        BOOST_TEST_CONTEXT("cut at byte " << cut << " of " << whole.size())
        BOOST_TEST(body(std::string_view(whole).substr(0, cut)).refused());
    }
    BOOST_TEST(body(whole + "x").refused());
    BOOST_TEST(body(whole + whole).refused());
    BOOST_TEST(body("{'s':'a'}").refused());
    BOOST_TEST(body("{\"s\":NaN}").refused());
}

BOOST_AUTO_TEST_CASE(json_may_be_nested_32_deep_and_no_deeper)
{
    const auto nested = [](std::size_t depth, const std::string& open, const std::string& close) {
        std::string text = "{\"s\":\"a\",\"x\":";
        for (std::size_t i = 1; i < depth; ++i)
            text += open;
        text += '1';
        for (std::size_t i = 1; i < depth; ++i)
            text += close;
        return text + '}';
    };
    BOOST_TEST(!body(nested(32, "[", "]")).error);
    BOOST_TEST(body(nested(33, "[", "]")).refused());
    BOOST_TEST(!body(nested(32, "{\"a\":", "}")).error);
    BOOST_TEST(body(nested(33, "{\"a\":", "}")).refused());
    BOOST_TEST(body(nested(10'000, "[", "]")).refused());
    BOOST_TEST(body(nested(10'000, "{\"a\":", "}")).refused());
    BOOST_TEST(body("{\"x\":" + std::string(10'000, '[')).refused());
    BOOST_TEST(!body("{\"s\":\"b\"}").error);  // the thread's memory is as good as new
}

// It is refused where it names something; elsewhere it costs no view, as in a form.
BOOST_AUTO_TEST_CASE(broken_utf8_in_json_is_refused_in_names_and_addresses)
{
    for (const std::string name : {"s", "p", "u", "id"})
        BOOST_TEST(body("{\"" + name + "\":\"a\xFF\"}").refused());
    for (const std::string other :
         {"\"t\":\"a\xFF\"", "\"r\":\"a\xFF\"", "\"l\":\"a\xFF\"", "\"x\":\"a\xFF\"",
          "\"x\":[{\"y\":\"a\xFF\"}]", "\"x\":{\"\xFF\":1}", "\"\xFF\":1"})
        BOOST_TEST(!body("{\"s\":\"a\"," + other + "}").error);
}

// document.title.slice(0, 500) may end within an emoji, and JSON.stringify writes that half.
BOOST_AUTO_TEST_CASE(half_an_emoji_costs_no_hit)
{
    BOOST_TEST(body("{\"t\":\"a\\ud83d\"}").fields.title == "a\uFFFD");
    BOOST_TEST(body("{\"t\":\"\\ude00a\"}").fields.title == "\uFFFDa");
    BOOST_TEST(body("{\"t\":\"\\ud83d\\ud83d\\ude00\\\\ud83d\"}").fields.title == "\uFFFD😀\\ud83d");
    BOOST_TEST(body("{\"t\":\"\\uD83Dx\",\"p\":\"/a\"}").fields.page == "/a");
    BOOST_TEST(body("{\"p\":\"/a\\ud83d\"}").refused());
    BOOST_TEST(body("{\"t\":\"\\ud83d").refused());
}

BOOST_AUTO_TEST_CASE(an_event_has_properties)
{
    BOOST_TEST(properties(query("n=e&d.file=b%C3%A1o+c%C3%A1o.pdf&d.pages=12&d=x&e.x=1")) ==
               "file=báo cáo.pdf pages=12");
    BOOST_TEST(properties(body("d.file=a.pdf&n=e&d.a-B_9=1")) == "file=a.pdf a-B_9=1");
    const auto p = body(
        "{\"d\":{\"file\":\"b\\u00e1o.pdf\",\"pages\":12,\"size\":1.50,\"paid\":true,"
        "\"new\":false},\"n\":\"e\",\"file\":\"none\"}");
    BOOST_TEST(!p.error);
    BOOST_TEST(properties(p) == "file=báo.pdf pages=12 size=1.50 paid=true new=false");
    BOOST_TEST(p.fields.event == "e");
    // Only an event: what a page said of itself is not kept.
    BOOST_TEST(properties(query("p=/a&d.file=a.pdf")) == "");
    BOOST_TEST(properties(body("{\"p\":\"/a\",\"d\":{\"file\":\"a.pdf\"}}")) == "");
    BOOST_TEST(properties(body("{\"n\":\"\",\"d\":{\"file\":\"a.pdf\"}}")) == "");
}

BOOST_AUTO_TEST_CASE(a_property_has_limits_and_costs_no_hit)
{
    using namespace std::string_literals;
    const auto shown = "é" + std::string(97, 'v');  // 99 bytes
    const struct {
        std::string key, value, wanted;
    } table[] = {
        {"file", "a", "file=a"},
        {std::string(32, 'k'), "a", std::string(32, 'k') + "=a"},
        {std::string(33, 'k'), "a", ""},
        {"", "a", ""},
        {"a.b", "a", ""},
        {"a b", "a", ""},
        {"khóa", "a", ""},
        {"file", "", ""},
        {"file", shown + "aé", "file=" + shown + "a"},
        {"file", shown + "éa", "file=" + shown},
        {"file",
         "a\xFF"
         "b\xC2\x85",
         "file=a\uFFFD"
         "b "},
        {"file", "{}&=a", "file={}&=a"},
    };
    for (const auto& way : ways_of_properties)
        for (const auto& row : table) {
            BOOST_TEST_CONTEXT(way.name << ' ' << row.key << '=' << row.value)
            {
                const auto p = way.parse(row.key, row.value);
                BOOST_TEST(!p.error);
                BOOST_TEST(p.fields.event == "e");
                BOOST_TEST(properties(p) == row.wanted);
            }
        }
    // Nothing in them can be taken for what stands between them.
    for (int c = 0; c < 0x20; ++c) {
        char code[8];
        std::snprintf(code, sizeof code, "%02x", c);
        BOOST_TEST(properties(query("n=e&d.a=x%"s + code + "y")) == "a=x y");
        BOOST_TEST(properties(body("{\"n\":\"e\",\"d\":{\"a\":\"x\\u00"s + code + "y\"}}")) ==
                   "a=x y");
        BOOST_TEST(query("n=x%"s + code + "y").fields.event == "x y");
        BOOST_TEST(properties(body("{\"n\":\"e\",\"d\":{\"a\\u00"s + code + "\":\"y\"}}")) == "");
    }
}

BOOST_AUTO_TEST_CASE(the_first_eight_properties_count_and_the_first_of_a_key)
{
    std::string form = "n=e&d.bad key=x&d.empty=", object, wanted;
    for (int i = 0; i < 12; ++i) {
        const auto key = "k" + std::to_string(i);
        form += "&d." + key + "=" + std::to_string(i) + "&d." + key + "=again";
        object += ",\"" + key + "\":" + std::to_string(i) + ",\"" + key + "\":\"again\"";
        if (i < 8)
            wanted += (i ? " k" : "k") + std::to_string(i) + "=" + std::to_string(i);
    }
    BOOST_TEST(properties(query(form)) == wanted);
    BOOST_TEST(properties(body(form)) == wanted);
    const auto json = "{\"n\":\"e\",\"d\":{\"bad key\":1" + object + "}}";
    BOOST_TEST(properties(body(json)) == wanted);
}

BOOST_AUTO_TEST_CASE(what_is_no_property_is_passed_over)
{
    const auto of = [](const std::string& d) {
        const auto p = body("{\"d\":" + d + ",\"n\":\"e\",\"a\":\"no\"}");
        BOOST_TEST(!p.error, d);
        BOOST_TEST(p.fields.event == "e", d);
        return properties(p);
    };
    for (const auto* d :
         {"\"x\"", "1", "true", "null", "[]", "{}", "[\"x\",{\"a\":\"x\"}]", "[[{\"a\":1}]]",
          "{\"a\":null}", "{\"a\":[1,\"x\",true]}", "{\"a\":{\"b\":1,\"d\":{\"c\":2}}}"})
        BOOST_TEST(of(d) == "", d);
    BOOST_TEST(of("{\"a\":{\"b\":1},\"c\":2,\"e\":[3],\"f\":4}") == "c=2 f=4");
    BOOST_TEST(of("{\"n\":\"other\",\"p\":\"/x\"}") ==
               "n=other p=/x");  // fields of the hit are not meant
    BOOST_TEST(properties(body("{\"n\":\"e\",\"x\":{\"d\":{\"a\":1},\"a\":1}}")) == "");
    BOOST_TEST(properties(body("{\"n\":\"e\",\"d\":{\"a\":null},\"x\":\"y\"}")) == "");
    BOOST_TEST(properties(body("{\"n\":\"e\",\"d\":{\"a\":\"\\ud83d\",\"b\":1}}")) ==
               "a=\uFFFD b=1");
    BOOST_TEST(body("{\"n\":\"e\",\"d\":{\"a\":1").refused());
    BOOST_TEST(properties(query("n=e&d.=x&d&d.a&.a=1&D.a=1")) == "");
    BOOST_TEST(properties(query("n=e&d.a=%4&d.b=%")) == "a=%4 b=%");
}

BOOST_AUTO_TEST_CASE(a_body_larger_than_the_threads_memory_is_read_too)
{
    std::string text = "{\"s\":\"a\",\"x\":[0";
    for (int i = 0; i < 20'000; ++i)
        text += ",{\"a\":\"" + std::string(20, 'b') + "\"}";
    const auto p = body(text + "]}");
    BOOST_TEST(!p.error);
    BOOST_TEST(p.fields.site == "a");
}

BOOST_AUTO_TEST_CASE(any_bytes_give_an_answer_within_the_limits)
{
    constexpr unsigned seed = 20'210'726;
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    const std::vector<std::string> pieces{"{",
                                          "}",
                                          "[",
                                          "]",
                                          "\"",
                                          ":",
                                          ",",
                                          "\\",
                                          "\\u",
                                          "d83d",
                                          "\"s\":",
                                          "\"t\":\"",
                                          "\"w\":",
                                          "s=",
                                          "p=",
                                          "&",
                                          "=",
                                          "%",
                                          "%4",
                                          "%41",
                                          "+",
                                          "1",
                                          "-",
                                          "e9",
                                          "null",
                                          "\xFF",
                                          "\xE1\xBA\xBF",
                                          "\xE1",
                                          std::string(1, '\0'),
                                          "\n",
                                          " "};
    for (int i = 0; i < 50'000; ++i) {
        std::string text = random() % 2 == 0 ? "{" : "";
        for (std::size_t n = random() % 30; n > 0; --n)
            text += random() % 8 == 0 ? std::string(1, static_cast<char>(random()))
                                      : pieces[random() % pieces.size()];
        for (const auto& p : {query(text), body(text)}) {
            if (p.error)
                continue;
            const bool good = p.fields.site.size() <= 32 && p.fields.page.size() <= 2000 &&
                              p.fields.title.size() <= 500 && luot::utf8::valid(p.fields.title) &&
                              luot::utf8::valid(p.fields.page) && p.fields.width <= 99'999;
            if (!good)
                BOOST_ERROR("seed " << seed << " text " << text);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace parse_test
