#include "collector/salts.hpp"

#include "core/clock.hpp"
#include "core/file.hpp"
#include "core/local_time.hpp"
#include "core/log.hpp"

#include <algorithm>
#include <cstdlib>
#include <sodium.h>
#include <sstream>
#include <stdexcept>
#include <sys/stat.h>

namespace luot::collector {

namespace {

constexpr std::int32_t first_day = 18'000, last_day = 100'000;  // 2019 and 2243: others are damage

/// The calendar runs from UTC-12 to UTC+14, and the first half hour of a day needs the day before.
std::int32_t oldest_needed(std::int64_t now_ms)
{
    return static_cast<std::int32_t>((now_ms - 12 * hour_ms) / day_ms) - 1;
}

template <std::size_t Size>
std::string hex(const std::array<unsigned char, Size>& bytes)
{
    std::string text(2 * Size + 1, '\0');
    sodium_bin2hex(text.data(), text.size(), bytes.data(), bytes.size());
    text.pop_back();
    return text;
}

template <std::size_t Size>
bool from_hex(const std::string& text, std::array<unsigned char, Size>& bytes)
{
    std::size_t got = 0;
    return text.size() == 2 * Size &&
           sodium_hex2bin(bytes.data(), Size, text.data(), text.size(), nullptr, &got, nullptr) ==
               0 &&
           got == Size;
}

/// H of a purpose, keyed by a link.
template <std::size_t Size>
std::array<unsigned char, Size> derived(std::string_view purpose, const salt_chain::link& from)
{
    std::array<unsigned char, Size> out;
    crypto_generichash(out.data(), out.size(),
                       reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(),
                       from.data(), from.size());
    return out;
}

bool exists(const std::string& file_name, struct stat& status)
{
    return ::stat(file_name.c_str(), &status) == 0;
}

/// Throws std::runtime_error when others can read it, too, or nobody can.
std::string read_private(const std::string& file_name)
{
    struct stat status {};
    if (exists(file_name, status) && (status.st_mode & 077) != 0)
        throw std::runtime_error(file_name + " can be read by others: chmod 600 " + file_name);
    auto content = read_file(file_name);
    if (!content)
        throw std::runtime_error("cannot read " + file_name + ": " + content.error().message());
    return std::move(*content);
}

void start_sodium()
{
    if (sodium_init() < 0)
        throw std::runtime_error("libsodium does not start");
}

}  // namespace

salt_chain::salt_chain(std::string file_name, const std::string& text, const std::string& origin)
    : file_name_(std::move(file_name))
{
    std::istringstream in(text);
    std::string magic, version, ids_word, ids, day_word, salt;
    in >> magic >> version >> ids_word >> ids >> day_word >> oldest_ >> salt;
    if (magic == "luot-salts" && version.size() <= 9 && std::atoi(version.c_str()) > 1)
        throw std::runtime_error(origin + " was written by a newer luot: start that version");
    if (!in || magic != "luot-salts" || version != "1" || ids_word != "ids" || day_word != "day" ||
        !from_hex(ids, id_key_) || !from_hex(salt, link_) || oldest_ < first_day ||
        oldest_ > last_day)
        throw std::runtime_error(origin +
                                 " is damaged: get the chain of another collector (luot salt "
                                 "export, import), or remove it to begin a new one (visitors of "
                                 "today count once more)");
}

salt_chain::salt_chain(std::string file_name, std::int64_t now_ms)
    : file_name_(std::move(file_name))
{
    start_sodium();
    const auto needed = oldest_needed(now_ms);
    if (needed < first_day)
        log::warn("clock_not_set", {{"what", "hits are taken, and get the time that it says"}});
    struct stat status {};
    if (!exists(file_name_, status)) {
        // A day further back would be damage to the next start, under a clock that is right.
        oldest_ = std::max(needed, first_day);
        randombytes_buf(link_.data(), link_.size());
        randombytes_buf(id_key_.data(), id_key_.size());
        if (const auto error = save())
            throw std::runtime_error("cannot write " + file_name_ + ": " + error.message());
        return;
    }
    const salt_chain kept(file_name_, read_private(file_name_), file_name_);
    oldest_ = kept.oldest_;
    link_ = kept.link_;
    id_key_ = kept.id_key_;
    // On a full disk hits are taken all the same: what is derived is right, and the file is written
    // when the next look finds room.
    if (const auto error = forget_old(now_ms))
        log::error("salts_not_written", {{"why", error.message()}, {"what", "it is tried again"}});
}

std::string salt_chain::export_from(const std::string& file_name, std::int64_t now_ms)
{
    start_sodium();
    salt_chain chain(file_name, read_private(file_name), file_name);
    (void)chain.advance(now_ms);
    return chain.text();
}

bool salt_chain::import_to(const std::string& file_name, const std::string& text,
                           std::int64_t now_ms)
{
    start_sodium();
    salt_chain chain(file_name, text, "what is to be imported");
    if (chain.oldest() > oldest_needed(now_ms) + 1)
        throw std::runtime_error(
            "what is to be imported is of a day to come: look at the clocks of "
            "both machines");
    (void)chain.advance(now_ms);
    if (const auto before = read_file(file_name); before && *before == chain.text())
        return false;
    if (const auto error = chain.save())
        throw std::runtime_error("cannot write " + file_name + ": " + error.message());
    return true;
}

std::string salt_chain::text() const
{
    return "luot-salts 1\nids " + hex(id_key_) + "\nday " + std::to_string(oldest_) + ' ' +
           hex(link_) + '\n';
}

error_code salt_chain::save() const
{
    return replace_file(file_name_, text());
}

salt_chain::link salt_chain::link_of(std::int32_t date) const
{
    const std::scoped_lock lock(mutex_);
    auto at = link_;
    for (auto day = oldest_; day < date; ++day)
        at = derived<32>("luot next day", at);
    return at;
}

salt_chain::key salt_chain::visitor_key(std::int32_t date) const
{
    return derived<16>("luot visitors " + std::to_string(date), link_of(date));
}

/// Whether a link was dropped.
bool salt_chain::advance(std::int64_t now_ms)
{
    const auto needed = oldest_needed(now_ms);
    if (needed <= oldest())
        return false;
    const auto next = link_of(needed);
    const std::scoped_lock lock(mutex_);
    link_ = next;
    oldest_ = needed;
    return true;
}

error_code salt_chain::forget_old(std::int64_t now_ms)
{
    const bool was_begun_early = oldest() == first_day;
    const bool has_dropped = advance(now_ms);
    if (has_dropped && was_begun_early)
        log::info("salts_brought_up_to_date",
                  {{"salts", file_name_},
                   {"oldest", date_text(oldest())},
                   {"what", "they were begun before the clock was set"}});
    // A link that could not be taken off the disk is tried again.
    is_saved_ = is_saved_ && !has_dropped;
    if (is_saved_)
        return {};
    const auto error = save();
    is_saved_ = !error;
    return error;
}

std::string salt_chain::fingerprint(std::int32_t utc_date) const
{
    // Of the key of hit ids, too: collectors with others would not know each other's repeats.
    return hex(
        derived<16>("luot fingerprint" +
                        std::string(reinterpret_cast<const char*>(id_key_.data()), id_key_.size()),
                    link_of(utc_date)));
}

std::int32_t salt_chain::oldest() const
{
    const std::scoped_lock lock(mutex_);
    return oldest_;
}

}  // namespace luot::collector
