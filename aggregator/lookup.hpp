// What the fold needs to know of a batch, read from Redis after its entries were. No hit can have
// been added to it while the batch's first entry is the head of its stream, and apply.lua checks
// that.

#pragma once

#include "aggregator/fold/fold.hpp"
#include "aggregator/memory.hpp"
#include "core/redis/pipeline.hpp"
#include "core/redis/reply.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace luot::aggregator {

/// The reads for one batch of one partition. A plain pipeline: a full
/// Redis refuses MULTI.
class lookup {
public:
    /// `sets` are the id sets that are thought to exist; when there are others, read() says so.
    /// `memory`, which holds what was not asked, must outlive it; the paths found are learnt, and
    /// the tip that it rests on then if it has none.
    lookup(unsigned partition, questions asked, id_sets sets, partition_memory& memory);

    void add_to(redis::pipeline& commands) const;

    /// Replies that this takes from a pipeline.
    [[nodiscard]] std::size_t size() const noexcept { return list_.size(); }

    enum class outcome {
        known,      ///< everything was read
        more_sets,  ///< id sets exist that were not asked: again, with sets()
        failed,     ///< an error; see error()
    };
    /// Reads the replies from the one with the number `first` on.
    [[nodiscard]] outcome read(const redis::replies& answers, std::size_t first);

    [[nodiscard]] const knowledge& known() const noexcept { return known_; }
    /// Whether rows of breakdowns wait to be written.
    [[nodiscard]] bool rows_wait() const noexcept { return rows_wait_; }
    /// Whether a report waits for them.
    [[nodiscard]] bool rows_wanted() const noexcept { return rows_wanted_; }
    [[nodiscard]] const id_sets& sets() const noexcept { return sets_; }
    [[nodiscard]] const std::string& error() const noexcept { return error_; }

private:
    questions asked_;
    id_sets sets_;
    partition_memory& memory_;
    bool asks_for_tip_ = false;
    bool asks_for_ids_ = false;
    bool rows_wait_ = false;
    bool rows_wanted_ = false;
    std::vector<redis::command> list_;
    knowledge known_;
    std::string error_;
};

/// The script that the client of a lookup must have loaded.
[[nodiscard]] const redis::script& known_script();

/// Eight bytes that stand for a visitor or a hit id in Redis.
[[nodiscard]] std::string member(std::uint64_t id);

/// Eight hex digits that stand for a client.
[[nodiscard]] std::string client_field(std::uint32_t client);

}  // namespace luot::aggregator
