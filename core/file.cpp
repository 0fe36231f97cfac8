#include "core/file.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace luot {

namespace {

error_code last_error()
{
    return {errno, boost::system::system_category()};
}

}  // namespace

file::~file()
{
    if (descriptor_ >= 0)
        ::close(descriptor_);
}

file::file(file&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

file& file::operator=(file&& other) noexcept
{
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

result<file> file::create(const std::string& name)
{
    const int descriptor =
        ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return last_error();
    return file{descriptor};
}

result<file> file::open(const std::string& name)
{
    const int descriptor = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return last_error();
    return file{descriptor};
}

result<file> file::open_to_append(const std::string& name)
{
    const int descriptor = ::open(name.c_str(), O_RDWR | O_APPEND | O_CLOEXEC);
    if (descriptor < 0)
        return last_error();
    return file{descriptor};
}

error_code file::append(std::string_view bytes)
{
    ssize_t written = 0;
    do
        written = ::write(descriptor_, bytes.data(), bytes.size());
    while (written < 0 && errno == EINTR);
    if (written < 0)
        return last_error();
    if (static_cast<std::size_t>(written) < bytes.size())
        return errc::short_write;
    return {};
}

error_code file::truncate(std::uint64_t size)
{
    return ::ftruncate(descriptor_, static_cast<off_t>(size)) == 0 ? error_code{} : last_error();
}

error_code file::sync()
{
    return ::fdatasync(descriptor_) == 0 ? error_code{} : last_error();
}

error_code file::read_at(std::uint64_t offset, std::size_t size, std::string& out) const
{
    out.resize(size);
    std::size_t got = 0;
    while (got < size) {
        const auto n =
            ::pread(descriptor_, out.data() + got, size - got, static_cast<off_t>(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            out.clear();
            return last_error();
        }
        if (n == 0)
            break;
        got += static_cast<std::size_t>(n);
    }
    out.resize(got);
    return {};
}

result<std::uint64_t> file::size() const
{
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0)
        return last_error();
    return static_cast<std::uint64_t>(status.st_size);
}

error_code make_directory(const std::string& name)
{
    std::error_code error;
    const bool existed = std::filesystem::exists(name, error);
    std::filesystem::create_directories(name, error);
    if (!error && !existed)
        std::filesystem::permissions(name, std::filesystem::perms::owner_all, error);
    return error;
}

result<std::vector<std::string>> list_directory(const std::string& name)
{
    std::error_code error;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator at(name, error), end; !error && at != end;
         at.increment(error))
        names.push_back(at->path().filename().string());
    if (error)
        return error_code(error);
    std::sort(names.begin(), names.end());
    return names;
}

error_code remove_file(const std::string& name)
{
    return ::unlink(name.c_str()) == 0 ? error_code{} : last_error();
}

error_code sync_directory(const std::string& name)
{
    const int descriptor = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return last_error();
    const auto error = ::fsync(descriptor) == 0 ? error_code{} : last_error();
    ::close(descriptor);
    return error;
}

error_code replace_file(const std::string& name, std::string_view content)
{
    const auto beside = name + ".new";
    ::unlink(beside.c_str());
    auto created = file::create(beside);
    if (!created)
        return created.error();
    auto error = created->append(content);
    if (!error)
        error = created->sync();
    if (!error && ::rename(beside.c_str(), name.c_str()) != 0)
        error = last_error();
    if (error) {
        ::unlink(beside.c_str());
        return error;
    }
    return sync_directory(std::filesystem::path(name).parent_path().string());
}

error_code overwrite_file(const std::string& name, std::string_view content)
{
    const int descriptor = ::open(name.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor < 0)
        return last_error();
    file overwritten{descriptor};
    const auto written = ::pwrite(descriptor, content.data(), content.size(), 0);
    if (written < 0)
        return last_error();
    if (static_cast<std::size_t>(written) < content.size())
        return errc::short_write;
    if (auto error = overwritten.sync())
        return error;
    if (auto error = overwritten.truncate(content.size()))
        return error;
    return overwritten.sync();
}

result<std::string> read_file(const std::string& name, std::size_t most)
{
    auto opened = file::open(name);
    if (!opened)
        return opened.error();
    std::string content;
    if (auto error = opened->read_at(0, most, content))
        return error;
    return content;
}

result<std::int64_t> modified_ms(const std::string& name)
{
    struct stat status {};
    if (::stat(name.c_str(), &status) != 0)
        return last_error();
    return status.st_mtim.tv_sec * 1000LL + status.st_mtim.tv_nsec / 1'000'000;
}

}  // namespace luot
