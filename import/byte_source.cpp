#include "import/byte_source.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <zlib.h>

namespace luot::importer {
namespace {

constexpr std::size_t chunk_bytes = 64 * 1024;
constexpr std::string_view gzip_magic = "\x1F\x8B";

/// How others begin. None has a line feed there, so a line always tells. Of bzip2 the size of its
/// blocks is left out, and is behind "BZh".
struct compressor {
    std::string_view magic, name, reader;
};
constexpr std::array<compressor, 4> compressors{{
    {"\xFD"
     "7zXZ",
     "xz", "xzcat"},
    {"BZh?1AY&SY", "bzip2", "bzcat"},
    {"BZh?\x17rE8P\x90", "bzip2", "bzcat"},
    {"\x28\xB5\x2F\xFD", "zstd", "zstdcat"},
}};

class compression_category final : public boost::system::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "compression"; }
    /// `value`: the number in `compressors`, from 1 on.
    [[nodiscard]] std::string message(int value) const override
    {
        return "is compressed by " +
               std::string(compressors.at(static_cast<std::size_t>(value - 1)).name);
    }
};

/// The bytes of both as far as both go are the same; "?" is any.
bool may_begin(std::string_view bytes, std::string_view magic) noexcept
{
    const auto size = std::min(bytes.size(), magic.size());
    for (std::size_t i = 0; i < size; ++i)
        if (bytes[i] != magic[i] && magic[i] != '?')
            return false;
    return true;
}

error_code last_error()
{
    return {errno, boost::system::system_category()};
}

}  // namespace

const boost::system::error_category& other_compression() noexcept
{
    static const compression_category category;
    return category;
}

std::string_view reader_of(const error_code& error) noexcept
{
    return error.category() == other_compression()
               ? compressors[static_cast<std::size_t>(error.value() - 1)].reader
               : std::string_view{};
}

/// zlib, at work on a member or between two.
class byte_source::inflater {
public:
    inflater() { ready_ = inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK; }
    ~inflater() { inflateEnd(&stream_); }
    inflater(const inflater&) = delete;
    inflater& operator=(const inflater&) = delete;

    [[nodiscard]] bool is_in_member() const noexcept { return in_member_; }

    /// Uses up some of [from, from + size) and fills some of [to, to + room).
    [[nodiscard]] error_code run(const char* from, std::size_t size, std::size_t& used, char* to,
                                 std::size_t room, std::size_t& got)
    {
        used = got = 0;
        if (!in_member_ && is_past_first_) {
            while (used < size && from[used] == 0)
                ++used;
            is_padded_ = is_padded_ || used > 0;
            if (used == size)
                return {};
            if (is_padded_ || inflateReset(&stream_) != Z_OK)
                return errc::damaged_gzip;
        }
        if (!ready_)
            return make_error_code(boost::system::errc::not_enough_memory);
        in_member_ = is_past_first_ = true;
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from + used));
        stream_.avail_in = static_cast<uInt>(size - used);
        stream_.next_out = reinterpret_cast<Bytef*>(to);
        stream_.avail_out = static_cast<uInt>(room);
        const int answer = inflate(&stream_, Z_NO_FLUSH);
        used = size - stream_.avail_in;
        got = room - stream_.avail_out;
        in_member_ = answer != Z_STREAM_END;
        // Z_BUF_ERROR: nothing left to read or no room, which is no damage.
        return answer == Z_OK || answer == Z_STREAM_END || answer == Z_BUF_ERROR
                   ? error_code{}
                   : make_error_code(errc::damaged_gzip);
    }

private:
    z_stream stream_{};
    bool ready_ = false;
    bool in_member_ = false;
    bool is_past_first_ = false;
    bool is_padded_ = false;  // zeros came behind a member: nothing else may follow
};

byte_source::byte_source(int descriptor) : descriptor_(descriptor), input_(new char[chunk_bytes]) {}

byte_source::~byte_source()
{
    if (descriptor_ >= 0)
        ::close(descriptor_);
}

byte_source::byte_source(byte_source&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      form_(other.form_),
      error_(other.error_),
      input_bytes_(other.input_bytes_),
      input_(std::move(other.input_)),
      begin_(other.begin_),
      end_(other.end_),
      inflater_(std::move(other.inflater_))
{
}

result<byte_source> byte_source::open(const std::string& name)
{
    const int descriptor = name == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                       : ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return last_error();
    return byte_source(descriptor);
}

error_code byte_source::rewind()
{
    if (::lseek(descriptor_, 0, SEEK_SET) < 0)
        return last_error();
    form_ = form::unknown;
    error_ = {};
    input_bytes_ = 0;
    begin_ = end_ = 0;
    inflater_.reset();
    return {};
}

bool byte_source::would_wait() const noexcept
{
    pollfd asked{descriptor_, POLLIN, 0};
    return begin_ == end_ && ::poll(&asked, 1, 0) == 0;
}

result<std::size_t> byte_source::read(char* to, std::size_t room)
{
    if (!error_ && form_ == form::unknown)
        error_ = find_form();
    if (error_)
        return error_;
    if (form_ == form::plain && begin_ < end_) {
        const auto size = std::min(room, end_ - begin_);
        std::memcpy(to, input_.get() + begin_, size);
        begin_ += size;
        return size;
    }
    if (form_ == form::unknown)
        return std::size_t{0};
    const auto got = form_ == form::gzip ? read_gzip(to, room) : read_file(to, room);
    if (!got)
        error_ = got.error();
    return got;
}

result<std::size_t> byte_source::read_file(char* to, std::size_t room)
{
    ssize_t got = 0;
    do
        got = ::read(descriptor_, to, room);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return last_error();
    input_bytes_ += static_cast<std::size_t>(got);
    return static_cast<std::size_t>(got);
}

/// Reads until the first bytes tell. At an end before that the form stays unknown: what has come
/// waits for the next byte.
error_code byte_source::find_form()
{
    while (true) {
        const std::string_view bytes(input_.get(), end_);
        bool is_open =
            !bytes.empty() && bytes.size() < gzip_magic.size() && may_begin(bytes, gzip_magic);
        for (std::size_t i = 0; i < compressors.size(); ++i) {
            if (bytes.empty() || !may_begin(bytes, compressors[i].magic))
                continue;
            if (bytes.size() >= compressors[i].magic.size())
                return {static_cast<int>(i + 1), other_compression()};
            is_open = true;
        }
        if (!bytes.empty() && !is_open)
            break;
        const auto got = read_file(input_.get() + end_, chunk_bytes - end_);
        if (!got)
            return got.error();
        if (*got == 0)
            return {};
        end_ += *got;
    }
    form_ = form::plain;
    if (std::string_view(input_.get(), end_).starts_with(gzip_magic)) {
        form_ = form::gzip;
        inflater_ = std::make_unique<inflater>();
    }
    return {};
}

result<std::size_t> byte_source::read_gzip(char* to, std::size_t room)
{
    while (true) {
        if (begin_ == end_) {
            const auto more = read_file(input_.get(), chunk_bytes);
            if (!more)
                return more.error();
            begin_ = 0;
            end_ = *more;
        }
        const bool at_end = begin_ == end_;
        if (at_end && !inflater_->is_in_member())
            return std::size_t{0};
        // Also at the end: zlib may have had no room for all that it has.
        std::size_t used = 0, got = 0;
        const auto error =
            inflater_->run(input_.get() + begin_, end_ - begin_, used, to, room, got);
        begin_ += used;
        if (got > 0) {
            error_ = error;  // after what is good
            return got;
        }
        if (error)
            return error;
        if (at_end && inflater_->is_in_member())
            return errc::cut_gzip;
    }
}

}  // namespace luot::importer
