// Walks over the frames of one file of an archive, past damage, to its torn tail.

#pragma once

#include "archive/format.hpp"
#include "core/file.hpp"

#include <cstdint>
#include <vector>

namespace luot::archive {

struct frame_place {
    std::uint64_t at = 0;  ///< byte of the file at which its head begins
    frame_head head;
};

struct frame_list {
    /// Whose heads are good, in the order of the file; what they hold may be damaged.
    std::vector<frame_place> frames;
    std::uint64_t end = 0;            ///< behind the last one; what follows is a torn tail
    std::uint64_t torn_bytes = 0;     ///< of it
    std::uint64_t damaged_bytes = 0;  ///< between good frames
    bool is_foreign = false;          ///< no archive has begun this file
};

/// Reads all heads. The last bytes of the file are looked at, too: a power loss may have left a
/// head alone, and zeros behind it. Errors: newer_format, or the system's.
[[nodiscard]] result<frame_list> list_frames(const file& f);

/// The records of a frame. Errors: bad_record, or the system's.
[[nodiscard]] error_code read_frame(const file& f, const frame_place& place, std::string& raw);

}  // namespace luot::archive
