#include "aggregator/settle.hpp"

#include "aggregator/steps.hpp"
#include "core/clock.hpp"
#include "core/fail_point.hpp"
#include "core/keys.hpp"
#include "core/metrics.hpp"

#include <algorithm>
#include <utility>

namespace luot::embedded {
extern const std::string_view settle_lua;
}

namespace luot::aggregator {

namespace asio = boost::asio;

namespace {

constexpr std::size_t most_read = 128;  // tallies of a partition at once
constexpr int most_failures = 3;        // then the first tallies are given up

}  // namespace

const redis::script& settle_script()
{
    static const redis::script s{embedded::settle_lua};
    return s;
}

redis::command merge_command(unsigned partition, std::size_t count, std::string_view first,
                             std::string_view last, const std::vector<std::string>& merged)
{
    steps out{{keys::tallies(partition)}};
    out.add(std::string_view("merge"), count, first, last);
    for (const auto& t : merged)
        out.add(std::string_view(t));
    return out.command(settle_script());
}

redis::command settle_command(unsigned partition, std::string_view nonce, const std::string& site,
                              const date_tallies& of_site, std::uint32_t keep_days)
{
    steps out{{keys::tallies(partition)}};
    out.add(std::string_view("add"), 1, nonce, nonce);
    out.rows(site, of_site, keep_days);
    return out.command(settle_script());
}

row_settler::row_settler(redis::client& redis, metrics_registry& metrics)
    : redis_(redis),
      dropped_(metrics.add_counter("luot_dropped_tallies_total",
                                   "Rows of breakdowns given up because Redis refused them or they "
                                   "could not be read: so many batches or parts of them."))
{
}

void row_settler::rows_wait(unsigned partition, bool are_wanted)
{
    auto& state = states_[partition];
    state.last_ms = steady_ms();
    state.since_ms = state.since_ms ? state.since_ms : state.last_ms;
    state.are_wanted = state.are_wanted || are_wanted;
}

asio::awaitable<void> row_settler::settle_due(std::bitset<partitions> ours, std::uint32_t keep_days)
{
    for (unsigned p = 0; p < partitions; ++p) {
        const auto& state = states_[p];
        const auto now = steady_ms();
        if (ours[p] && state.since_ms &&
            (state.are_wanted || now - state.last_ms >= longest_ms ||
             now - state.since_ms >= longest_busy_ms))
            co_await settle(p, keep_days);
    }
}

asio::awaitable<void> row_settler::settle(unsigned partition, std::uint32_t keep_days)
{
    auto& state = states_[partition];
    redis::pipeline reading;
    reading.add("LRANGE", keys::tallies(partition), 0, most_read - 1);
    const auto read = co_await redis_.exec(reading);
    if (!read)
        co_return;
    const auto waiting = (*read)[0];
    if (waiting.is_error()) {
        refused("LRANGE", partition, waiting.text());
        co_return;
    }
    site_tallies all;
    std::size_t good = 0;
    while (good < waiting.size() && add_encoded(all, waiting[good].text()))
        ++good;
    if (waiting.size() == 0) {
        state = {};
        co_return;
    }
    if (good == 0) {
        co_await drop_first(partition, nonce_of(waiting[0].text()), "they cannot be read");
        co_return;
    }
    const auto parts = parts_of(all, most_rows_settled);
    std::vector<std::string> merged;
    if (good > 1 || parts.size() != 1) {
        for (const auto& [site, of_site] : parts)
            merged.push_back(encode(site, of_site));
        redis::pipeline merging;
        merging.add(merge_command(partition, good, nonce_of(waiting[0].text()),
                                  nonce_of(waiting[good - 1].text()), merged));
        fail_point("settle.merge");
        const auto answers = co_await redis_.exec(merging);
        if (!answers || (*answers)[0].text() != "ok") {
            if (answers && (*answers)[0].text() != "stale")
                refused("settle.lua", partition, (*answers)[0].text());
            co_return;
        }
    } else {
        merged.emplace_back(waiting[0].text());
    }

    // One behind the other: what follows one that failed finds itself not the first, and waits.
    redis::pipeline settling;
    for (std::size_t i = 0; i < parts.size(); ++i)
        settling.add(settle_command(partition, nonce_of(merged[i]), parts[i].first, parts[i].second,
                                    keep_days));
    fail_point("settle.before");
    const auto answers = co_await redis_.exec(settling);
    fail_point("settle.answered");
    if (!answers)
        co_return;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto answer = (*answers)[i].text();
        if (answer == "ok") {
            state.failures = 0;
            continue;
        }
        if (answer == "stale")
            co_return;  // somebody else is at it
        refused("settle.lua", partition, answer);
        const bool is_its_own_fault =
            answer.find("LUOT") != std::string::npos && answer.find("NOPERM") == std::string::npos;
        if (is_its_own_fault && ++state.failures >= most_failures)
            co_await drop_first(partition, nonce_of(merged[i]), answer);
        co_return;
    }
    if (good == waiting.size() && good < most_read)
        state = {};  // those that come from now on wait anew
}

/// Nothing that is counted is lost with them: only what the views were of is not known.
asio::awaitable<void> row_settler::drop_first(unsigned partition, std::string_view nonce,
                                              std::string_view why)
{
    log::error("tallies_dropped",
               {{"partition", partition},
                {"why", why},
                {"what", "rows of reports are missing for so many views; all counts are right"}});
    redis::pipeline dropping;
    dropping.add(merge_command(partition, 1, nonce, nonce, {}));
    const auto answers = co_await redis_.exec(dropping);
    if (answers && (*answers)[0].text() == "ok") {
        dropped_.add();
        states_[partition].failures = 0;
    }
}

void row_settler::refused(std::string_view command, unsigned partition, std::string_view answer)
{
    if (error_limit_.pass())
        log::warn("redis_refuses", {{"command", command},
                                    {"partition", partition},
                                    {"answer", answer},
                                    {"held_back", error_limit_.held_back()}});
}

}  // namespace luot::aggregator
