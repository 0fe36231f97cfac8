// Reads archives back: every hit once, by time, whatever crashes and copies have doubled.

#pragma once

#include "archive/format.hpp"
#include "archive/frames.hpp"
#include "core/error.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace luot::archive {

/// A hit that was read.
struct archived_hit {
    std::uint64_t producer = 0;
    record what;  ///< its payload lives until the next call of next()
};

/// What was not read, of all files together.
struct unread {
    std::uint64_t torn_bytes = 0;     ///< at the ends of files: a crash, no damage
    std::uint64_t damaged_bytes = 0;  ///< between good frames
    std::uint64_t damaged_frames = 0;
    std::uint64_t doubled_hits = 0;  ///< dropped, because they were read before
};

/// Add files and folders, then next() until it is done. Holds one frame (1 MiB) of each log of the
/// same time, and 100 bytes a frame of all. Not thread-safe.
class reader {
public:
    /// Only hits taken at `from_ms` or later and before `before_ms`.
    explicit reader(std::int64_t from_ms = std::numeric_limits<std::int64_t>::min(),
                    std::int64_t before_ms = std::numeric_limits<std::int64_t>::max())
        : from_ms_(from_ms), before_ms_(before_ms)
    {
    }

    /// A file, or the files of a folder whose dates can hold such hits. Errors: the system's,
    /// newer_format, bad_record (a file that is none of an archive).
    [[nodiscard]] error_code add(const std::string& name);

    /// The next hit; `is_there` is false when there is none left. The hits of one log come in their
    /// order, those of several by time. Errors: the system's; damage is passed over and counted.
    [[nodiscard]] error_code next(archived_hit& out, bool& is_there);

    [[nodiscard]] const unread& passed_over() const noexcept { return unread_; }

private:
    struct source {
        std::uint32_t file = 0;
        frame_place place;
    };
    struct log {
        std::uint64_t producer = 0;
        std::vector<source> frames;  ///< by place in the log
        std::size_t next_frame = 0;
        std::int64_t earliest_ms = std::numeric_limits<std::int64_t>::max();
        std::string raw;  ///< of the frame in hand
        std::string_view rest;
        std::array<std::uint64_t, partitions> seen{};  ///< offset of the last hit read
        record head;
        std::int64_t head_ms = std::numeric_limits<std::int64_t>::min();  ///< never goes back
    };

    [[nodiscard]] error_code add_file(const std::string& name);
    [[nodiscard]] error_code advance(log& l, bool& is_there);
    [[nodiscard]] error_code put_back(log* l);
    void begin();

    std::int64_t from_ms_, before_ms_;
    std::vector<std::string> files_;
    std::map<std::uint64_t, log> logs_;
    std::vector<log*> waiting_;  ///< by their first hit, the earliest behind
    std::vector<log*> open_;     ///< a heap by head_ms
    log* in_hand_ = nullptr;     ///< whose head was given out last
    bool is_begun_ = false;
    unread unread_;
};

}  // namespace luot::archive
