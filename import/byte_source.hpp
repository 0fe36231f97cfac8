// The bytes of a file, a .gz or standard input, decompressed as they are asked for.

#pragma once

#include "core/error.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace luot::importer {

/// Of errors that say which other program has compressed a file, by the bytes it begins with: "is
/// compressed by xz".
[[nodiscard]] const boost::system::error_category& other_compression() noexcept;
/// The program that prints such a file as it was: "xzcat". Of another error: empty.
[[nodiscard]] std::string_view reader_of(const error_code& error) noexcept;

/// What begins as a .gz does is read as one, whatever its name: several members one behind the
/// other, with zeros behind the last. One thread at a time.
class byte_source {
public:
    /// "-" is standard input. Errors: the system's.
    [[nodiscard]] static result<byte_source> open(const std::string& name);

    ~byte_source();
    byte_source(byte_source&& other) noexcept;
    byte_source& operator=(byte_source&&) = delete;

    /// Waits for bytes and puts 1 to `room` of them at `to`; 0 at the end, which may move on when
    /// the file grows. Errors, of which each further call answers the same: damaged_gzip, cut_gzip
    /// (the end within a member: it is still being written, or was cut), other_compression's (it
    /// is no text, and nothing of it was given), the system's. The checksum of a member is only
    /// seen at its end: what came before it may have been damaged, too.
    [[nodiscard]] result<std::size_t> read(char* to, std::size_t room);

    /// Bytes read from the file, as it is on the disk: for how far it has come.
    [[nodiscard]] std::uint64_t input_bytes() const noexcept { return input_bytes_; }

    /// Back to the beginning. Errors: the system's, for what cannot be read twice (a pipe).
    [[nodiscard]] error_code rewind();

    /// Whether read() would wait for somebody who writes into a pipe or types.
    [[nodiscard]] bool would_wait() const noexcept;

    /// Of the open file. It stays the source's.
    [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

private:
    class inflater;
    enum class form : std::uint8_t { unknown, plain, gzip };

    explicit byte_source(int descriptor);
    result<std::size_t> read_file(char* to, std::size_t room);
    error_code find_form();
    result<std::size_t> read_gzip(char* to, std::size_t room);

    int descriptor_;
    form form_ = form::unknown;
    error_code error_;
    std::uint64_t input_bytes_ = 0;
    std::unique_ptr<char[]> input_;  // from the file, not yet used: [begin_, end_)
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::unique_ptr<inflater> inflater_;
};

}  // namespace luot::importer
