// Page addresses: each rule of docs/paths.md, and that normalising twice is normalising once.

#include "core/path.hpp"

#include "core/config.hpp"
#include "core/utf8.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utf8proc.h>
#include <vector>

namespace path_test {

using namespace luot;

site_config news_site()
{
    site_config site;
    site.id = "skhcn";
    site.hosts = {"skhcn.example.vn", "*.tin.example.vn", "xn--tn-min-iva0322d.vn"};
    return site;
}

site_config site_with_hosts_in_paths()
{
    site_config site = news_site();
    site.path_host = true;
    return site;
}

/// The path, or the error's text in angle brackets.
std::string normalised(std::string_view address, const site_config& site = news_site(),
                       std::string_view fallback_host = "")
{
    std::string path = "left from before";
    const auto error = normalise_page(address, site, fallback_host, path, nullptr);
    if (error == make_error_code(errc::bad_path))
        return path.empty() ? "<bad_path>" : "<bad_path with a path>";
    if (error == make_error_code(errc::foreign_host))
        return path.empty() ? "<foreign_host>" : "<foreign_host with a path>";
    return error ? error.message() : path;
}

std::string referrer_of(std::string_view address)
{
    std::string referrer = "left from before";
    normalise_referrer(address, news_site(), referrer);
    return referrer;
}

bool is_nfc(const std::string& text)
{
    const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> composed(
        utf8proc_NFC(reinterpret_cast<const utf8proc_uint8_t*>(text.c_str())), &std::free);
    return composed && text == reinterpret_cast<const char*>(composed.get());
}

struct spelling {
    std::string address, path;
};

void check(const std::vector<spelling>& table, const site_config& site = news_site())
{
    for (const auto& [address, path] : table) {
        BOOST_TEST_CONTEXT("address " << address)
        BOOST_TEST(normalised(address, site) == path);
    }
}

BOOST_AUTO_TEST_SUITE(path)

// What an editor pastes, a reader shares and a search engine links must find one count.
BOOST_AUTO_TEST_CASE(all_spellings_of_a_page_are_one_path)
{
    for (const char* address : {"/tin-tuc/bài",
                                "/tin-tuc/bài/",
                                "/tin-tuc/b%C3%A0i",
                                "/tin-tuc/b%c3%a0i",
                                "/tin-tuc/ba\xCC\x80i",
                                "/tin-tuc/ba%CC%80i",
                                "/tin-tuc/%62%C3%A0%69",
                                "//tin-tuc//bài//",
                                "/tin-tuc/./x/../bài",
                                "/tin-tuc/%2e/x/%2E%2e/bài",
                                " /tin-tuc/bài ",
                                "tin-tuc/bài",
                                "./tin-tuc/bài",
                                "/../tin-tuc/bài",
                                "/tin-tuc/bài#binh-luan",
                                "/tin-tuc/bài?",
                                "/tin-tuc/bài?fbclid=1",
                                "/tin-tuc/bài?utm_source=zalo#x",
                                "/tin-tuc/bài/index.html",
                                "/tin-tuc/bài/index.htm?x=1",
                                "/tin-tuc/bài/index.php/",
                                "http://skhcn.example.vn/tin-tuc/bài",
                                "https://skhcn.example.vn/tin-tuc/bài",
                                "HTTPS://WWW.SKHCN.Example.VN.:8443/tin-tuc/bài?utm_source=zalo#x",
                                "//skhcn.example.vn/tin-tuc/bài",
                                "skhcn.example.vn/tin-tuc/bài",
                                "https://a.tin.example.vn/tin-tuc/bài",
                                "https://tên-miền.vn/tin-tuc/bài",
                                "https://XN--TN-MIN-IVA0322D.vn/tin-tuc/bài"}) {
        BOOST_TEST_CONTEXT("address " << address)
        BOOST_TEST(normalised(address) == "/tin-tuc/bài");
    }
}

BOOST_AUTO_TEST_CASE(the_home_page_is_a_slash)
{
    for (const char* address :
         {"/", "//", "///", "/.", "/..", "/./", "/index.html", "/index.php",
          "https://skhcn.example.vn", "https://skhcn.example.vn/", "https://skhcn.example.vn#x",
          "//skhcn.example.vn", "skhcn.example.vn", "/index.php/index.html/index.htm", "/a/..",
          "/?", "/?utm_source=zalo", "https://skhcn.example.vn?fbclid=1"}) {
        BOOST_TEST_CONTEXT("address " << address)
        BOOST_TEST(normalised(address) == "/");
    }
}

BOOST_AUTO_TEST_CASE(different_pages_stay_different)
{
    check({{"/Tin-Tuc", "/Tin-Tuc"},
           {"/index.php/a", "/index.php/a"},
           {"/a/index.html/b", "/a/index.html/b"},
           {"/Index.html", "/Index.html"},
           {"/my-index.html", "/my-index.html"},
           {"/a;v=1", "/a;v=1"},
           {"/a+b", "/a+b"},
           {"/a:b", "/a:b"},
           {"/...", "/..."},
           {"/a/..b", "/a/..b"}});
}

// Escapes are taken out where that changes nothing, and kept, in capitals, where it would.
BOOST_AUTO_TEST_CASE(only_what_must_be_is_escaped)
{
    check({{"/%41%7a%30%2d%2e%5f%7e", "/Az0-._~"},
           {"/%21%24%26%27%28%29%2a%2b%2c%3b%3d%3a%40", "/!$&'()*+,;=:@"},
           {"/a%2fb", "/a%2Fb"},
           {"/a%3fb", "/a%3Fb"},
           {"/a%23b", "/a%23b"},
           {"/100%25", "/100%25"},
           {"/a%252fb", "/a%252fb"},
           {"/a%5cb", "/a%5Cb"},
           {"/a\\b", "/a%5Cb"},
           {"/a b", "/a%20b"},
           {"/a%20b", "/a%20b"},
           {"/a%20", "/a%20"},
           {"/a\"<>`{}|^[]", "/a%22%3C%3E%60%7B%7D%7C%5E%5B%5D"},
           {"/a%0a%0D%00%7f", "/a%0A%0D%00%7F"},
           {"/a%c2%85", "/a%C2%85"},
           {"/a%c2%9b", "/a%C2%9B"},
           {"/a\xC2\xA0", "/a%C2%A0"},
           {"/a\u200Bb", "/a%E2%80%8Bb"},
           {"/a\u202Eb", "/a%E2%80%AEb"},
           {"/a\u2028", "/a%E2%80%A8"},
           {"/\uFEFFa", "/%EF%BB%BFa"},
           {"/a\u034F", "/a%CD%8F"},               // the combining grapheme joiner
           {"/a\uFE01", "/a%EF%B8%81"},            // a variation selector
           {"/\u2764\uFE0F", "/\u2764%EF%B8%8F"},  // an emoji that asks for colour
           {"/a\U000E0101", "/a%F3%A0%84%81"},
           {"/a\u3164", "/a%E3%85%A4"},  // a filler of Hangul, a letter
           {"/a\u17B4", "/a%E1%9E%B4"},
           {"/a/%2E%2E%2Fb", "/a/..%2Fb"}});
}

// macOS writes names in NFD; both look the same on every screen.
BOOST_AUTO_TEST_CASE(letters_written_in_pieces_are_put_together)
{
    check({{"/tie\u0302\u0301ng-vie\u0323\u0302t", "/tiếng-việt"},
           {"/tie%CC%82%CC%81ng", "/tiếng"},
           {"/\u1EBF", "/ế"},
           {"/\u00EA\u0301", "/ế"},
           {"/o\u031B\u0309", "/ở"},
           {"/o\u0309\u031B", "/ở"},
           {"/\u212A", "/K"},  // the Kelvin sign is a K
           {"/\u1100\u1161", "/\uAC00"},
           {"/%3C\u0338", "/\u226E"}});  // < and a stroke
}

// Unescaped it would join what stands before it as soon as somebody composes the result.
BOOST_AUTO_TEST_CASE(a_mark_without_a_letter_stays_escaped)
{
    check({{"/a%5C\u0327", "/a%5C%CC%A7"},
           {"/\u0301a", "/%CC%81a"},
           {"/%20\u0323\u0301", "/%20%CC%A3%CC%81"},
           // Vowel signs have no combining class, and are marks all the same.
           {"/%3E\u093E", "/%3E%E0%A4%BE"},
           {"/\u0903a", "/%E0%A4%83a"},
           {"/\u20DD", "/%E2%83%9D"},
           {"/\u0915\u093E", "/\u0915\u093E"},
           {"/a\uFE0F\u0301", "/a%EF%B8%8F%CC%81"},
           {"/a?id=\u0338", "/a?id=%CC%B8"}});
}

BOOST_AUTO_TEST_CASE(only_parameters_that_name_a_page_stay)
{
    check({{"/a?id=1", "/a?id=1"},
           {"/a?id=2", "/a?id=2"},
           {"/a/?id=1", "/a?id=1"},
           {"/?id=1", "/?id=1"},
           {"https://skhcn.example.vn?id=1", "/?id=1"},
           {"/index.php?nv=news&op=detail", "/?nv=news&op=detail"},
           {"/index.php?op=Tin-tuc%2fbai-42&nv=news&fbclid=x", "/?nv=news&op=Tin-tuc/bai-42"},
           {"/chitiet.aspx?ItemID=512&utm_medium=oa", "/chitiet.aspx?itemid=512"},
           {"/a?ITEMID=5", "/a?itemid=5"},
           {"/a?%69%44=5", "/a?id=5"},
           {"/a?fb_action_ids=1&fb_action_types=og.likes&fb_source=feed", "/a"},
           {"/a?gclid=1&zarsrc=30&_ga=2&q=kh%C3%B4ng", "/a"},
           {"/a?id", "/a"},
           {"/a?id=", "/a"},
           {"/a?=1", "/a"},
           {"/a?&&id=1&&", "/a?id=1"},
           {"/a?id=1&id=2", "/a?id=2"},
           {"/a?id=1&ID=", "/a"},
           {"/a?id=b%C3%A0i", "/a?id=bài"},
           {"/a?id=ba\u0300i", "/a?id=bài"},
           {"/a?id=a+b", "/a?id=a%20b"},
           {"/a?id=a%20b", "/a?id=a%20b"},
           {"/a?id=a%2Bb", "/a?id=a%2Bb"},
           {"/a?id=a%26b", "/a?id=a%26b"},
           {"/a?id=a%3db", "/a?id=a=b"},
           {"/a?id=a?b", "/a?id=a%3Fb"},
           {"/a?id=1%23x", "/a?id=1%23x"},
           {"/a?id=1#id=2", "/a?id=1"},
           {"/a?p=3&page_id=4&id=5&articleid=6", "/a?articleid=6&id=5&p=3&page_id=4"}});
}

BOOST_AUTO_TEST_CASE(a_site_chooses_its_parameters)
{
    site_config site = news_site();
    site.keep_query = {"tag[]", "Bai", "utm_source"};
    check({{"/a?id=1", "/a"},
           {"/a?bai=2&tag[]=x&UTM_SOURCE=zalo", "/a?Bai=2&tag%5B%5D=x&utm_source=zalo"},
           {"/a?tag%5b%5d=x", "/a?tag%5B%5D=x"}},
          site);
    site.keep_query.clear();
    check({{"/a?id=1", "/a"}}, site);
}

// A page must not lose its views because an advertiser cannot escape.
BOOST_AUTO_TEST_CASE(what_is_dropped_may_be_broken)
{
    check({{"/a?utm_term=%E1&x=%zz&y=\xFF&%=1", "/a"}, {"/a?id=1&q=100%", "/a?id=1"}});
    check({{"/a?id=%E1", "<bad_path>"}, {"/a?id=%zz", "<bad_path>"}, {"/a?id=\xFF", "<bad_path>"}});
}

BOOST_AUTO_TEST_CASE(what_names_no_page_is_refused)
{
    check({{"", "<bad_path>"},
           {"   ", "<bad_path>"},
           {"#x", "<bad_path>"},
           {"?id=1", "<bad_path>"},
           {"mailto:a@example.vn", "<bad_path>"},
           {"javascript:alert(1)", "<bad_path>"},
           {"about:blank", "<bad_path>"},
           {"data:text/html,x", "<bad_path>"},
           {"file:///a", "<bad_path>"},
           {"ftp://skhcn.example.vn/a", "<bad_path>"},
           {"http:/a", "<bad_path>"},
           {"http:///a", "<bad_path>"},
           {"https://", "<bad_path>"},
           {"https://user:secret@skhcn.example.vn/a", "<bad_path>"},
           {"https://skhcn.example.vn@example.com/a", "<bad_path>"},
           {"https://skhcn.example.vn:99999/a", "<bad_path>"},
           {"https://skhcn.example.vn\\@example.com/", "<bad_path>"}});
}

BOOST_AUTO_TEST_CASE(broken_escapes_and_broken_utf8_are_refused)
{
    check({{"/a%", "<bad_path>"},
           {"/a%4", "<bad_path>"},
           {"/a%zz", "<bad_path>"},
           {"/a%4/b", "<bad_path>"},
           {"/a%u1EA1", "<bad_path>"},
           {"/a\xFF", "<bad_path>"},
           {"/a%FF", "<bad_path>"},
           {"/a%C3", "<bad_path>"},
           {"/a%C3/%A0", "<bad_path>"},
           {"/a%C0%AF", "<bad_path>"},
           {"/a%ED%A0%80", "<bad_path>"},
           {"/a%F4%90%80%80", "<bad_path>"},
           {"/a\xE1\xBA", "<bad_path>"}});
}

// Log lines and headers are made of lines.
BOOST_AUTO_TEST_CASE(a_control_byte_anywhere_is_refused)
{
    for (int byte = 0; byte <= 0x7F; byte = byte == 0x1F ? 0x7F : byte + 1) {
        const auto c = static_cast<char>(byte);
        BOOST_TEST_CONTEXT("byte " << byte)
        {
            BOOST_TEST(normalised(std::string("/a") + c) == "<bad_path>");
            BOOST_TEST(normalised(std::string("/a?x=") + c) == "<bad_path>");
            BOOST_TEST(normalised(std::string("/a#") + c) == "<bad_path>");
        }
    }
}

// C1 in UTF-8: to a terminal some of these are what ESC is.
BOOST_AUTO_TEST_CASE(a_control_character_beyond_ascii_is_refused_unless_it_is_escaped)
{
    for (int byte = 0x80; byte <= 0x9F; ++byte) {
        const auto c = std::string("\xC2") + static_cast<char>(byte);
        BOOST_TEST_CONTEXT("byte " << byte)
        {
            BOOST_TEST(normalised("/a" + c) == "<bad_path>");
            BOOST_TEST(normalised("/a?x=" + c) == "<bad_path>");
            BOOST_TEST(referrer_of("https://example.com/a" + c) == "example.com/");
        }
    }
    BOOST_TEST(normalised("/a%C2%9B") == "/a%C2%9B");
    BOOST_TEST(normalised("/\xC2\xA1") == "/\xC2\xA1");  // the first that is none
    BOOST_TEST(normalised("/a\xC2") == "<bad_path>");
}

BOOST_AUTO_TEST_CASE(foreign_hosts_are_refused)
{
    check({{"https://example.com/a", "<foreign_host>"},
           {"//example.com/a", "<foreign_host>"},
           {"https://example.vn/a", "<foreign_host>"},
           {"https://tin.example.vn/a", "<foreign_host>"},
           {"https://xskhcn.example.vn/a", "<foreign_host>"},
           {"https://skhcn.example.vn.example.com/", "<foreign_host>"},
           {"https://[::1]/a", "<foreign_host>"},
           {"https://127.0.0.1:8080/a", "<foreign_host>"}});
}

BOOST_AUTO_TEST_CASE(a_site_may_count_its_hosts_apart)
{
    const site_config site = site_with_hosts_in_paths();
    for (const char* address :
         {"https://skhcn.example.vn/a", "http://WWW.skhcn.example.vn:80/a/?x=1",
          "//skhcn.example.vn/a", "skhcn.example.vn/a", "skhcn.example.vn:8080/a"}) {
        BOOST_TEST_CONTEXT("address " << address)
        BOOST_TEST(normalised(address, site) == "skhcn.example.vn/a");
    }
    BOOST_TEST(normalised("/a", site, "www.skhcn.example.vn:443") == "skhcn.example.vn/a");
    BOOST_TEST(normalised("/a", site, "example.com") == "/a");
    BOOST_TEST(normalised("/a", site) == "/a");
    BOOST_TEST(normalised("/", site, "a.tin.example.vn") == "a.tin.example.vn/");
    BOOST_TEST(normalised("a.tin.example.vn/", site) == "a.tin.example.vn/");
    // tin.example.vn itself is none of the site's, so www. has to stay
    BOOST_TEST(normalised("https://www.tin.example.vn/a", site) == "www.tin.example.vn/a");
    BOOST_TEST(normalised("https://tên-miền.vn/../?id=1", site) == "xn--tn-min-iva0322d.vn/?id=1");
    BOOST_TEST(normalised("/a", news_site(), "skhcn.example.vn") == "/a");
}

BOOST_AUTO_TEST_CASE(an_address_may_have_2000_bytes_and_no_more)
{
    const std::string longest = '/' + std::string(max_address_bytes - 1, 'a');
    BOOST_TEST(normalised(longest) == longest);
    BOOST_TEST(normalised(longest + 'a') == "<bad_path>");
    // spaces take three bytes each afterwards
    BOOST_TEST(normalised("/a" + std::string(666, '"')).size() == 2000U);
    BOOST_TEST(normalised("/aa" + std::string(666, '"')) == "<bad_path>");
}

BOOST_AUTO_TEST_CASE(campaign_fields_are_taken_out)
{
    std::string path;
    campaign found;
    found.term = "left from before";
    const auto error = normalise_page(
        "/a?utm_source=zalo&UTM_Medium=oa&utm_campaign=Ng%C3%A0y+h%E1%BB%99i&utm_content=a%0Ab&"
        "utm_x=1&id=7",
        news_site(), "", path, &found);
    BOOST_TEST(!error);
    BOOST_TEST(path == "/a?id=7");
    BOOST_TEST(found.source == "zalo");
    BOOST_TEST(found.medium == "oa");
    BOOST_TEST(found.name == "Ngày hội");
    BOOST_TEST(found.term == "");
    BOOST_TEST(found.content == "a b");
    BOOST_TEST(!found.empty());

    BOOST_TEST(!normalise_page("/a?utm_source=%E1%zz", news_site(), "", path, &found));
    BOOST_TEST(found.source == "\uFFFD%zz");
    BOOST_TEST(found.medium == "");

    BOOST_TEST(
        !normalise_page("/a?utm_term=" + std::string(100, 'a'), news_site(), "", path, &found));
    BOOST_TEST(found.term == std::string(100, 'a'));
    BOOST_TEST(!normalise_page("/a?utm_term=" + std::string(99, 'a') + "ế", news_site(), "", path,
                               &found));
    BOOST_TEST(found.term == std::string(99, 'a'));

    BOOST_TEST(normalise_page("/%?utm_source=zalo", news_site(), "", path, &found));
    BOOST_TEST(found.empty());
}

// Thousands of addresses put together from the pieces that have meaning, and from any bytes.
BOOST_AUTO_TEST_CASE(normalising_a_result_gives_it_again)
{
    const std::vector<std::string> pieces{"/",
                                          "//",
                                          ".",
                                          "..",
                                          "%2e",
                                          "%2F",
                                          "%5C",
                                          "\\",
                                          "?",
                                          "&",
                                          "=",
                                          "id=",
                                          "ID=",
                                          "op=",
                                          "nv",
                                          "utm_source=",
                                          "#",
                                          "%",
                                          "%23",
                                          "%3F",
                                          "%25",
                                          "%26",
                                          "%2B",
                                          "+",
                                          " ",
                                          "%20",
                                          "<",
                                          "%3C",
                                          "[",
                                          "a",
                                          "B",
                                          "tin",
                                          "index.html",
                                          "index.php",
                                          "/index.htm",
                                          "e",
                                          "\u0302",
                                          "\u0301",
                                          "%CC%81",
                                          "\u0323",
                                          "\u0338",
                                          "\u0327",
                                          "ế",
                                          "%E1%BA%BF",
                                          "\u212A",
                                          "\u037E",
                                          "\u1FEF",
                                          "\u1100",
                                          "\u1161",
                                          "\u11A8",
                                          "\u0958",
                                          "\u200D",
                                          "\u202E",
                                          "\uFEFF",
                                          "\u00AD",
                                          "\xC2\x85",
                                          "\u0344",
                                          "\U0001D15E",
                                          "\U0001F600",
                                          "%F0%9F%98%80",
                                          "%C3",
                                          "\xFF",
                                          "https://",
                                          "http://",
                                          "//skhcn.example.vn",
                                          "skhcn.example.vn",
                                          "www.skhcn.example.vn",
                                          "www.www.tin.example.vn",
                                          ":80",
                                          "www.",
                                          "tên-miền.vn",
                                          "@",
                                          ":",
                                          "~",
                                          "%7e"};
    constexpr unsigned seed = 20'210'726;
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    const auto below = [&random](std::size_t n) { return random() % n; };
    const std::vector<site_config> sites{news_site(), site_with_hosts_in_paths()};
    int accepted = 0;
    for (int i = 0; i < 60'000; ++i) {
        std::string address = below(2) == 0 ? "/" : below(2) == 0 ? "https://skhcn.example.vn" : "";
        for (std::size_t n = below(12); n > 0; --n) {
            if (below(8) == 0) {
                char bytes[4];
                const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(below(0xD800)),
                                                       reinterpret_cast<utf8proc_uint8_t*>(bytes));
                address.append(bytes, static_cast<std::size_t>(size));
            } else {
                address += pieces[below(pieces.size())];
            }
        }
        const site_config& site = sites[below(2)];
        const std::string fallback = below(2) == 0 ? "" : "skhcn.example.vn";
        const std::string once = normalised(address, site, fallback);
        if (once.starts_with('<'))
            continue;
        ++accepted;
        const std::string twice = normalised(once, site, fallback);
        const bool whole = utf8::valid(once) && is_nfc(once) && once.size() <= max_address_bytes;
        if (once != twice || !whole)
            BOOST_ERROR("seed " << seed << " address \"" << address << "\" once \"" << once
                                << "\" twice \"" << twice << "\" valid NFC " << whole);
    }
    BOOST_TEST(accepted > 20'000);
}

// The short cut for Latin letters must agree with the whole of Unicode's tables.
BOOST_AUTO_TEST_CASE(every_character_is_composed_as_unicode_says)
{
    for (utf8proc_int32_t point = 0xA0; point < 0x30000; ++point) {
        if (point >= 0xD800 && point <= 0xDFFF)
            continue;
        char bytes[4];
        const auto size = static_cast<std::size_t>(
            utf8proc_encode_char(point, reinterpret_cast<utf8proc_uint8_t*>(bytes)));
        for (const std::string before : {"a", "e\u0302"}) {
            const std::string path = normalised("/" + before + std::string(bytes, size));
            if (!is_nfc(path) || normalised(path) != path)
                BOOST_ERROR("code point " << point << " gives " << path);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_referrer_keeps_host_and_path)
{
    const std::vector<spelling> table{
        {"https://www.Google.com/search?q=skhcn#x", "google.com/search"},
        {"https://google.com", "google.com/"},
        {"https://google.com/", "google.com/"},
        {"http://l.facebook.com:80/l.php?u=x", "l.facebook.com/l.php"},
        {"https://báo.example.com/b%c3%a0i/", "xn--bo-mia.example.com/bài"},
        {"https://example.com/%zz", "example.com/"},
        {"https://example.com/\xFF", "example.com/"},
        {"https://example.com/a\nb", "example.com/"},
        {"https://www.vn/a", "www.vn/a"},
        {"https://[2001:db8::1]:8080/a", "2001:db8::1/a"},
        {"android-app://com.Zing.zalo/https/x", "com.zing.zalo/"},
        {"android-app://com.google.android.gm", "com.google.android.gm/"},
        {"android-app://", ""},
        {"https://skhcn.example.vn/a", ""},
        {"https://www.skhcn.example.vn/a", ""},
        {"", ""},
        {"about:blank", ""},
        {"/a", ""},
        {"example.com/a", ""},
        {"https://user:secret@example.com/a", ""},
        {"https://exa mple.com/a", ""},
        {"https:///a", ""}};
    for (const auto& [address, referrer] : table) {
        BOOST_TEST_CONTEXT("referrer " << address)
        BOOST_TEST(referrer_of(address) == referrer);
    }
}

BOOST_AUTO_TEST_CASE(a_long_referrer_is_cut_at_a_character)
{
    const std::string host = "example.com/";
    const auto after_cut = [&](std::size_t letters, const std::string& last) {
        return referrer_of("https://" + host + std::string(letters, 'a') + last + last);
    };
    BOOST_TEST(after_cut(486, "b") == host + std::string(486, 'a') + "bb");
    BOOST_TEST(after_cut(487, "b") == host + std::string(487, 'a') + "b");
    for (const std::string last : {"ế", "%2F", "%E2%80%8B", "😀"}) {
        for (std::size_t letters = 470; letters <= 488; ++letters) {
            const std::string cut = after_cut(letters, last);
            BOOST_TEST_CONTEXT("letters " << letters << " then " << last)
            {
                BOOST_TEST(cut.size() <= 500U);
                BOOST_TEST(referrer_of("https://" + cut) == cut);
                BOOST_TEST((cut.size() - host.size() - letters) % last.size() == 0U);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(an_origin_has_no_path)
{
    struct {
        std::string url, host;
        bool has_path;
    } const table[] = {{"https://WWW.Example.VN:8443", "www.example.vn", false},
                       {"https://example.vn/", "example.vn", false},
                       {"https://example.vn/a", "example.vn", true},
                       {"https://example.vn/?id=1", "example.vn", true},
                       {"https://example.vn?id=1", "example.vn", true},
                       {"http://[::1]:8080", "::1", false},
                       {"null", "", false},
                       {"", "", false},
                       {"file:///a", "", false},
                       {"https://user@example.vn/a", "", false},
                       {"https:///a", "", false}};
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("url " << row.url)
        {
            bool has_path = true;
            BOOST_TEST(host_of_url(row.url, &has_path) == row.host);
            BOOST_TEST(has_path == row.has_path);
            BOOST_TEST(host_of_url(row.url) == row.host);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace path_test
