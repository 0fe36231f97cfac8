// Entries of a stream: what the shipper writes is read, and anything else harms nothing.

#include "aggregator/batch.hpp"

#include "core/bytes.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

namespace batch_test {

using namespace luot;
using namespace luot::aggregator;

std::string bulk(const std::string& text)
{
    return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

std::string list(const std::vector<std::string>& elements)
{
    std::string out = "*" + std::to_string(elements.size()) + "\r\n";
    for (const auto& e : elements)
        out += e;
    return out;
}

std::string stream_entry(const std::string& id, const std::string& version)
{
    std::string hit_bytes, hits;
    hit h;
    h.site = "s";
    h.path = "/a";
    encode(h, hit_bytes);
    put_varint(hits, hit_bytes.size());
    hits += hit_bytes;
    return list(
        {bulk(id), list({bulk("v"), bulk(version), bulk("p"), bulk("0123456789abcdef"), bulk("f"),
                         bulk("4"), bulk("l"), bulk("5"), bulk("h"), bulk(hits)})});
}

/// A batch and the reply that it points into.
struct batch {
    explicit batch(const std::string& bytes)
    {
        redis::reply_parser parser;
        BOOST_TEST_REQUIRE(!parser.feed(bytes));
        auto parsed = parser.next();
        BOOST_TEST_REQUIRE((parsed.has_value() && *parsed));
        reply = std::move(*parsed);
        error = read_batch(redis::reply_view(reply.get()), entries);
    }

    redis::owned_reply reply;
    std::vector<entry> entries;
    error_code error;
};

BOOST_AUTO_TEST_SUITE(aggregator_batch)

BOOST_AUTO_TEST_CASE(an_entry_is_read_with_its_hits)
{
    const batch read(list({stream_entry("1627288260000-0", "1")}));
    BOOST_TEST(!read.error);
    BOOST_TEST_REQUIRE(read.entries.size() == 1U);
    const auto& e = read.entries[0];
    BOOST_TEST(e.id == "1627288260000-0");
    BOOST_TEST(e.time_ms == 1'627'288'260'000);
    BOOST_TEST(e.producer == "0123456789abcdef");
    BOOST_TEST(e.prev == 4U);
    BOOST_TEST(e.last == 5U);
    BOOST_TEST(e.damaged == 0U);
    BOOST_TEST_REQUIRE(e.hits.size() == 1U);
    BOOST_TEST(e.hits[0].path == "/a");
}

// What stands before it can be counted; it waits for an aggregator that can read it.
BOOST_AUTO_TEST_CASE(a_batch_ends_before_an_entry_of_a_newer_version)
{
    const auto old = stream_entry("1-0", "1");
    const auto newer = stream_entry("2-0", "2");
    const batch some(list({old, newer, old}));
    BOOST_TEST(!some.error);
    BOOST_TEST(some.entries.size() == 1U);
    const batch none(list({newer, old}));
    BOOST_TEST(none.error == make_error_code(errc::newer_format));
    BOOST_TEST(none.entries.empty());
}

BOOST_AUTO_TEST_CASE(a_reply_of_another_shape_gives_entries_without_hits)
{
    for (const auto& bytes :
         {std::string(":1\r\n"), bulk("text"), list({}), list({":1\r\n"}), list({list({})}),
          list({list({bulk("1-0"), list({bulk("h")})})}), std::string("*-1\r\n")}) {
        BOOST_TEST_CONTEXT("reply " << bytes)
        {
            const batch read(bytes);
            BOOST_TEST(!read.error);
            for (const auto& e : read.entries)
                BOOST_TEST(e.hits.empty());
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace batch_test
