#include "archive/writer.hpp"

#include "archive/format.hpp"
#include "archive/frames.hpp"
#include "core/fail_point.hpp"

#include <boost/system/errc.hpp>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace luot::archive {

namespace {

error_code last_error()
{
    return {errno, boost::system::system_category()};
}

}  // namespace

writer::~writer()
{
    if (lock_ >= 0)
        ::close(lock_);
}

error_code writer::lock()
{
    if (lock_ >= 0)
        return {};
    if (const auto error = make_directory(directory_))
        return error;
    const auto name = directory_ + "/lock";
    const int descriptor = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return last_error();
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        const auto error = last_error();
        ::close(descriptor);
        return error;
    }
    lock_ = descriptor;
    return {};
}

error_code writer::append(std::int32_t date, const std::string& frames)
{
    const auto name = directory_ + '/' + file_name(date);
    auto opened = file::open_to_append(name);
    const bool is_new = !opened && opened.error().value() == ENOENT;
    if (is_new)
        opened = file::create(name);
    if (!opened)
        return opened.error();
    const auto size = opened->size();
    if (!size)
        return size.error();
    const auto known = known_bytes_.find(date);
    if (known == known_bytes_.end() || known->second != *size) {
        const auto found = list_frames(*opened);
        if (!found)
            return found.error();
        if (found->is_foreign && *size > 0)
            return errc::bad_record;
        if (found->torn_bytes > 0) {
            if (const auto error = opened->truncate(found->end))
                return error;
            torn_bytes_ += found->torn_bytes;
        }
        known_bytes_[date] = found->end;
    }
    auto& bytes = known_bytes_[date];
    fail_point("archive.append");
    auto error = opened->append(frames);
    if (!error)
        error = opened->sync();
    if (!error && is_new)
        error = sync_directory(directory_);
    if (error) {
        // Where it cannot be cut either, its size is not the one that is known: it is looked at
        // again.
        (void)opened->truncate(bytes);
        return error;
    }
    bytes += frames.size();
    return {};
}

error_code writer::add(const std::map<std::int32_t, std::string>& frames_by_date)
{
    if (const auto error = lock())
        return error;
    std::vector<std::pair<std::int32_t, std::uint64_t>> appended;
    for (const auto& [date, frames] : frames_by_date) {
        if (const auto error = append(date, frames)) {
            for (const auto& [of_date, bytes] : appended)
                cut_back(of_date, bytes);
            return error;
        }
        appended.emplace_back(date, known_bytes_[date] - frames.size());
    }
    return {};
}

/// Else a segment of two dates, one of whose files cannot be written, would be appended to the
/// other each time that it is tried.
void writer::cut_back(std::int32_t date, std::uint64_t bytes)
{
    auto opened = file::open_to_append(directory_ + '/' + file_name(date));
    if (opened && !opened->truncate(bytes))
        known_bytes_[date] = bytes;
    else
        known_bytes_.erase(date);
}

result<std::optional<std::int32_t>> writer::newest() const
{
    std::optional<std::int32_t> out;
    const auto names = list_directory(directory_);
    if (!names && names.error() == boost::system::errc::no_such_file_or_directory)
        return out;
    if (!names)
        return names.error();
    std::int32_t date = 0;
    for (const auto& name : *names)
        if (parse_file_name(name, date))
            out = std::max(out.value_or(date), date);
    return out;
}

result<std::size_t> writer::remove_before(std::int32_t date)
{
    const auto names = list_directory(directory_);
    // Not by its number: it may be one of std's.
    if (!names && names.error() == boost::system::errc::no_such_file_or_directory)
        return std::size_t{0};
    if (!names)
        return names.error();
    std::size_t removed = 0;
    for (const auto& name : *names) {
        std::int32_t of_file = 0;
        if (!parse_file_name(name, of_file) || of_file >= date)
            continue;
        if (const auto error = remove_file(directory_ + '/' + name);
            error && error.value() != ENOENT)
            return error;
        known_bytes_.erase(of_file);
        ++removed;
    }
    return removed;
}

}  // namespace luot::archive
