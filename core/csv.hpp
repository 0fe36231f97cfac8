// Tables as text, as spreadsheets and databases write and read them (RFC 4180): the one place where
// cells are quoted, and taken out of their quotes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace luot {

/// At the beginning of a file it tells spreadsheets that it is UTF-8.
inline constexpr std::string_view utf8_bom = "\xEF\xBB\xBF";

/// One line, cell by cell.
class csv_line {
public:
    /// In quotes where it must be. A text that a spreadsheet would take for a formula, because it
    /// begins with one of = + - @, gets a ' in front; csv_reader takes it away.
    csv_line& add(std::string_view text);
    csv_line& add(std::int64_t number);
    csv_line& add_nothing();

    /// The line with its end; the next one begins.
    [[nodiscard]] std::string take();

private:
    void begin_cell();

    std::string text_;
    bool has_cells_ = false;
};

struct csv_record {
    std::size_t line = 0;  ///< in which it begins, from 1
    std::vector<std::string> cells;
};

/// Records out of a file, in whatever pieces it comes. A byte order mark is passed over, as empty
/// lines are; the first line tells whether commas, semicolons or tabs separate cells. Blanks around
/// a cell are dropped, and the ' that csv_line puts before a formula. No I/O.
class csv_reader {
public:
    /// Bytes that a record may have, quotes and all.
    static constexpr std::size_t most_bytes = 1 << 20;

    enum class outcome : std::uint8_t {
        record,
        more,        ///< give more bytes, or say that there are none
        end,         ///< that was all
        too_long,    ///< a record has more than most_bytes: nothing more is read
        open_quote,  ///< the text ends within quotes
    };

    /// Takes the next bytes.
    void feed(std::string_view bytes);
    /// There are no more.
    void finish() { is_finished_ = true; }

    /// The next record. After too_long and open_quote `out.line` is where it begins.
    [[nodiscard]] outcome next(csv_record& out);

private:
    bool skip_mark();
    bool find_separator();
    bool find_end();

    std::string text_;
    std::size_t begin_ = 0;    ///< of the record
    std::size_t scanned_ = 0;  ///< as far as its end was looked for
    std::size_t line_ = 1, lines_within_ = 0;
    char separator_ = 0;  ///< 0: not known yet
    bool mark_is_past_ = false, is_quoted_ = false, is_finished_ = false;
};

}  // namespace luot
