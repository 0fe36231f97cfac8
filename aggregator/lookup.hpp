// What the fold needs to know of a batch, read from Redis in one transaction with the proof that
// the batch is still at the head of its stream: what was read cannot have changed while it is.

#pragma once

#include "aggregator/fold/fold.hpp"
#include "core/redis/pipeline.hpp"
#include "core/redis/reply.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace luot::aggregator {

/// The sets of hit ids of a partition: number of the ten minutes -> ids in it.
using id_sets = std::map<std::int64_t, std::uint64_t>;

/// One transaction for one batch of one partition.
class lookup {
public:
    /// `sets` are the id sets that are thought to exist; when there are others, read() says so.
    /// With `with_watermarks` the producers' watermarks are read too.
    lookup(unsigned partition, const std::string& head, questions asked, id_sets sets,
           bool with_watermarks);

    void add_to(redis::pipeline& commands) const;

    /// Replies that this takes from a pipeline.
    [[nodiscard]] std::size_t size() const noexcept { return commands_ + 2; }

    enum class outcome {
        known,      ///< everything was read
        gone,       ///< the batch is not at the head any more: somebody applied it
        more_sets,  ///< id sets exist that were not asked: again, with sets()
        failed,     ///< an error; see error()
    };
    /// `exec` is the reply to EXEC.
    [[nodiscard]] outcome read(const redis::reply_view& exec);

    [[nodiscard]] const knowledge& known() const noexcept { return known_; }
    [[nodiscard]] const id_sets& sets() const noexcept { return sets_; }
    /// The lowest watermark of the partition's producers, those silent for a day left out; nullopt
    /// when it was not asked for.
    [[nodiscard]] std::optional<std::int64_t> low_watermark_ms() const noexcept { return low_ms_; }
    [[nodiscard]] std::uint64_t silent_producers() const noexcept { return silent_; }
    [[nodiscard]] const std::string& error() const noexcept { return error_; }

private:
    unsigned partition_;
    std::string head_;
    questions asked_;
    id_sets sets_;
    bool with_watermarks_;
    std::size_t commands_ = 0;
    std::vector<redis::command> list_;
    knowledge known_;
    std::optional<std::int64_t> low_ms_;
    std::uint64_t silent_ = 0;
    std::string error_;
};

/// Eight bytes that stand for a visitor or a hit id in Redis.
[[nodiscard]] std::string member(std::uint64_t id);

}  // namespace luot::aggregator
