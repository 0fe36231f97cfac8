// `luot doctor`: what lies on this machine's disks, and its clock.

#include "aggregator/fold/spam_list.hpp"
#include "collector/country.hpp"
#include "collector/network_list.hpp"
#include "core/clock.hpp"
#include "core/file.hpp"
#include "luot/data_lock.hpp"
#include "luot/doctor.hpp"
#include "luot/terminal.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <stdexcept>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

namespace luot {

namespace {

/// A file of countries older than this has moved networks; the others change more slowly.
constexpr std::int64_t old_countries_days = 180, old_list_days = 365;
/// Room that is needed beside the spool: Redis' own files, logs.
constexpr std::uint64_t least_free_bytes = 64 << 20;
constexpr std::int64_t first_likely_ms = 1'700'000'000'000;  // 2023-11-14: before this luot was not

std::optional<struct stat> look_at(const std::string& name)
{
    struct stat info {};
    if (::stat(name.c_str(), &info) != 0)
        return std::nullopt;
    return info;
}

/// The name of a file system on which a spool is not at home; empty for all others.
std::string odd_file_system(const std::string& directory)
{
    struct statfs info {};
    if (::statfs(directory.c_str(), &info) != 0)
        return {};
    switch (static_cast<unsigned long>(info.f_type)) {  // linux/magic.h
        case 0x6969:
            return "NFS";
        case 0xFF534D42:
        case 0xFE534D42:
        case 0x517B:
            return "SMB";
        case 0x01021994:
        case 0x858458f6:
            return "a file system in memory";
        case 0x65735546:
            return "FUSE";
        case 0x794c7630:
            return "an overlay of a container";
        default:
            return {};
    }
}

void check_directory(const config& c, std::optional<double> used_bytes, findings& out)
{
    const auto& directory = c.data_dir;
    const auto info = look_at(directory);
    if (!info) {
        if (errno == EACCES)
            out.skip("data_dir", directory + " cannot be looked at by this user",
                     "run luot doctor as luot's user or as root");
        else
            out.fail("data_dir", directory + ": " + std::strerror(errno),
                     "start luot once, which makes it, or make it and chown it to luot's user");
        return;
    }
    if (!S_ISDIR(info->st_mode)) {
        out.fail("data_dir", directory + " is no folder", "name a folder");
        return;
    }
    const auto me = ::geteuid();
    if ((info->st_mode & 022) != 0)
        out.fail("data_dir", directory + " can be written by others than its owner",
                 "chmod 700 " + directory);
    else if (me != 0 && me != info->st_uid)
        out.warn(
            "data_dir",
            fmt::format("{} belongs to user {}, and this is user {}", directory, info->st_uid, me),
            "run luot, and luot doctor, as its owner");
    else if (me != 0 && ::access(directory.c_str(), R_OK | W_OK | X_OK) != 0)
        out.fail("data_dir", directory + " cannot be written by this user", "chown -R it");
    else if ((info->st_mode & 05) != 0)
        out.warn("data_dir", directory + " can be read by everybody", "chmod 700 " + directory);
    else
        out.ok("data_dir", directory);

    if (const auto name = odd_file_system(directory); !name.empty())
        out.warn("file system", directory + " lies on " + name,
                 "use a local disk: what is acknowledged must be there after a crash, and locks "
                 "must hold");
    else
        out.ok("file system", "a local one");

    struct statvfs disk {};
    if (::statvfs(directory.c_str(), &disk) != 0)
        return;
    const auto free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
    const auto used = used_bytes ? static_cast<std::uint64_t>(*used_bytes) : std::uint64_t{0};
    const auto may_come = c.spool.max_bytes - std::min(used, c.spool.max_bytes);
    const auto seen =
        fmt::format("{} free; the spool may still take {}", bytes_text(free), bytes_text(may_come));
    if (free < least_free_bytes)
        out.fail("disk", seen, "make room: hits get 503 when it is full");
    else if (free < may_come + least_free_bytes)
        out.warn("disk", seen, "make room, or lower spool.max_bytes");
    else
        out.ok("disk", seen);
    if (disk.f_files != 0 && disk.f_favail < 1000)
        out.warn("disk inodes", fmt::format("{} free", disk.f_favail), "remove files");
}

void check_secret(const std::string& file, findings& out)
{
    const auto info = look_at(file);
    if (!info)
        return;  // made when it is needed
    if ((info->st_mode & 077) != 0)
        out.fail("secrets", file + " can be used by others than its owner", "chmod 600 " + file);
}

void check_salts(const config& c, findings& out)
{
    const auto file = c.data_dir + "/salts";
    const auto info = look_at(file);
    if (!info && errno == EACCES) {
        out.skip("salts", file + " cannot be looked at by this user");
        return;
    }
    if (!info) {
        out.skip("salts", "none here: no collector has run on this data_dir");
        return;
    }
    if ((info->st_mode & 077) != 0) {
        out.fail("salts", file + " can be used by others than its owner", "chmod 600 " + file);
        return;
    }
    const auto age_ms = unix_ms() - std::int64_t{info->st_mtim.tv_sec} * 1000;
    if (age_ms > 4 * day_ms)
        out.warn("salts", fmt::format("not renewed for {} days", age_ms / day_ms),
                 "a running collector renews them each day: does it run, can it write there?");
    else
        out.ok("salts", "there, and readable by their owner alone");
}

void check_data_file(const char* name, const std::string& file, std::int64_t old_days,
                     const std::function<void()>& load, const std::string& advice, findings& out)
{
    if (file.empty())
        return;
    try {
        load();
    } catch (const std::runtime_error& e) {
        out.fail(name, e.what(), "give luot a file that it can read, or take the key out");
        return;
    }
    const auto changed = modified_ms(file);
    const auto days = changed ? (unix_ms() - *changed) / day_ms : 0;
    if (days > old_days)
        out.warn(name, fmt::format("{} is {} days old", file, days), advice);
    else
        out.ok(name, fmt::format("{}, {} days old", file, days));
}

void check_system_clock(findings& out)
{
    if (unix_ms() < first_likely_ms) {
        out.fail("clock", "this machine's clock was never set",
                 "set it, and let NTP keep it (timedatectl set-ntp true)");
        return;
    }
    timex state{};
    const int kept = ::adjtimex(&state);
    if (kept < 0)
        out.skip("clock", std::string("the kernel does not tell: ") + std::strerror(errno));
    else if (kept == TIME_ERROR || (state.status & STA_UNSYNC) != 0)
        out.warn("clock", "nothing keeps this machine's clock right, as far as the kernel knows",
                 "let NTP keep it (timedatectl set-ntp true)");
    else
        out.ok("clock", "kept right by NTP");
}

}  // namespace

void check_files(const config& c, std::optional<double> used_bytes, findings& out)
{
    check_directory(c, used_bytes, out);
    check_salts(c, out);
    check_secret(c.data_dir + "/import.salt", out);
    std::size_t secrets = c.redis.password.empty() ? 0 : 1;
    for (const auto& site : c.sites)
        secrets += site.token_file.empty() ? 0 : 1;
    // load_config() refuses those that others can use.
    if (const auto wrong = secret_out_of_reach(c); !wrong.empty())
        out.fail("secrets", wrong, "luot would not start again");
    else
        out.ok("secrets", fmt::format("{} of the configuration, for luot's user alone", secrets));

    const auto& a = c.collector;
    check_data_file(
        "country_db", a.country_db, old_countries_days,
        [&] { const collector::country_db opened(a.country_db); },
        "fetch a newer one, put it in place with mv, and send SIGHUP", out);
    check_data_file(
        "data centres", a.data_center_networks, old_list_days,
        [&] {
            (void)collector::network_list::load(a.data_center_networks,
                                                "collector.data_center_networks");
        },
        "fetch a newer list, and send SIGHUP", out);
    check_data_file(
        "referrer_spam", c.aggregator.referrer_spam, old_list_days,
        [&] { (void)aggregator::spam_list::read(c.aggregator.referrer_spam); },
        "fetch a newer list, and send SIGHUP", out);
    if (const auto& archive = c.archive.directory; !archive.empty()) {
        const auto info = look_at(archive);
        if (!info && errno != EACCES)
            out.warn("archive", archive + ": " + std::strerror(errno),
                     "luot makes it when it first removes a segment; can its user write there?");
        else if (info && (info->st_mode & 077) != 0)
            out.warn("archive", archive + " can be read by others than its owner",
                     "it holds visitor ids of its days: chmod 700 " + archive);
        else
            out.ok("archive", archive);
    }
    check_system_clock(out);
}

}  // namespace luot
