// The table of routes: what is answered, what is not there, and what is not allowed.

#include "core/http/router.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace router_test {

using namespace luot::http;

constexpr std::string_view cors = "Access-Control-Allow-Origin: *\r\n";

router table()
{
    router routes;
    const auto waiting = [](const request&) -> boost::asio::awaitable<response> {
        co_return response{};
    };
    routes.add(method::get, "/hit.gif", quick_handler([](exchange&) {}));
    routes.add(method::post, "/hit", quick_handler([](exchange&) {}));
    routes.add(method::get, "/api/v1/counts", waiting_handler(waiting));
    routes.add(method::post, "/api/v1/counts", waiting_handler(waiting));
    routes.add(method::get, "/stats/", waiting_handler(waiting));
    routes.set_common_headers(std::string(cors));
    return routes;
}

request asked(method m, std::string_view path)
{
    request r;
    r.method = m;
    r.path = path;
    return r;
}

BOOST_AUTO_TEST_SUITE(router_table)

BOOST_AUTO_TEST_CASE(a_route_is_found_by_method_and_path)
{
    const auto routes = table();
    BOOST_TEST(routes.find(asked(method::get, "/hit.gif")).quick);
    BOOST_TEST(routes.find(asked(method::post, "/hit")).quick);
    const auto get = routes.find(asked(method::get, "/api/v1/counts"));
    const auto post = routes.find(asked(method::post, "/api/v1/counts"));
    BOOST_TEST(get.waiting);
    BOOST_TEST(post.waiting);
    BOOST_TEST(get.waiting != post.waiting);
    BOOST_TEST(!get.quick);
}

BOOST_AUTO_TEST_CASE(a_path_is_exact_or_a_prefix_that_ends_in_a_slash)
{
    const auto routes = table();
    BOOST_TEST(routes.find(asked(method::get, "/stats/skhcn")).waiting);
    BOOST_TEST(routes.find(asked(method::get, "/stats/skhcn/more")).waiting);
    for (const char* path :
         {"", "/", "/stats", "/stats/", "/statsx/a", "/hit.gif/", "/hit.gifx", "/HIT.gif", "/hit/",
          "//hit", "/api/v1/counts/", "/api/v1/count", "*", "hit", "/hit\r\nX: y"}) {
        BOOST_TEST_CONTEXT("path " << path)
        {
            const auto found = routes.find(asked(method::get, path));
            BOOST_TEST(!found.quick);
            BOOST_TEST(!found.waiting);
            BOOST_TEST(found.refusal.status == 404);
            BOOST_TEST(found.refusal.headers == "Cache-Control: no-store\r\n" + std::string(cors));
            BOOST_TEST(found.refusal.body.starts_with(R"({"error":{"code":"not_found")"));
            BOOST_TEST(found.refusal.body.find("hit") == std::string::npos);  // no echo
        }
    }
}

BOOST_AUTO_TEST_CASE(another_method_is_told_which_are_allowed)
{
    const auto routes = table();
    const struct {
        method m;
        std::string path, allowed;
    } rows[] = {{method::post, "/hit.gif", "OPTIONS, GET"},
                {method::get, "/hit", "OPTIONS, POST"},
                {method::other, "/api/v1/counts", "OPTIONS, GET, HEAD, POST"},
                {method::post, "/stats/skhcn", "OPTIONS, GET, HEAD"}};
    for (const auto& row : rows) {
        BOOST_TEST_CONTEXT("path " << row.path)
        {
            const auto found = routes.find(asked(row.m, row.path));
            BOOST_TEST(!found.quick);
            BOOST_TEST(!found.waiting);
            BOOST_TEST(found.refusal.status == 405);
            BOOST_TEST(found.refusal.headers == "Cache-Control: no-store\r\n" + std::string(cors) +
                                                    "Allow: " + row.allowed + "\r\n");
        }
    }
}

// A link checker's HEAD of the pixel is no visit of anybody.
BOOST_AUTO_TEST_CASE(head_is_answered_only_where_get_has_no_effect)
{
    const auto routes = table();
    BOOST_TEST(routes.find(asked(method::head, "/api/v1/counts")).waiting);
    BOOST_TEST(routes.find(asked(method::head, "/stats/skhcn")).waiting);
    BOOST_TEST(routes.find(asked(method::head, "/hit.gif")).refusal.status == 405);
    BOOST_TEST(routes.find(asked(method::head, "/hit")).refusal.status == 405);
    BOOST_TEST(routes.find(asked(method::head, "/none")).refusal.status == 404);
}

// A browser asks before it sends what it may not send unasked.
BOOST_AUTO_TEST_CASE(options_tells_browsers_what_they_may_send)
{
    const auto routes = table();
    const auto found = routes.find(asked(method::options, "/api/v1/counts"));
    BOOST_TEST(found.refusal.status == 204);
    BOOST_TEST(found.refusal.body == "");
    for (const char* line :
         {"Access-Control-Allow-Origin: *\r\n", "Allow: OPTIONS, GET, HEAD, POST\r\n",
          "Access-Control-Allow-Methods: OPTIONS, GET, HEAD, POST\r\n",
          "Access-Control-Allow-Headers: Authorization, Content-Type\r\n",
          "Access-Control-Max-Age: 86400\r\n"}) {
        BOOST_TEST_CONTEXT("line " << line)
        BOOST_TEST(found.refusal.headers.find(line) != std::string::npos);
    }
    BOOST_TEST(routes.find(asked(method::options, "/none")).refusal.status == 404);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace router_test
