// Appends frames to an archive: one folder of one collector, one file for each UTC date.

#pragma once

#include "core/error.hpp"
#include "core/file.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace luot::archive {

/// Not thread-safe. One process at a time writes to a folder: the first one that did has locked it.
class writer {
public:
    explicit writer(std::string directory) : directory_(std::move(directory)) {}
    ~writer();
    writer(const writer&) = delete;
    writer& operator=(const writer&) = delete;

    /// Appends frames to the files of their dates and syncs them; makes the folder and files that
    /// are missing, and cuts a torn tail off one that it opens for the first time. Errors: the
    /// system's (EWOULDBLOCK: another process writes to the folder), bad_record (a file of this
    /// name is none of an archive), newer_format, short_write. Then what was appended is taken back
    /// as far as the disk lets it; readers drop what is there twice.
    [[nodiscard]] error_code add(const std::map<std::int32_t, std::string>& frames_by_date);

    /// The date of the newest file; nullopt: there is none. Errors: the system's.
    [[nodiscard]] result<std::optional<std::int32_t>> newest() const;

    /// Removes the files of dates before this one. Answers how many have gone. Errors: the
    /// system's; no error when there is no folder.
    [[nodiscard]] result<std::size_t> remove_before(std::int32_t date);

    /// Bytes of torn tails cut off so far: what crashes have left.
    [[nodiscard]] std::uint64_t torn_bytes() const noexcept { return torn_bytes_; }

private:
    [[nodiscard]] error_code lock();
    [[nodiscard]] error_code append(std::int32_t date, const std::string& frames);
    void cut_back(std::int32_t date, std::uint64_t bytes);

    const std::string directory_;
    int lock_ = -1;
    std::map<std::int32_t, std::uint64_t> known_bytes_;  ///< of files that end with a good frame
    std::uint64_t torn_bytes_ = 0;
};

}  // namespace luot::archive
