#include "luot/data_lock.hpp"

#include "core/bytes.hpp"
#include "core/file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdexcept>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

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

std::string secret_out_of_reach(const config& c)
{
    struct stat data {};
    if (::geteuid() != 0 || ::stat(c.data_dir.c_str(), &data) != 0 || data.st_uid == 0)
        return {};
    std::vector<gid_t> groups{data.st_gid};
    if (const auto* owner = ::getpwuid(data.st_uid)) {
        int count = 64;
        groups.resize(static_cast<std::size_t>(count));
        if (::getgrouplist(owner->pw_name, owner->pw_gid, groups.data(), &count) >= 0)
            groups.resize(static_cast<std::size_t>(count));
        groups.push_back(data.st_gid);
    }
    const auto is_readable = [&](const std::string& file) {
        struct stat info {};
        if (::stat(file.c_str(), &info) != 0)
            return true;  // it was read just now
        return info.st_uid == data.st_uid
                   ? (info.st_mode & S_IRUSR) != 0
                   : (info.st_mode & S_IRGRP) != 0 &&
                         std::find(groups.begin(), groups.end(), info.st_gid) != groups.end();
    };
    std::vector<std::string> files{c.redis.password_file};
    for (const auto& site : c.sites)
        files.push_back(site.token_file);
    for (const auto& file : files)
        if (!file.empty() && !is_readable(file))
            return file +
                   " cannot be read by the user to whom data_dir belongs: chown it to that user, "
                   "or chgrp it to the group of data_dir and chmod 640";
    return {};
}

}  // namespace luot
