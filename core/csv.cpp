#include "core/csv.hpp"

#include <algorithm>
#include <utility>

namespace luot {

namespace {

constexpr std::string_view formula_signs = "=+-@";
constexpr std::string_view blanks = " \t";

/// Whether spreadsheets take it for a formula, or it is a text that looks like one made harmless.
bool is_like_a_formula(std::string_view text)
{
    text.remove_prefix(std::min(text.find_first_not_of('\''), text.size()));
    return !text.empty() && formula_signs.find(text[0]) != std::string_view::npos;
}

std::vector<std::string> cells_of(std::string_view record, char separator)
{
    std::vector<std::string> cells(1);
    bool is_quoted = false;
    for (std::size_t i = 0; i < record.size(); ++i) {
        const char c = record[i];
        if (c == '"' && is_quoted && i + 1 < record.size() && record[i + 1] == '"') {
            cells.back() += '"';
            ++i;
        } else if (c == '"') {
            is_quoted = !is_quoted;
        } else if (c == separator && !is_quoted) {
            cells.emplace_back();
        } else {
            cells.back() += c;
        }
    }
    for (auto& cell : cells) {
        cell.erase(cell.find_last_not_of(blanks) + 1);
        cell.erase(0, cell.find_first_not_of(blanks));
        if (cell.starts_with('\'') && is_like_a_formula(cell))
            cell.erase(0, 1);
    }
    return cells;
}

}  // namespace

void csv_line::begin_cell()
{
    if (std::exchange(has_cells_, true))
        text_ += ',';
}

csv_line& csv_line::add(std::string_view text)
{
    begin_cell();
    const bool must_be_quoted = text.find_first_of(",;\"\r\n\t") != std::string_view::npos;
    if (must_be_quoted)
        text_ += '"';
    if (is_like_a_formula(text))
        text_ += '\'';
    for (const char c : text) {
        if (c == '"')
            text_ += '"';
        text_ += c;
    }
    if (must_be_quoted)
        text_ += '"';
    return *this;
}

csv_line& csv_line::add(std::int64_t number)
{
    begin_cell();
    text_ += std::to_string(number);
    return *this;
}

csv_line& csv_line::add_nothing()
{
    begin_cell();
    return *this;
}

std::string csv_line::take()
{
    has_cells_ = false;
    text_ += '\n';
    return std::exchange(text_, {});
}

void csv_reader::feed(std::string_view bytes)
{
    if (begin_ > 0) {
        text_.erase(0, begin_);
        scanned_ -= begin_;
        begin_ = 0;
    }
    text_ += bytes;
}

/// False: not all of what may be one is there.
bool csv_reader::skip_mark()
{
    const auto head = std::string_view(text_).substr(0, utf8_bom.size());
    if (!mark_is_past_ && head.size() < utf8_bom.size() && utf8_bom.starts_with(head) &&
        !is_finished_)
        return false;
    if (!std::exchange(mark_is_past_, true) && head == utf8_bom)
        begin_ = scanned_ = utf8_bom.size();
    return true;
}

/// By the first line that has anything in it. False: it is not there whole.
bool csv_reader::find_separator()
{
    if (separator_ != 0)
        return true;
    const auto text = std::string_view(text_).substr(begin_);
    const auto begin = std::min(text.find_first_not_of("\r\n"), text.size());
    const auto end = text.find('\n', begin);
    if (end == std::string_view::npos && !is_finished_ && text.size() <= most_bytes)
        return false;
    const auto first = text.substr(0, end).substr(begin);
    std::string candidates;
    bool is_quoted = false;
    for (const char c : first) {
        if (c == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && (c == ',' || c == ';' || c == '\t'))
            candidates += c;
    }
    separator_ = ',';
    for (const char rarer : {';', '\t'})
        if (candidates.find(separator_) == std::string::npos &&
            candidates.find(rarer) != std::string::npos)
            separator_ = rarer;
    return true;
}

/// Moves scanned_ to the line feed that ends the record. False: there is none yet.
bool csv_reader::find_end()
{
    while ((scanned_ = text_.find_first_of("\"\n", scanned_)) != std::string::npos) {
        if (text_[scanned_] == '"')
            is_quoted_ = !is_quoted_;  // a doubled quote leaves and enters again
        else if (!is_quoted_)
            return true;
        else
            ++lines_within_;
        ++scanned_;
    }
    scanned_ = text_.size();
    return false;
}

csv_reader::outcome csv_reader::next(csv_record& out)
{
    if (!skip_mark() || !find_separator())
        return outcome::more;
    for (;;) {
        out.line = line_;
        const bool is_ended = find_end();
        if (scanned_ - begin_ > most_bytes)
            return outcome::too_long;
        if (!is_ended) {
            if (!is_finished_)
                return outcome::more;
            if (is_quoted_)
                return outcome::open_quote;
            if (begin_ == text_.size())
                return outcome::end;
        }
        auto record = std::string_view(text_).substr(begin_, scanned_ - begin_);
        if (record.ends_with('\r'))
            record.remove_suffix(1);
        begin_ = scanned_ = std::min(scanned_ + 1, text_.size());
        line_ += 1 + std::exchange(lines_within_, 0);
        if (record.empty())
            continue;
        out.cells = cells_of(record, separator_);
        return outcome::record;
    }
}

}  // namespace luot
