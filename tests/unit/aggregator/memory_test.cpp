// What a worker remembers between batches: nothing that it has not seen from the beginning.

#include "aggregator/memory.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>

namespace memory_test {

using namespace luot::aggregator;

additions with_ids(std::int64_t ten_minutes, std::vector<std::uint64_t> ids)
{
    additions a;
    a.ids[ten_minutes] = std::move(ids);
    return a;
}

additions with_visitor(std::uint64_t visitor, std::int64_t time)
{
    additions a;
    a.sites["a"].seen[visitor] = time;
    return a;
}

BOOST_AUTO_TEST_SUITE(memory_of_a_partition)

BOOST_AUTO_TEST_CASE(nothing_is_remembered_at_first_and_nothing_compared)
{
    const partition_memory m;
    BOOST_TEST(m.tip() == "");
    BOOST_TEST(!m.seen(1));
    BOOST_TEST(!m.was_counted(1));
    BOOST_TEST(!m.has_all_of(7));
    BOOST_TEST(!m.knows("a", "/"));
}

BOOST_AUTO_TEST_CASE(visitors_are_remembered_with_the_entry_that_it_rests_on)
{
    partition_memory m;
    m.applied("5-1", with_visitor(1, 100), {});
    m.applied("6-1", with_visitor(1, 200), {});
    m.applied("7-1", with_visitor(2, 150), {});
    BOOST_TEST(m.tip() == "7-1");
    BOOST_TEST(m.seen(1).value() == 200);
    BOOST_TEST(m.seen(2).value() == 150);
    m.forget_state();
    BOOST_TEST(m.tip() == "");
    BOOST_TEST(!m.seen(1));
}

// A set that was there before holds ids that we have never seen: Redis has to be asked.
BOOST_AUTO_TEST_CASE(only_a_set_that_was_begun_while_we_looked_on_is_known_whole)
{
    partition_memory m;
    m.applied("5-1", with_ids(7, {1, 2}), {{6, 10}});
    m.applied("6-1", with_ids(6, {3}), {{6, 10}, {7, 2}});
    m.applied("7-1", with_ids(7, {4}), {{6, 11}, {7, 2}});
    BOOST_TEST(m.has_all_of(7));
    BOOST_TEST(!m.has_all_of(6));
    for (const std::uint64_t id : {1U, 2U, 4U})
        BOOST_TEST(m.was_counted(id));
    BOOST_TEST(!m.was_counted(3));
    BOOST_TEST(!m.was_counted(5));
}

BOOST_AUTO_TEST_CASE(a_set_that_redis_has_dropped_is_forgotten_and_may_begin_again)
{
    partition_memory m;
    m.applied("5-1", with_ids(7, {1}), {});
    m.applied("6-1", with_ids(8, {2}), {{7, 1}});
    m.keep_sets({{8, 1}});
    BOOST_TEST(!m.has_all_of(7));
    BOOST_TEST(!m.was_counted(1));
    BOOST_TEST(m.was_counted(2));
    m.applied("7-1", with_ids(7, {3}), {{8, 1}});
    BOOST_TEST(m.has_all_of(7));
    BOOST_TEST(m.was_counted(3));
}

BOOST_AUTO_TEST_CASE(another_aggregator_s_work_makes_all_of_it_unknown)
{
    partition_memory m;
    m.rest_on("4-1");
    m.learn("a", "/x");
    BOOST_TEST(m.knows("a", "/x"));
    BOOST_TEST(!m.knows("b", "/x"));
    m.applied("5-1", with_ids(7, {1}), {});
    BOOST_TEST(m.knows("a", "/x"));
    m.forget_state();
    BOOST_TEST(!m.has_all_of(7));
    BOOST_TEST(!m.was_counted(1));
    // It may be `luot prune` that was there.
    BOOST_TEST(!m.knows("a", "/x"));
    m.applied("6-1", with_ids(7, {2}), {{7, 1}});
    BOOST_TEST(!m.has_all_of(7));
}

// A batch is folded with what was remembered when its questions were asked.
BOOST_AUTO_TEST_CASE(nothing_is_forgotten_but_where_room_is_made)
{
    partition_memory m;
    m.learn("a", "/x");
    for (int i = 0; i < 100'000; ++i)
        m.learn("a", std::to_string(i));
    BOOST_TEST(m.knows("a", "/x"));
    m.make_room();
    BOOST_TEST(!m.knows("a", "/x"));
}

// Whatever clients send: it is bounded, and what is too much is asked for again.
BOOST_AUTO_TEST_CASE(it_does_not_grow_without_end)
{
    partition_memory m;
    std::uint64_t id = 0;
    std::int64_t remembered = 0;
    for (int batch = 0; batch < 40; ++batch) {
        m.make_room();
        additions a;
        for (int i = 0; i < 20'000; ++i) {
            ++id;
            a.ids[batch].push_back(id);
            a.sites["a"].seen[id] = 1;
            m.learn("a", std::to_string(id));
        }
        m.applied(std::to_string(batch) + "-1", a, {});
    }
    for (std::uint64_t i = 1; i <= id; ++i)
        remembered += (m.seen(i) ? 1 : 0) + (m.was_counted(i) ? 1 : 0) +
                      (m.knows("a", std::to_string(i)) ? 1 : 0);
    BOOST_TEST(remembered < 500'000);
    BOOST_TEST(m.has_all_of(39));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace memory_test
