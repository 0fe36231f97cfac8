// A spool beside what Redis says of it: where each log stands, and where the two do not agree.

#include "collector/spool_check.hpp"

#include "core/bytes.hpp"
#include "tests/unit/support/spool.hpp"
#include "tests/unit/support/temp_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace spool_check_test {

using namespace luot;
using namespace luot::collector;
using luot::testing::content_of;
using luot::testing::segments_in;
using luot::testing::temp_dir;
using luot::testing::write_file;

constexpr std::uint64_t producer = 0x0123456789ABCDEF;
constexpr std::int64_t long_ago = 0;

/// A log of `hits` hits of partition 3, in segments of some, which its writer still has open.
class written_spool {
public:
    explicit written_spool(unsigned hits, std::uint64_t segment_bytes = 64ULL << 20)
        : writer_(producer, {.directory = dir_.name(), .segment_bytes = segment_bytes}, budget_)
    {
        for (unsigned i = 1; i <= hits; ++i) {
            const auto payload = payload_of(i);
            writer_.append(3, payload);
            BOOST_TEST_REQUIRE(!writer_.commit());
            chains_.push_back(spool::chain(chains_.back(), payload));
        }
    }

    static std::string payload_of(unsigned i) { return "hit " + std::to_string(i); }

    [[nodiscard]] log_in_redis redis_at(std::uint64_t shipped) const
    {
        log_in_redis there;
        there.shipped[3] = shipped;
        if (shipped > 0 && shipped < chains_.size())
            there.chains[3] = to_hex(chains_[shipped]);
        return there;
    }

    [[nodiscard]] log_on_disk read(const log_in_redis& redis) const
    {
        const auto found = read_spool(dir_.name(), {{producer, redis}});
        BOOST_TEST_REQUIRE(found.has_value());
        BOOST_TEST_REQUIRE(found->logs.size() == 1U);
        BOOST_TEST(found->unread.empty());
        return found->logs.front();
    }

    [[nodiscard]] std::string rules(const log_in_redis& redis,
                                    std::int64_t boot_ms = long_ago) const
    {
        std::string names;
        for (const auto& d : compare(read(redis), redis, boot_ms)) {
            BOOST_TEST(d.producer == producer);
            BOOST_TEST(d.partition == 3U);
            names += (names.empty() ? "" : " ") + d.rule + ':' + d.field;
        }
        return names;
    }

    [[nodiscard]] std::vector<spool::segment> segments() const
    {
        return segments_in(dir_.name(), producer);
    }
    [[nodiscard]] const std::string& directory() const { return dir_.name(); }

private:
    temp_dir dir_;
    spool::disk_budget budget_{.max_bytes = 1ULL << 30};
    spool::writer writer_;
    std::vector<std::uint64_t> chains_{0};
};

BOOST_AUTO_TEST_SUITE(spool_check)

BOOST_AUTO_TEST_CASE(a_log_that_agrees_wherever_redis_stands)
{
    for (const std::uint64_t segment_bytes : {64ULL << 20, 500ULL}) {
        const written_spool spool{30, segment_bytes};
        BOOST_TEST((spool.segments().size() > 1) == (segment_bytes == 500));
        for (std::uint64_t shipped = 0; shipped <= 30; ++shipped) {
            const auto redis = spool.redis_at(shipped);
            const auto log = spool.read(redis);
            BOOST_TEST(log.spooled[3] == 30U);
            BOOST_TEST(log.unshipped[3] == 30U - shipped);
            BOOST_TEST(log.missing[3] == 0U);
            BOOST_TEST(log.chains[3].has_value());
            BOOST_TEST(spool.rules(redis) == "");
        }
    }
}

BOOST_AUTO_TEST_CASE(a_redis_that_has_more_than_the_log)
{
    const written_spool spool{5};
    BOOST_TEST(spool.rules(spool.redis_at(6)) == "shipped_within_spooled:shipped");
    // The machine was started since: the log may have lost its end with it.
    BOOST_TEST(spool.rules(spool.redis_at(6), INT64_MAX) == "");
}

BOOST_AUTO_TEST_CASE(other_hits_under_the_same_offsets)
{
    const written_spool spool{5};
    for (const std::uint64_t shipped : {1, 4, 5}) {
        auto redis = spool.redis_at(shipped);
        redis.chains[3] = "00000000000000ff";
        BOOST_TEST(spool.rules(redis) == "same_hits_in_spool:chain");
        redis.chains[3] = "";  // not known
        BOOST_TEST(spool.rules(redis) == "");
    }
}

BOOST_AUTO_TEST_CASE(hits_that_neither_has)
{
    const written_spool spool{30, 500};
    const auto segments = spool.segments();
    const auto first_left = segments[1].header.offsets[3];
    std::filesystem::remove(segments[0].name);
    // Redis has what is gone: that is how segments go.
    BOOST_TEST(spool.rules(spool.redis_at(first_left)) == "");
    BOOST_TEST(spool.rules(spool.redis_at(first_left + 1)) == "");
    const auto behind = spool.redis_at(first_left - 1);
    BOOST_TEST(spool.rules(behind) == "spool_holds_unshipped:shipped");
    const auto log = spool.read(behind);
    BOOST_TEST(log.missing[3] == 1U);
    BOOST_TEST(log.spooled[3] == behind.shipped[3] + log.unshipped[3] + log.missing[3]);
}

BOOST_AUTO_TEST_CASE(a_damaged_hit_counts_only_until_redis_has_it)
{
    const written_spool spool{9};
    const auto name = spool.segments().front().name;
    auto bytes = content_of(name);
    bytes[bytes.find("hit 4")] = '?';
    write_file(name, bytes);
    BOOST_TEST(spool.read(spool.redis_at(2)).missing[3] == 1U);
    BOOST_TEST(spool.rules(spool.redis_at(2)) == "spool_holds_unshipped:shipped");
    BOOST_TEST(spool.rules(spool.redis_at(4)) == "");
    // Behind damage the checksum is not known: nothing is said of it.
    auto other = spool.redis_at(7);
    other.chains[3] = "00000000000000ff";
    BOOST_TEST(spool.rules(other) == "");
}

BOOST_AUTO_TEST_CASE(half_a_record_at_the_end_is_being_written)
{
    const written_spool spool{9};
    const auto name = spool.segments().front().name;
    const auto bytes = content_of(name);
    write_file(name, bytes.substr(0, bytes.size() - 3));
    const auto log = spool.read(spool.redis_at(5));
    BOOST_TEST(log.spooled[3] == 8U);
    BOOST_TEST(log.unshipped[3] == 3U);
    BOOST_TEST(spool.rules(spool.redis_at(5)) == "");
}

BOOST_AUTO_TEST_CASE(logs_that_cannot_be_read_are_named)
{
    const written_spool spool{3};
    write_file(spool.directory() + "/00000000000000aa.00000001.spool", std::string(400, 'x'));
    write_file(spool.directory() + "/00000000000000bb.00000001.spool", "");  // just begun
    write_file(spool.directory() + "/other", "x");
    const auto found = read_spool(spool.directory(), {});
    BOOST_TEST_REQUIRE(found.has_value());
    BOOST_TEST(found->logs.size() == 1U);
    BOOST_TEST_REQUIRE(found->unread.size() == 1U);
    BOOST_TEST(found->unread.front().starts_with("00000000000000aa: "));
    BOOST_TEST(!read_spool(spool.directory() + "/none", {}).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace spool_check_test
