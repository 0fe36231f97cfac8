// The one seam to the file system for data that must survive: every write, sync and removal of the
// spool and the salts goes through here, with errors as values.

#pragma once

#include "core/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace luot {

/// An open file. Moves, closes itself. One thread at a time, but for read_at() beside append().
class file {
public:
    file() = default;
    ~file();
    file(file&& other) noexcept;
    file& operator=(file&& other) noexcept;

    /// A new file for appending, mode 0600; it must not exist.
    [[nodiscard]] static result<file> create(const std::string& name);
    /// An existing file for reading.
    [[nodiscard]] static result<file> open(const std::string& name);

    /// An existing file for appending and reading.
    [[nodiscard]] static result<file> open_to_append(const std::string& name);

    /// Appends with one write(2). Errors: short_write when less was taken, or the system's; the
    /// file may then hold a part of it.
    [[nodiscard]] error_code append(std::string_view bytes);

    /// Cuts the file to this size.
    [[nodiscard]] error_code truncate(std::uint64_t size);

    /// fdatasync(2).
    [[nodiscard]] error_code sync();

    /// Reads up to `size` bytes at `offset` into `out` (replaced); less at the end of the file.
    [[nodiscard]] error_code read_at(std::uint64_t offset, std::size_t size,
                                     std::string& out) const;

    [[nodiscard]] result<std::uint64_t> size() const;
    [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }

private:
    friend error_code overwrite_file(const std::string& name, std::string_view content);
    explicit file(int descriptor) : descriptor_(descriptor) {}
    int descriptor_ = -1;
};

/// Makes a directory (mode 0700) and the ones above it where they are missing.
[[nodiscard]] error_code make_directory(const std::string& name);

/// Names in a directory, sorted.
[[nodiscard]] result<std::vector<std::string>> list_directory(const std::string& name);

[[nodiscard]] error_code remove_file(const std::string& name);
/// Makes creations and removals in a directory durable.
[[nodiscard]] error_code sync_directory(const std::string& name);

/// Replaces a small file so that after a crash it holds the old or the new content, never a
/// mixture; mode 0600, synced.
[[nodiscard]] error_code replace_file(const std::string& name, std::string_view content);

/// The same for a larger file on a disk that is full, in the room that the file has. After a crash
/// the rest of the old content may follow the new one; of one page, the new one is never a mixture
/// on disks that write pages whole.
[[nodiscard]] error_code overwrite_file(const std::string& name, std::string_view content);

/// A whole file of at most `most` bytes.
[[nodiscard]] result<std::string> read_file(const std::string& name, std::size_t most = 1 << 20);

/// Unix time in milliseconds of the last change of the content.
[[nodiscard]] result<std::int64_t> modified_ms(const std::string& name);

}  // namespace luot
