#include "luot/data_lock.hpp"

#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/file.hpp"
#include "core/log.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace luot {

data_lock::data_lock(const std::string& data_dir, std::chrono::milliseconds patience)
{
    if (const auto error = make_directory(data_dir))
        throw std::runtime_error("data_dir " + data_dir + " cannot be made: " + error.message());
    const auto name = data_dir + "/lock";
    descriptor_ = ::open(name.c_str(), O_RDWR | O_CREAT, 0600);  // inherited: see the header
    if (descriptor_ < 0)
        throw std::runtime_error("data_dir " + data_dir +
                                 " cannot be written: " + std::strerror(errno));
    const auto until = steady_ms() + patience.count();
    bool told = false;
    while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            throw std::runtime_error(name + " cannot be locked: " + std::strerror(errno));
        if (steady_ms() > until)
            throw std::runtime_error("data_dir " + data_dir +
                                     " is in use by another luot (or by the Redis of one that was "
                                     "killed): stop that one first, or use another data_dir");
        if (!std::exchange(told, true))
            log::info("waiting_for_data_dir", {{"data_dir", data_dir}});
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
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

}  // namespace luot
