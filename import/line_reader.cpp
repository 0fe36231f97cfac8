#include "import/line_reader.hpp"

#include "import/log_line.hpp"

#include <algorithm>
#include <cstring>

namespace luot::importer {
namespace {

constexpr std::size_t text_bytes = 256 * 1024;
constexpr std::size_t kept_bytes = max_line_bytes + 1;  // of a line that is too long
static_assert(text_bytes >= 2 * kept_bytes);

}  // namespace

line_reader::line_reader(byte_source source)
    : source_(std::move(source)), text_(new char[text_bytes])
{
}

result<line_reader> line_reader::open(const std::string& name)
{
    auto source = byte_source::open(name);
    if (!source)
        return source.error();
    return line_reader(std::move(*source));
}

line_reader::outcome line_reader::next(raw_line& out)
{
    if (!is_holding_ && replayed_ < held_.size()) {
        const auto& held = held_[replayed_++];
        out = {held.text, held.offset, held.number};
        return outcome::line;
    }
    if (!is_holding_ && !held_.empty()) {
        held_.clear();
        replayed_ = 0;
    }
    while (true) {
        const auto* const feed =
            static_cast<const char*>(std::memchr(text_.get() + scanned_, '\n', end_ - scanned_));
        if (feed != nullptr) {
            give(out, static_cast<std::size_t>(feed - text_.get()) - begin_, 1);
            if (is_holding_)
                held_.push_back({std::string(out.text), out.offset, out.number});
            return outcome::line;
        }
        if (!refill())
            return error_ ? outcome::failed : outcome::end;
    }
}

bool line_reader::take_rest(raw_line& out)
{
    if (begin_ == end_)
        return false;
    give(out, end_ - begin_, 0);
    return true;
}

/// The line at begin_: `size` bytes and a line feed of `feed` bytes stand there.
void line_reader::give(raw_line& out, std::size_t size, std::size_t feed)
{
    out.text = {text_.get() + begin_, std::min(size, kept_bytes)};
    out.offset = offset_;
    out.number = ++number_;
    if (size > max_line_bytes)
        ++long_lines_;
    last_ = {size, feed, dropped_};
    offset_ += size + dropped_ + feed;
    dropped_ = 0;
    begin_ += size + feed;
    scanned_ = begin_;
}

void line_reader::replay() noexcept
{
    is_holding_ = false;
    replayed_ = 0;
}

void line_reader::put_back() noexcept
{
    if (replayed_ > 0) {
        --replayed_;
        return;
    }
    const auto& l = last_;
    offset_ -= l.size + l.dropped + l.feed;
    --number_;
    if (l.size > max_line_bytes)
        --long_lines_;
    dropped_ = l.dropped;
    begin_ -= l.size + l.feed;
    scanned_ = begin_;
}

error_code line_reader::rewind()
{
    if (const auto error = source_.rewind())
        return error;
    error_ = {};
    held_.clear();
    replayed_ = 0;
    is_holding_ = false;
    begin_ = scanned_ = end_ = 0;
    dropped_ = offset_ = number_ = long_lines_ = 0;
    return {};
}

bool line_reader::would_wait() noexcept
{
    if (!is_holding_ && replayed_ < held_.size())
        return false;
    const bool has_line = std::memchr(text_.get() + scanned_, '\n', end_ - scanned_) != nullptr;
    return !has_line && source_.would_wait();
}

/// Reads behind the incomplete line that there is. False at the end, and when that fails.
bool line_reader::refill()
{
    if (begin_ > 0) {
        std::memmove(text_.get(), text_.get() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (end_ > kept_bytes) {
        dropped_ += end_ - kept_bytes;
        end_ = kept_bytes;
    }
    scanned_ = end_;
    const auto got = source_.read(text_.get() + end_, text_bytes - end_);
    error_ = got ? error_code{} : got.error();
    end_ += got ? *got : 0;
    return got && *got > 0;
}

}  // namespace luot::importer
