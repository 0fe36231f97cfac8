#include "luot/data_lock.hpp"

#include "core/bytes.hpp"
#include "core/file.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace luot {

data_lock::data_lock(const std::string& data_dir) : name_(data_dir + "/lock")
{
    if (const auto error = make_directory(data_dir))
        throw std::runtime_error("data_dir " + data_dir + " cannot be made: " + error.message());
    descriptor_ = ::open(name_.c_str(), O_RDWR | O_CREAT, 0600);  // inherited: see the header
    if (descriptor_ < 0)
        throw std::runtime_error("data_dir " + data_dir +
                                 " cannot be written: " + std::strerror(errno));
}

bool data_lock::try_lock()
{
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno != EWOULDBLOCK && errno != EINTR)
        throw std::runtime_error(name_ + " cannot be locked: " + std::strerror(errno));
    return false;
}

data_lock::~data_lock()
{
    if (descriptor_ >= 0)
        ::close(descriptor_);
}

std::string data_lock::identity() const
{
    char host[256] = {};
    (void)::gethostname(host, sizeof host - 1);
    struct stat status {};
    (void)::fstat(descriptor_, &status);
    return to_hex(checksum(std::string(host) + ':' + std::to_string(status.st_dev) + ':' +
                           std::to_string(status.st_ino)));
}

void refuse_for_another_user(const std::string& data_dir)
{
    struct stat status {};
    if (::stat(data_dir.c_str(), &status) == 0 && status.st_uid != ::geteuid())
        throw std::runtime_error(
            "data_dir " + data_dir + " belongs to user " + std::to_string(status.st_uid) +
            ": run this as that user (sudo -u \\#" + std::to_string(status.st_uid) + " ...)");
}

}  // namespace luot
