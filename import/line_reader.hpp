// Complete lines of a file, a .gz or standard input, in constant memory.

#pragma once

#include "core/error.hpp"
#include "import/byte_source.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace luot::importer {

struct raw_line {
    std::string_view text;     ///< without its line feed; valid until the next call of the reader
    std::uint64_t offset = 0;  ///< of its first byte, in the decompressed text
    std::uint64_t number = 0;  ///< from 1 on; lines that are too long have one, too
};

/// Reads lines from the front to the end. One thread at a time.
class line_reader {
public:
    enum class outcome : std::uint8_t {
        line,    ///< there is one
        end,     ///< no complete line is left; of a file that grows there may be one later
        failed,  ///< see error(); there will be no more
    };

    explicit line_reader(byte_source source);

    /// "-" is standard input. Errors: the system's.
    [[nodiscard]] static result<line_reader> open(const std::string& name);

    /// The next complete line. One that is longer than max_line_bytes comes as its first
    /// max_line_bytes + 1 bytes, which line_parser refuses as too long; the rest is not kept.
    [[nodiscard]] outcome next(raw_line& out);

    /// The line that next() gave last comes again. Once, right after it.
    void put_back() noexcept;

    /// Keeps the lines that next() gives from here on, so that they come again: of a pipe, which
    /// cannot be read twice. Meanwhile offset(), long_lines() and has_rest() are of what was read.
    void hold() noexcept { is_holding_ = true; }
    /// The lines since hold() come again, and are kept no longer.
    void replay() noexcept;

    /// Back to the first line. Errors: byte_source::rewind().
    [[nodiscard]] error_code rewind();

    /// Whether next() would wait for somebody who writes into a pipe.
    [[nodiscard]] bool would_wait() noexcept;

    /// When the end is final: what stands behind the last line feed. False when that is nothing.
    [[nodiscard]] bool take_rest(raw_line& out);

    /// Why next() failed (byte_source::read()). All complete lines before were given.
    [[nodiscard]] error_code error() const noexcept { return error_; }

    /// Whether anything stands behind the last complete line that was given.
    [[nodiscard]] bool has_rest() const noexcept { return begin_ != end_ || dropped_ > 0; }

    /// Where the next line begins, in the decompressed text.
    [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
    /// How many of the lines that were given are too long.
    [[nodiscard]] std::uint64_t long_lines() const noexcept { return long_lines_; }
    /// Bytes read from the file, as it is on the disk: for how far it has come.
    [[nodiscard]] std::uint64_t input_bytes() const noexcept { return source_.input_bytes(); }
    /// Of the open file. It stays the reader's.
    [[nodiscard]] int descriptor() const noexcept { return source_.descriptor(); }

private:
    bool refill();
    void give(raw_line& out, std::size_t size, std::size_t feed);

    byte_source source_;
    error_code error_;

    std::unique_ptr<char[]> text_;
    std::size_t begin_ = 0;      // of the next line in text_
    std::size_t scanned_ = 0;    // from begin_ to here there is no line feed
    std::size_t end_ = 0;        // of what was read
    std::uint64_t dropped_ = 0;  // bytes of the next line, which is too long, that were not kept

    std::uint64_t offset_ = 0;
    std::uint64_t number_ = 0;
    std::uint64_t long_lines_ = 0;

    struct held_line {
        std::string text;
        std::uint64_t offset, number;
    };
    std::deque<held_line> held_;
    std::size_t replayed_ = 0;  // of held_, when it does not hold
    bool is_holding_ = false;

    struct {
        std::size_t size = 0, feed = 0;
        std::uint64_t dropped = 0;
    } last_;  // of the line given last
};

}  // namespace luot::importer
