// Requests that are kept, query strings, and answers as bytes.

#include "core/http/message.hpp"

#include <boost/test/unit_test.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace message_test {

using namespace luot::http;
using namespace std::string_literals;

constexpr std::string_view date = "Mon, 26 Jul 2021 08:31:00 GMT";

std::string written(const response& r, bool keep_alive = true, bool with_body = true)
{
    std::string out;
    write_response(out, r, date, keep_alive, with_body);
    return out;
}

BOOST_AUTO_TEST_SUITE(http_message)

// The connection's buffer is another request's by the time a handler has waited.
BOOST_AUTO_TEST_CASE(a_kept_request_owns_all_of_its_bytes)
{
    constexpr std::string_view request::*fields[] = {&request::target,
                                                     &request::path,
                                                     &request::query,
                                                     &request::body,
                                                     &request::host,
                                                     &request::origin,
                                                     &request::referer,
                                                     &request::user_agent,
                                                     &request::forwarded_for,
                                                     &request::authorization,
                                                     &request::accept_encoding,
                                                     &request::if_none_match,
                                                     &request::content_type,
                                                     &request::hint_brands,
                                                     &request::hint_mobile,
                                                     &request::hint_platform};
    auto bytes = std::make_unique<std::vector<std::string>>();
    request in;
    in.method = method::post;
    in.keep_alive = false;
    in.http_1_0 = in.is_prefetch = in.global_privacy = in.do_not_track = true;
    in.peer[3] = 9;
    for (const auto field : fields) {
        (void)field;
        bytes->push_back("field " + std::to_string(bytes->size()) + " with some length to it");
    }
    for (std::size_t i = 0; i < std::size(fields); ++i)
        in.*fields[i] = (*bytes)[i];
    in.if_none_match = {};

    const owned_request kept(in);
    for (auto& text : *bytes)
        text.assign(text.size(), 'x');
    bytes.reset();

    for (std::size_t i = 0; i < std::size(fields); ++i) {
        BOOST_TEST_CONTEXT("field " << i)
        BOOST_TEST((kept.get().*fields[i]) ==
                   (fields[i] == &request::if_none_match
                        ? ""
                        : "field " + std::to_string(i) + " with some length to it"));
    }
    BOOST_TEST((kept.get().method == method::post));
    BOOST_TEST(!kept.get().keep_alive);
    BOOST_TEST(kept.get().http_1_0);
    BOOST_TEST(kept.get().is_prefetch);
    BOOST_TEST(kept.get().global_privacy);
    BOOST_TEST(kept.get().do_not_track);
    BOOST_TEST(kept.get().peer[3] == 9);
}

BOOST_AUTO_TEST_CASE(a_query_is_a_list_of_names_and_values)
{
    using values = std::vector<std::pair<std::string, std::string>>;
    const struct {
        std::string query;
        values is;
    } table[] = {{"", {}},
                 {"&&", {}},
                 {"a=1", {{"a", "1"}}},
                 {"a", {{"a", ""}}},
                 {"a=", {{"a", ""}}},
                 {"=1", {{"", "1"}}},
                 {"a=1&a=2&b=3", {{"a", "1"}, {"a", "2"}, {"b", "3"}}},
                 {"a=b=c", {{"a", "b=c"}}},
                 {"a+b=c+d", {{"a b", "c d"}}},
                 {"%61=%2F%2f%26", {{"a", "//&"}}},
                 {"a=%E1%BA%BF", {{"a", "ế"}}},
                 {"a=%00", {{"a", "\0"s}}},
                 {"a=%2", {{"a", "%2"}}},
                 {"a=%", {{"a", "%"}}},
                 {"a=%zz", {{"a", "%zz"}}},
                 {"a=%%41", {{"a", "%A"}}},
                 {"a=%41", {{"a", "A"}}},
                 {"a=%2541", {{"a", "%41"}}}};
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("query " << row.query)
        BOOST_TEST((query_values(row.query) == row.is));
    }
}

BOOST_AUTO_TEST_CASE(an_answer_is_complete)
{
    response r;
    r.status = 202;
    r.content_type = "application/json";
    r.headers = "Luot-Token: t\r\nCache-Control: no-store\r\n";
    r.body = "{}\r\n";
    BOOST_TEST(written(r) ==
               "HTTP/1.1 202 Accepted\r\nDate: Mon, 26 Jul 2021 08:31:00 GMT\r\n"
               "Content-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
               "Content-Length: 4\r\nLuot-Token: t\r\nCache-Control: no-store\r\n\r\n{}\r\n");
}

BOOST_AUTO_TEST_CASE(an_answer_that_ends_the_connection_says_so)
{
    response r;
    BOOST_TEST(written(r).find("Connection:") == std::string::npos);
    BOOST_TEST(written(r, false).find("\r\nConnection: close\r\n\r\n") != std::string::npos);
    r.close = true;
    BOOST_TEST(written(r).find("\r\nConnection: close\r\n\r\n") != std::string::npos);
}

// The length is that of the body which a GET would have had (RFC 9110, 9.3.2).
BOOST_AUTO_TEST_CASE(the_answer_to_head_has_a_length_and_no_body)
{
    response r;
    r.body = "0123456789";
    const auto head = written(r, true, false);
    BOOST_TEST(head.find("Content-Length: 10\r\n") != std::string::npos);
    BOOST_TEST(head.ends_with("\r\n\r\n"));
    BOOST_TEST(head + r.body == written(r));
}

// A body behind a 204 or 304 would be read as the next answer.
BOOST_AUTO_TEST_CASE(answers_without_a_body_have_none)
{
    for (const int status : {204, 304}) {
        BOOST_TEST_CONTEXT("status " << status)
        {
            response r;
            r.status = status;
            r.body = "must not be sent";
            r.headers = "ETag: \"x\"\r\n";
            const auto bytes = written(r);
            BOOST_TEST(bytes.ends_with("ETag: \"x\"\r\n\r\n"));
            BOOST_TEST(bytes.find("Content-") == std::string::npos);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_body_with_lines_in_it_stays_a_body)
{
    response r;
    r.body = "\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    const auto bytes = written(r);
    const auto end = bytes.find("\r\n\r\n");
    BOOST_TEST_REQUIRE(end != std::string::npos);
    BOOST_TEST(bytes.substr(0, end).find("Set-Cookie") == std::string::npos);
    BOOST_TEST(bytes.substr(end + 4) == r.body);
    BOOST_TEST(bytes.find("Content-Length: " + std::to_string(r.body.size()) + "\r\n") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(answers_are_appended)
{
    std::string out = "before";
    write_response(out, response{}, date, true, true);
    BOOST_TEST(out == "before" + written(response{}));
}

BOOST_AUTO_TEST_CASE(every_status_that_is_sent_has_its_phrase)
{
    for (const int status : {200, 202, 204, 304, 400, 401, 403, 404, 405, 408, 413, 429, 503}) {
        BOOST_TEST_CONTEXT("status " << status)
        {
            BOOST_TEST(!reason_phrase(status).empty());
            BOOST_TEST(reason_phrase(status) != reason_phrase(500));
        }
    }
    BOOST_TEST(reason_phrase(500) == "Internal Server Error");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace message_test
