// Lines as nginx 1.22, Apache 2.4 and Caddy write them, and as nobody should.

#include "import/log_line.hpp"

#include <boost/test/unit_test.hpp>
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace log_line_test {

using namespace luot::importer;

/// A line's fields, in strings of their own.
struct parsed {
    line_fault fault = line_fault::none;
    std::string host, client, method, target, protocol, referrer, user_agent;
    std::int64_t time_ms = 0;
    int status = 0;
    std::uint64_t bytes = 0;

    bool operator==(const parsed&) const = default;
};

parsed take(line_fault fault, const log_line& l)
{
    if (fault != line_fault::none) {
        parsed p;
        p.fault = fault;
        return p;
    }
    return {fault,
            std::string(l.host),
            std::string(l.client),
            std::string(l.method),
            std::string(l.target),
            std::string(l.protocol),
            std::string(l.referrer),
            std::string(l.user_agent),
            l.time_ms,
            l.status,
            l.bytes};
}

parsed parse(std::string_view line, log_syntax syntax)
{
    line_parser parser(std::move(syntax));
    log_line out;
    const auto fault = parser.parse(line, out);
    return take(fault, out);
}

parsed parse(std::string_view line, log_format format = log_format::combined)
{
    return parse(line, {format, {}, false});
}

line_fault fault_of(std::string_view line, log_format format = log_format::combined)
{
    return parse(line, format).fault;
}

/// Puts a client, a time and a request before what the test is about.
std::string combined(std::string_view request, std::string_view behind)
{
    return fmt::format("127.0.0.1 - - [28/Nov/2026:09:46:34 +0000] \"{}\" {}", request, behind);
}

constexpr std::int64_t time_ms = 1'795'859'194'000;  // date -d 2026-11-28T09:46:34Z +%s

constexpr std::string_view tls = "\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03\"\\";

std::string bytes(std::string_view text, std::size_t size)
{
    return {text.data(), size};
}

BOOST_AUTO_TEST_SUITE(log_lines)

BOOST_AUTO_TEST_CASE(a_combined_line_has_all_its_fields)
{
    const parsed expected{line_fault::none,
                          "",
                          "83.149.9.216",
                          "GET",
                          "/blog/geekery/x.html?a=b",
                          "HTTP/1.1",
                          "http://semicomplete.com/",
                          "Mozilla/5.0 (X11; Linux x86_64) Firefox/24.0",
                          1'431'857'103'000,
                          200,
                          203'023};
    const std::string line =
        "83.149.9.216 - - [17/May/2015:10:05:03 +0000] \"GET /blog/geekery/x.html?a=b HTTP/1.1\" "
        "200 "
        "203023 \"http://semicomplete.com/\" \"Mozilla/5.0 (X11; Linux x86_64) Firefox/24.0\"";
    BOOST_TEST((parse(line) == expected));
    BOOST_TEST((parse(line + "\r") == expected));
    BOOST_TEST((parse(line + " \"10.0.0.1\" 0.003") == expected));  // more fields behind

    auto without = expected;
    without.referrer = without.user_agent = "";
    BOOST_TEST((parse(line, log_format::common) == without));

    auto with_host = expected;
    with_host.host = "example.vn";
    BOOST_TEST((parse("example.vn:443 " + line, log_format::vhost_combined) == with_host));
    BOOST_TEST((parse("example.vn " + line, log_format::vhost_combined) == with_host));
    with_host.host = "[2001:db8::1]";
    BOOST_TEST((parse("[2001:db8::1]:8080 " + line, log_format::vhost_combined) == with_host));
    BOOST_TEST((parse("[2001:db8::1] " + line, log_format::vhost_combined) == with_host));
    // nginx's $host of a request that named none.
    BOOST_TEST((parse(" " + line, log_format::vhost_combined) == expected));
    BOOST_TEST((parse("- " + line, log_format::vhost_combined) == expected));
}

BOOST_AUTO_TEST_CASE(requests_are_taken_apart)
{
    const struct {
        std::string_view logged;
        int status;
        std::string method, target, protocol;
    } table[] = {
        // nginx
        {R"(GET /bai-viet/%C6%B0?x=\x221\x22&y=\x5Cz HTTP/1.1)", 404, "GET",
         R"(/bai-viet/%C6%B0?x="1"&y=\z)", "HTTP/1.1"},
        {R"(GET /\xC6\xB0\xE1\xBB\x9D HTTP/1.1)", 404, "GET", "/ườ", "HTTP/1.1"},
        {R"(\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03\x22\x5C)", 400, "", bytes(tls.data(), 13),
         ""},
        {"", 400, "", "", ""},
        {"GET /a b c HTTP/1.1", 400, "GET", "/a b c", "HTTP/1.1"},
        {"GET /old", 404, "GET", "/old", ""},
        {"get / HTTP/1.1", 400, "", "get / HTTP/1.1", ""},
        {"-", 400, "", "", ""},
        {"GET / HTTP/1.1", 499, "GET", "/", "HTTP/1.1"},
        {"GET http://example.vn/abs HTTP/1.1", 404, "GET", "http://example.vn/abs", "HTTP/1.1"},
        {"PRI * HTTP/2.0", 400, "PRI", "*", "HTTP/2.0"},
        {"GET / HTTP/3.0", 200, "GET", "/", "HTTP/3.0"},
        // Apache
        {R"(GET /bai-viet/%C6%B0?x=\"1\"&y=\\z HTTP/1.1)", 404, "GET",
         R"(/bai-viet/%C6%B0?x="1"&y=\z)", "HTTP/1.1"},
        {R"(GET /\xc6\xb0\xe1\xbb\x9d HTTP/1.1)", 404, "GET", "/ườ", "HTTP/1.1"},
        {R"(\x16\x03\x01\x02)", 400, "", "\x16\x03\x01\x02", ""},
        {R"(GET /a\tb\n HTTP/1.1)", 400, "GET", "/a\tb\n", "HTTP/1.1"},
        {"GET /a b", 400, "GET", "/a b", ""},
        {"M-SEARCH * HTTP/1.1", 400, "M-SEARCH", "*", "HTTP/1.1"},
        {R"(GET /\\)", 404, "GET", "/\\", ""},
        // Neither
        {"GET  HTTP/1.1", 400, "GET", "", "HTTP/1.1"},
        {"GET", 400, "", "GET", ""},
        {"GET ", 400, "GET", "", ""},
        {" / HTTP/1.1", 400, "", " / HTTP/1.1", ""},
        {R"(GET /?q="a b" HTTP/1.1)", 200, "GET", R"(/?q="a b")", "HTTP/1.1"},
        {R"(GET /\q\x4\xZZ\ HTTP/1.1)", 200, "GET", R"(/\q\x4\xZZ\)", "HTTP/1.1"},
        {"GET /[17/May/2015:10:05:03 +0000] HTTP/1.1", 200, "GET", "/[17/May/2015:10:05:03 +0000]",
         "HTTP/1.1"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("request " << row.logged)
        {
            const auto p =
                parse(combined(row.logged, fmt::format("{} 157 \"-\" \"-\"", row.status)));
            BOOST_TEST(describe(p.fault) == describe(line_fault::none));
            BOOST_TEST(p.method == row.method);
            BOOST_TEST(p.target == row.target);
            BOOST_TEST(p.protocol == row.protocol);
            BOOST_TEST(p.status == row.status);
            BOOST_TEST(p.bytes == 157);
            BOOST_TEST(p.time_ms == time_ms);
        }
    }
}

BOOST_AUTO_TEST_CASE(referrers_and_user_agents_are_what_the_client_sent)
{
    const struct {
        std::string_view logged;
        std::string referrer, user_agent;
    } table[] = {
        {R"("https://x.vn/?q=\x22a b\x22" "My \x22quoted\x22 \x5C agent\x09\xC6\xB0")",
         R"(https://x.vn/?q="a b")", "My \"quoted\" \\ agent\tư"},
        {R"("https://x.vn/?q=\"a b\"" "My \"quoted\" \\ agent\t\xc6\xb0")",
         R"(https://x.vn/?q="a b")", "My \"quoted\" \\ agent\tư"},
        {R"("-" "-")", "", ""},
        {R"("" "")", "", ""},
        {R"("-" "\x2D")", "", "-"},
        {R"("-" "\"quoted\"")", "", "\"quoted\""},
        {R"("-" "ends in \\")", "", "ends in \\"},
        // A server that leaves quotes as they are.
        {R"("-" "a "b"c d")", "", "a \"b\"c d"},
        // Cut by a limit of the logger, as one line of the log of 2015.
        {R"("-" "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "",
         "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html"},
        {R"("-" "cut within an escape\x4)", "", R"(cut within an escape\x4)"},
        {R"("-" "cut behind a backslash\)", "", R"(cut behind a backslash\)"},
        {R"("-" ")", "", ""},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("logged " << row.logged)
        {
            const auto p = parse(combined("GET / HTTP/1.1", fmt::format("200 3 {}", row.logged)));
            BOOST_TEST(describe(p.fault) == describe(line_fault::none));
            BOOST_TEST(p.referrer == row.referrer);
            BOOST_TEST(p.user_agent == row.user_agent);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_client_is_an_address_without_port)
{
    const struct {
        std::string_view logged;
        std::string client;
    } table[] = {
        {"1.2.3.4", "1.2.3.4"},
        {"255.255.255.255", "255.255.255.255"},
        {"1.2.3.4:56789", "1.2.3.4"},
        {"::1", "::1"},
        {"2001:db8::7:443", "2001:db8::7:443"},  // without brackets there is no port
        {"[2001:db8::7]:443", "2001:db8::7"},
        {"[2001:db8::7]", "2001:db8::7"},
        {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
    };
    for (const auto& row : table) {
        const auto p = parse(
            fmt::format("{} - - [28/Nov/2026:09:46:34 +0000] \"-\" 408 - \"-\" \"-\"", row.logged));
        BOOST_TEST(describe(p.fault) == describe(line_fault::none), row.logged);
        BOOST_TEST(p.client == row.client);
    }
    for (const std::string_view logged :
         {"-", "", "unix:", "crawl-1.example.com", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4.5",
          "1..2.3", "1.2.3.4,", "example.vn:443", ":::", "[::1", "1.2.3.4:x"}) {
        const auto line =
            fmt::format("{} - - [28/Nov/2026:09:46:34 +0000] \"-\" 408 - \"-\" \"-\"", logged);
        BOOST_TEST((fault_of(line) == line_fault::no_client), logged);
    }
    const auto named = [](std::string_view client) {
        return parse(fmt::format("{} - - [28/Nov/2026:09:46:34 +0000] \"-\" 408 -", client),
                     {log_format::common, {}, true});
    };
    BOOST_TEST(named("crawl-1.example.com").client == "crawl-1.example.com");
    BOOST_TEST(named("1.2.3.4").client == "1.2.3.4");
    for (const std::string_view none : {"-", "", "a/b", "\x16"})
        BOOST_TEST((named(none).fault == line_fault::no_client), none);
}

BOOST_AUTO_TEST_CASE(a_user_may_have_any_name)
{
    // As nginx and Apache log a user called: j [d] "q"\.
    for (const std::string_view user :
         {R"(j [d] \x22q\x22\x5C)", R"(j [d] \"q\"\\)", "a [17/May/2015:10:05:03] b", "[", "]",
          "[17/May/2015:10:05:03 +0000)"}) {
        const auto p = parse(fmt::format(
            "1.2.3.4 - {} [28/Nov/2026:09:46:34 +0000] \"GET / HTTP/1.1\" 200 3 \"-\" \"x\"",
            user));
        BOOST_TEST(describe(p.fault) == describe(line_fault::none), user);
        BOOST_TEST(p.time_ms == time_ms, user);
        BOOST_TEST(p.target == "/", user);
    }
}

BOOST_AUTO_TEST_CASE(dashes_are_nothing)
{
    const auto p = parse("1.2.3.4 - - [28/Nov/2026:09:46:34 +0000] \"-\" - - \"-\" \"-\"");
    parsed expected;
    expected.client = "1.2.3.4";
    expected.time_ms = time_ms;
    BOOST_TEST((p == expected));
}

BOOST_AUTO_TEST_CASE(a_damaged_line_says_what_is_missing)
{
    const std::string nuls(300, '\0');
    const struct {
        std::string line;
        line_fault fault;
    } table[] = {
        {"", line_fault::empty},
        {" \t ", line_fault::empty},
        {"\r", line_fault::empty},
        {std::string(max_line_bytes + 1, 'x'), line_fault::too_long},
        {nuls, line_fault::no_client},
        {nuls + combined("GET / HTTP/1.1", "200 3 \"-\" \"-\""), line_fault::no_client},
        {"ari/537.36\"", line_fault::no_client},
        {"1.2.3.4", line_fault::no_time},
        {"1.2.3.4 - - ", line_fault::no_time},
        {"1.2.3.4 - - [28/Nov/2026:09:46:34 +0000", line_fault::no_time},
        {"1.2.3.4 - - [31/Nov/2026:09:46:34 +0000] \"-\" 408 - \"-\" \"-\"", line_fault::no_time},
        {"1.2.3.4 - - 2026-11-28T09:46:34Z \"-\" 408 - \"-\" \"-\"", line_fault::no_time},
        {"1.2.3.4 - - [28/Nov/2026:09:46:34 +0000]", line_fault::no_request},
        {"1.2.3.4 - - [28/Nov/2026:09:46:34 +0000] GET / 200 3", line_fault::no_request},
        {"1.2.3.4 - - [28/Nov/2026:09:46:34 +0000] \"GET / HTTP/1.1", line_fault::no_request},
        {"1.2.3.4 - - [28/Nov/2026:09:46:34 +0000] \"GET / HTTP/1.1\"", line_fault::no_request},
        {"1.2.3.4 - - [28/Nov/2026:09:46:34 +0000] \"GET / HTTP/1.1\" ", line_fault::no_request},
        {combined("GET / HTTP/1.1", "2x0 3 \"-\" \"-\""), line_fault::no_status},
        {combined("GET / HTTP/1.1", "2000 3 \"-\" \"-\""), line_fault::no_status},
        {combined("GET / HTTP/1.1", "200"), line_fault::no_bytes},
        {combined("GET / HTTP/1.1", "200 \"-\" \"-\""), line_fault::no_bytes},
        {combined("GET / HTTP/1.1", "200 12345678901234567890 \"-\" \"-\""), line_fault::no_bytes},
        {combined("GET / HTTP/1.1", "200 -1 \"-\" \"-\""), line_fault::no_bytes},
        {combined("GET / HTTP/1.1", "200 3"), line_fault::no_referrer},
        {combined("GET / HTTP/1.1", "200 3 \"http"), line_fault::no_referrer},
        {combined("GET / HTTP/1.1", "200 3 \"-\""), line_fault::no_user_agent},
        {combined("GET / HTTP/1.1", "200 3 \"-\" -"), line_fault::no_user_agent},
        // Two lines in one, as after a disk that was full.
        {combined("GET /a", "").substr(0, 60) + combined("GET / HTTP/1.1", "200 3 \"-\" \"-\""),
         line_fault::no_status},
    };
    for (const auto& row : table)
        BOOST_TEST(describe(fault_of(row.line)) == describe(row.fault),
                   row.line.substr(0, 100) << ": " << describe(fault_of(row.line)));
}

BOOST_AUTO_TEST_CASE(a_log_of_another_format_does_not_pass)
{
    const auto line = combined("GET / HTTP/1.1", "200 3 \"-\" \"x\"");
    const auto common = combined("GET / HTTP/1.1", "200 3");
    BOOST_TEST((fault_of("example.vn:443 " + line) == line_fault::no_client));
    BOOST_TEST((fault_of("example.vn " + line) == line_fault::no_client));
    BOOST_TEST((fault_of(line, log_format::vhost_combined) == line_fault::no_client));
    BOOST_TEST((fault_of(common) == line_fault::no_referrer));
    BOOST_TEST((fault_of(line, log_format::json) == line_fault::not_json));
    BOOST_TEST((fault_of("{\"remote_addr\":\"1.2.3.4\"}") == line_fault::no_client));
}

BOOST_AUTO_TEST_CASE(formats_and_faults_have_names)
{
    BOOST_TEST((find_format("vhost_combined") == log_format::vhost_combined));
    BOOST_TEST((find_format("json") == log_format::json));
    BOOST_TEST(!find_format("Combined"));
    BOOST_TEST(!find_format(""));
    for (std::size_t i = 0; i < line_faults; ++i)
        BOOST_TEST(!describe(static_cast<line_fault>(i)).empty());
    BOOST_TEST(describe(line_fault::no_user_agent) == "no user agent");
}

const std::string nginx_json =
    R"({"time_iso8601":"2026-11-28T09:46:34+00:00","msec":"1795859194.409","remote_addr":"127.0.0.1",)"
    R"("host":"example.vn","request":"GET / HTTP/1.1","request_method":"GET","request_uri":"/",)"
    R"("server_protocol":"HTTP/1.1","status":200,"body_bytes_sent":3,)"
    R"("http_referer":"https://x.vn/?q=\"a b\"","http_user_agent":"My \"quoted\" \\ agent\tư"})";

const std::string caddy_json =
    R"({"level":"info","ts":1646861401.5241024,"logger":"http.log.access","msg":"handled request",)"
    R"("request":{"remote_ip":"127.0.0.1","remote_port":"41342","client_ip":"127.0.0.1",)"
    R"("proto":"HTTP/2.0","method":"GET","host":"localhost:8443","uri":"/a?b=\u003cc\u0026d\u003e",)"
    R"("headers":{"User-Agent":["curl/7.82.0"],"Accept":["*/*"],"Accept-Encoding":["gzip, deflate"],)"
    R"("Referer":["https://x.vn/\ud83d\ude00"]},"tls":{"resumed":false,"version":772,"proto":"h2"}},)"
    R"("bytes_read": 0,"user_id": "","duration":0.000929675,"size":10900,"status":200,)"
    R"("resp_headers":{"Server":["Caddy"],"Content-Type":["text/html; charset=utf-8"]}})";

BOOST_AUTO_TEST_CASE(json_of_nginx_is_read_by_the_names_of_its_variables)
{
    const auto p = parse(nginx_json, log_format::json);
    const parsed expected{line_fault::none,
                          "example.vn",
                          "127.0.0.1",
                          "GET",
                          "/",
                          "HTTP/1.1",
                          "https://x.vn/?q=\"a b\"",
                          "My \"quoted\" \\ agent\tư",
                          time_ms,
                          200,
                          3};
    BOOST_TEST((p == expected));

    // What stands there for a TLS handshake: method and target are empty, the request is not.
    const auto garbage = parse(
        "{\"time_iso8601\":\"2026-11-28T09:46:34+00:00\",\"remote_addr\":\"127.0.0.1\",\"host\":"
        "\"\","
        "\"request\":"
        "\"\\u0016\\u0003\\u0001\\u0002\\u0000\\u0001\\u0000\\u0001\xFC\\u0003\\u0003\\\"\\\\\","
        "\"request_method\":\"\",\"request_uri\":\"\",\"server_protocol\":\"\",\"status\":400,"
        "\"body_bytes_sent\":157,\"http_referer\":\"\",\"http_user_agent\":\"\"}",
        log_format::json);
    BOOST_TEST(describe(garbage.fault) == describe(line_fault::none));
    BOOST_TEST(garbage.method.empty());
    BOOST_TEST(garbage.target == bytes(tls.data(), 13));

    // With escape=default, which is no JSON, and numbers in quotes.
    json_fields fields;
    BOOST_TEST(fields.set("time", "time_local"));
    const auto lax =
        parse(R"({"time_local":"28/Nov/2026:09:46:34 +0000","remote_addr":"127.0.0.1",)"
              R"("request":"GET /?x=\x221\x22 HTTP/1.1","status":"200","body_bytes_sent":"3",)"
              R"("http_user_agent":"My \x22quoted\x22 \x5C agent\x09\xC6\xB0"})",
              {log_format::json, fields, false});
    BOOST_TEST(describe(lax.fault) == describe(line_fault::none));
    BOOST_TEST(lax.target == "/?x=\"1\"");
    BOOST_TEST(lax.user_agent == "My \"quoted\" \\ agent\tư");
    BOOST_TEST(lax.status == 200);
    BOOST_TEST(lax.bytes == 3);
    BOOST_TEST(lax.time_ms == time_ms);
}

BOOST_AUTO_TEST_CASE(json_of_caddy_is_read_through_its_objects)
{
    const auto p = parse(caddy_json, {log_format::json, json_fields::caddy(), false});
    const parsed expected{
        line_fault::none, "localhost",   "127.0.0.1",       "GET", "/a?b=<c&d>", "HTTP/2.0",
        "https://x.vn/😀", "curl/7.82.0", 1'646'861'401'524, 200,   10'900};
    BOOST_TEST((p == expected));
}

BOOST_AUTO_TEST_CASE(json_fields_are_found_wherever_they_are)
{
    const auto read = [](std::string_view json) {
        json_fields f;
        f.client = "a.b.c";
        f.time = "t";
        f.request = "";
        f.method = "m";
        f.target = "a.b";
        return parse(json, {log_format::json, f, false});
    };
    const std::string rest = R"(,"t":0,"m":"GET","status":204})";
    const auto is_read = [&](const std::string& json) {
        const auto p = read(json + rest);
        return p.fault == line_fault::none && p.client == "1.2.3.4" && p.method == "GET" &&
               p.status == 204 && p.target == "/";
    };
    BOOST_TEST(is_read(R"({"a":{"b":"/"},"a":{"b":{"c":"1.2.3.4"}})"));
    BOOST_TEST(is_read(R"({"a.b":"/","a.b.c":"1.2.3.4")"));    // names with points
    BOOST_TEST(is_read(R"({"a":{"b.c":"1.2.3.4","b":"/"})"));  // the same
    BOOST_TEST(
        is_read(R"({"a":{"x":{"b":{"c":"9.9.9.9"}},"b":"/"},"a.b":{"c":["1.2.3.4","9.9.9.9"]})"));
    BOOST_TEST(is_read(R"( { "\u0061" : { "b" : "\/" , "b.c" :	"1.2.3.4" } )"));
    BOOST_TEST(is_read(
        R"({"x":[1,[2,{"a":"}]"}],"\\"],"y":{},"z":[],"a.b":"/","a.b.c":"9.9.9.9","a.b.c":"1.2.3.4")"));
    BOOST_TEST(!is_read(R"({"aa":{"b":"/"},"a":{"bb":"/","b":{"cc":"1.2.3.4"}})"));
    BOOST_TEST((read(R"({"a.b.c":["1.2.3.4"],"a.b":[])" + rest).fault == line_fault::no_request));
    BOOST_TEST((read(R"({"a.b.c":null,"a.b":"/")" + rest).fault == line_fault::no_client));
    BOOST_TEST((read(R"({"a.b.c":true,"a.b":"/")" + rest).fault == line_fault::no_client));

    json_fields f;
    BOOST_TEST(f.set("user_agent", "headers.ua"));
    BOOST_TEST(f.user_agent == "headers.ua");
    BOOST_TEST(!f.set("agent", "x"));
}

BOOST_AUTO_TEST_CASE(json_that_misses_something_says_what)
{
    const struct {
        std::string_view json;
        line_fault fault;
    } table[] = {
        {R"({})", line_fault::no_client},
        {R"({"remote_addr":"1.2.3.4"})", line_fault::no_time},
        {R"({"remote_addr":"1.2.3.4","time_iso8601":"2026-11-28"})", line_fault::no_time},
        {R"({"remote_addr":"1.2.3.4","time_iso8601":0})", line_fault::no_request},
        {R"({"remote_addr":"1.2.3.4","time_iso8601":0,"request_method":"GET"})",
         line_fault::no_request},
        {R"({"remote_addr":"1.2.3.4","time_iso8601":0,"request":"-"})", line_fault::no_status},
        {R"({"remote_addr":"1.2.3.4","time_iso8601":0,"request":"-","status":20.5})",
         line_fault::no_status},
        {R"({"remote_addr":"1.2.3.4","time_iso8601":0,"request":"-","status":0})",
         line_fault::none},
        {R"({"remote_addr":"1.2.3.4","time_iso8601":0,"request":"-","status":0,"body_bytes_sent":"x"})",
         line_fault::no_bytes},
    };
    for (const auto& row : table)
        BOOST_TEST(describe(fault_of(row.json, log_format::json)) == describe(row.fault), row.json);
    for (const std::string_view json :
         {"{", "}", "[]", "null", "\"\"", "{}{}", "{} x", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
          "{,}", "{\"a\":1 \"b\":2}", "{\"a\":\"}", "{\"a\":\"\\\"}", "{\"a\":[}", "{\"a\":{]",
          "{a:1}", "{\"a\":1]", "nginx: {\"a\":1}"})
        BOOST_TEST((fault_of(json, log_format::json) == line_fault::not_json), json);
    BOOST_TEST((fault_of(std::string_view("{}\0", 3), log_format::json) == line_fault::not_json));
    // However deep: no stack is used up.
    const std::string deep(30'000, '[');
    BOOST_TEST((fault_of("{\"a\":" + deep + "}", log_format::json) == line_fault::not_json));
    BOOST_TEST((fault_of("{\"a\":" + deep + std::string(30'000, ']') + "}", log_format::json) ==
                line_fault::no_client));
}

BOOST_AUTO_TEST_CASE(a_line_cut_at_any_byte_is_damaged_or_a_line)
{
    const struct {
        std::string line;
        log_syntax syntax;
    } table[] = {
        {combined(R"(GET /\xC6\xB0?x=\"1\" HTTP/1.1)",
                  R"(200 203023 "https://x.vn/?q=\"a\"" "M \x22q\x22")"),
         {}},
        {combined("GET / HTTP/1.1", "200 203023"), {log_format::common, {}, false}},
        {"[::1]:443 " + combined("\\x16\\x03", R"(400 - "-" "-")"),
         {log_format::vhost_combined, {}, false}},
        {nginx_json, {log_format::json, {}, false}},
        {caddy_json, {log_format::json, json_fields::caddy(), false}},
    };
    for (const auto& row : table) {
        const auto whole = parse(row.line, row.syntax);
        BOOST_TEST_REQUIRE((whole.fault == line_fault::none));
        for (std::size_t size = 0; size < row.line.size(); ++size) {
            // In memory of its own size: a read beyond it is seen by the sanitizer.
            const std::vector<char> cut(row.line.begin(),
                                        row.line.begin() + static_cast<std::ptrdiff_t>(size));
            const auto p = parse({cut.data(), cut.size()}, row.syntax);
            BOOST_TEST_CONTEXT("cut at " << size << " of " << row.line)
            {
                if (row.syntax.format == log_format::json)
                    BOOST_TEST((p.fault != line_fault::none));
                if (p.fault == line_fault::none) {  // only the last field may be shorter
                    BOOST_TEST(p.target == whole.target);
                    BOOST_TEST(p.status == whole.status);
                    BOOST_TEST(p.referrer == whole.referrer);
                }
            }
        }
    }
}

/// Any bytes, more often those that mean something in a line; never a line feed, which ends it.
std::string any_text(std::mt19937& random, std::size_t most, std::string_view without = "")
{
    constexpr std::string_view likely = "\"\\ x2[]-:{},/?=%\t";
    std::string text;
    for (auto size = random() % (most + 1); text.size() < size;) {
        const auto c = random() % 2 == 0 ? likely[random() % likely.size()]
                                         : static_cast<char>(random() % 256);
        if (without.find(c) == std::string_view::npos)
            text += c;
    }
    return text;
}

enum class writer { nginx, apache, json };

/// A field as that server logs it.
std::string escaped(std::string_view text, writer w)
{
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool is_plain = byte >= 0x20 && (byte < 0x7F || w == writer::json);
        if ((c == '"' || c == '\\') && w != writer::nginx)
            out += fmt::format("\\{}", c);
        else if (is_plain && c != '"' && c != '\\')
            out += c;
        else if (w == writer::json)
            out += fmt::format("\\u{:04X}", byte);
        else if (w == writer::apache && c == '\t')
            out += "\\t";
        else if (w == writer::nginx)
            out += fmt::format("\\x{:02X}", byte);
        else
            out += fmt::format("\\x{:02x}", byte);
    }
    return out;
}

/// "17/May/2015:10:05:03 +0730" of a random time, and that time.
std::string any_time(std::mt19937& random, std::int64_t& unix_ms)
{
    const auto seconds = static_cast<std::int64_t>(86'400 + random() % 4'000'000'000);
    const int offset =
        static_cast<int>(random() % 105) * 15 - 12 * 60;  // minutes: -12:00 to +14:00
    const std::time_t local = seconds + offset * 60;
    std::tm parts{};
    ::gmtime_r(&local, &parts);
    char text[64];
    std::strftime(text, sizeof text, "%d/%b/%Y:%H:%M:%S", &parts);
    unix_ms = seconds * 1000;
    return fmt::format("{} {}{:02}{:02}", text, offset < 0 ? '-' : '+', std::abs(offset) / 60,
                       std::abs(offset) % 60);
}

std::string or_dash(const std::string& text)
{
    return text.empty() ? "-" : text;
}

BOOST_AUTO_TEST_CASE(a_line_that_was_written_is_read_as_it_was)
{
    std::mt19937 random(5);
    line_parser text_parsers[] = {line_parser{{log_format::common, {}, false}},
                                  line_parser{{log_format::combined, {}, false}},
                                  line_parser{{log_format::vhost_combined, {}, false}},
                                  line_parser{{log_format::json, {}, false}}};
    constexpr std::string_view clients[] = {"1.2.3.4", "203.0.113.255", "::1", "2001:db8::ff00:42"};
    constexpr std::string_view methods[] = {"GET", "HEAD", "POST", "M-SEARCH"};
    for (int i = 0; i < 20'000; ++i) {
        const auto format = static_cast<log_format>(random() % 4);
        const auto w = format == log_format::json ? writer::json
                       : random() % 2 == 0        ? writer::nginx
                                                  : writer::apache;
        parsed expected;
        const auto time = any_time(random, expected.time_ms);
        expected.client = clients[random() % 4];
        expected.method = methods[random() % 4];
        // A space may stand in it, but not where it would look like the end.
        expected.target = "/" + any_text(random, 40) + "x";
        expected.protocol = "HTTP/1.1";
        expected.status = static_cast<int>(random() % 1000);
        expected.bytes = random() % 3 == 0 ? 0 : random();
        if (format != log_format::common) {
            expected.referrer = any_text(random, 60);
            expected.user_agent = any_text(random, 60);
            if (expected.referrer == "-")
                expected.referrer = "";
            if (expected.user_agent == "-")
                expected.user_agent = "";
        }
        if (format == log_format::vhost_combined || format == log_format::json)
            expected.host = "example.vn";

        std::string line;
        if (format == log_format::json) {
            line = fmt::format(
                R"({{"x":"{}","time_iso8601":"{}","remote_addr":"{}","host":"{}:443","request_method":"{}",)"
                R"("request_uri":"{}","server_protocol":"{}","status":{},"http_referer":"{}",)"
                R"("http_user_agent":"{}","body_bytes_sent":"{}"}})",
                escaped(any_text(random, 20), w), time, expected.client, expected.host,
                expected.method, escaped(expected.target, w), expected.protocol, expected.status,
                escaped(expected.referrer, w), escaped(expected.user_agent, w), expected.bytes);
        } else {
            line =
                fmt::format("{} - {} [{}] \"{} {} {}\" {:03} {}", expected.client,
                            escaped(or_dash(any_text(random, 10, "[")), w), time, expected.method,
                            escaped(expected.target, w), expected.protocol, expected.status,
                            expected.bytes == 0 ? "-" : std::to_string(expected.bytes));
            if (format != log_format::common)
                line += fmt::format(" \"{}\" \"{}\"", or_dash(escaped(expected.referrer, w)),
                                    or_dash(escaped(expected.user_agent, w)));
            if (format == log_format::vhost_combined)
                line = expected.host + ":80 " + line;
        }
        // The same parser for all: what it has read before must not show.
        log_line out;
        auto& parser = text_parsers[static_cast<std::size_t>(format)];
        const auto fault = parser.parse(line, out);
        const auto read = take(fault, out);
        BOOST_TEST_REQUIRE((read == expected), "line " << i << ": " << line << "\n"
                                                       << describe(read.fault) << " target "
                                                       << read.target << " agent "
                                                       << read.user_agent);
    }
}

BOOST_AUTO_TEST_CASE(a_field_as_long_as_a_line_may_be_is_unescaped)
{
    std::string agent;
    while (agent.size() < 16'000)
        agent += "\"\\\t\x01";
    for (const auto format : {log_format::combined, log_format::json}) {
        const auto w = format == log_format::json ? writer::json : writer::apache;
        const auto logged = escaped(agent, w);
        auto line = format == log_format::json
                        ? R"({"remote_addr":"1.2.3.4","time_iso8601":0,"request":"\\","status":1,)"
                          R"("http_user_agent":")" +
                              logged + "\"}"
                        : combined("\\\\", "1 2 \"\\\\\" \"" + logged + "\"");
        BOOST_TEST_REQUIRE(line.size() <= max_line_bytes);
        const auto p = parse(line, format);
        BOOST_TEST(describe(p.fault) == describe(line_fault::none));
        BOOST_TEST(p.target == "\\");
        BOOST_TEST((p.user_agent == agent));
    }
}

BOOST_AUTO_TEST_CASE(half_a_surrogate_pair_is_replaced)
{
    const auto agent = [](std::string_view json) {
        return parse(fmt::format(R"({{"remote_addr":"1.2.3.4","time_iso8601":0,"request":"-",)"
                                 R"("status":200,"http_user_agent":"{}"}})",
                                 json),
                     log_format::json)
            .user_agent;
    };
    BOOST_TEST(agent(R"(\ud83d\ude00)") == "😀");
    BOOST_TEST(agent(R"(\uD83D)") == "\uFFFD");
    BOOST_TEST(agent(R"(\ude00\ud83dx)") == "\uFFFD\uFFFDx");
    BOOST_TEST(agent(R"(\ud83d\u0041)") == "\uFFFDA");
    BOOST_TEST(agent(R"(\u00e9\u20AC)") == "é€");
    BOOST_TEST(agent(R"(\u12)") == R"(\u12)");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace log_line_test
