#include "import/import_salt.hpp"

#include "core/file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sodium.h>
#include <stdexcept>
#include <string_view>
#include <sys/stat.h>

namespace luot::importer {
namespace {

constexpr std::string_view head = "luot-import-salt 1 ";

void start_sodium()
{
    if (sodium_init() < 0)
        throw std::runtime_error("libsodium does not start");
}

/// A file from the future (a clock that was set back) is as good as new.
bool is_old(std::int64_t changed_ms, std::int64_t now_ms)
{
    return now_ms - changed_ms > std::chrono::milliseconds(import_salt::is_kept).count();
}

}  // namespace

import_salt::import_salt()
{
    start_sodium();
    randombytes_buf(secret_.data(), secret_.size());
}

import_salt::import_salt(const std::string& file_name, std::int64_t now_ms) : import_salt()
{
    struct stat status {};
    const bool is_there = ::stat(file_name.c_str(), &status) == 0;
    if (is_there && (status.st_mode & 077) != 0)
        throw std::runtime_error(file_name + " can be read by others: chmod 600 " + file_name);
    const auto changed = modified_ms(file_name);
    if (is_there && changed && !is_old(*changed, now_ms)) {
        const auto text = read_file(file_name);
        if (!text)
            throw std::runtime_error("cannot read " + file_name + ": " + text.error().message());
        std::size_t got = 0;
        if (!text->starts_with(head) ||
            sodium_hex2bin(secret_.data(), secret_.size(), text->data() + head.size(),
                           text->size() - head.size(), "\n", &got, nullptr) != 0 ||
            got != secret_.size())
            throw std::runtime_error(
                file_name +
                " is damaged: remove it (visitors of days that are already in are counted "
                "once more)");
        (void)::utimensat(AT_FDCWD, file_name.c_str(), nullptr, 0);  // it is in use
        return;
    }
    std::string hex(2 * secret_.size() + 1, '\0');
    sodium_bin2hex(hex.data(), hex.size(), secret_.data(), secret_.size());
    hex.back() = '\n';
    const auto error = replace_file(file_name, std::string(head) + hex);
    sodium_memzero(hex.data(), hex.size());
    if (error)
        throw std::runtime_error("cannot write " + file_name + ": " + error.message() +
                                 " (run it as the user that luot runs as)");
}

import_salt::~import_salt()
{
    sodium_memzero(secret_.data(), secret_.size());
}

collector::salt_chain::key import_salt::visitor_key(std::int32_t date) const
{
    collector::salt_chain::key out;
    const auto purpose = "luot imported visitors " + std::to_string(date);
    crypto_generichash(out.data(), out.size(),
                       reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(),
                       secret_.data(), secret_.size());
    return out;
}

error_code import_salt::forget_old(const std::string& file_name, std::int64_t now_ms)
{
    const auto changed = modified_ms(file_name);
    if (!changed || !is_old(*changed, now_ms))
        return {};
    const auto error = remove_file(file_name);
    return error.value() == ENOENT ? error_code{} : error;
}

}  // namespace luot::importer
