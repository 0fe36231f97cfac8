// The salts of visitor ids: a hash chain with one link a day, salt(day + 1) = H(salt(day)), on the
// collectors' own disks and nowhere else. A link that is deleted cannot be worked out from later
// ones; no Redis is needed at midnight.

#pragma once

#include "core/error.hpp"

#include <array>
#include <cstdint>
#include <mutex>
#include <string>

namespace luot::collector {

/// Thread-safe.
class salt_chain {
public:
    using link = std::array<unsigned char, 32>;
    using key = std::array<unsigned char, 16>;  ///< of crypto_shorthash

    /// Reads the chain's file (mode 0600), or begins a new chain with random bytes; under a clock
    /// that was never set, at a day long past, from which the right time goes on.
    /// Throws std::runtime_error with a line for the operator (unreadable, damaged, readable by
    /// others; a new chain that cannot be written). Old links that cannot be taken off the disk are
    /// logged, and tried again by forget_old().
    salt_chain(std::string file_name, std::int64_t now_ms);

    /// The chain of a file as text for import_to(), from the oldest link that is needed now on. The
    /// file stays as it is. Throws std::runtime_error with a line for the operator.
    [[nodiscard]] static std::string export_from(const std::string& file_name, std::int64_t now_ms);

    /// Writes the chain of such a text to a file, which no collector may be using. False: it held
    /// this chain already. Throws std::runtime_error with a line for the operator.
    static bool import_to(const std::string& file_name, const std::string& text,
                          std::int64_t now_ms);

    /// The key for visitor ids of a local date (days since 1970-01-01). A date before the oldest
    /// link that is kept (a clock set back) gets a key of its own from that link.
    [[nodiscard]] key visitor_key(std::int32_t date) const;

    /// The key for hashes of hits' ids: the same for the life of the chain.
    [[nodiscard]] key id_key() const noexcept { return id_key_; }

    /// Deletes the links that no time zone needs any more, from the disk as well. Errors: the
    /// system's; the file is tried again by the next call. Only one thread may call it.
    [[nodiscard]] error_code forget_old(std::int64_t now_ms);

    /// What a collector shows of its chain: a hash from which no salt follows, per UTC day.
    [[nodiscard]] std::string fingerprint(std::int32_t utc_date) const;

    /// Days since 1970-01-01 of the oldest link.
    [[nodiscard]] std::int32_t oldest() const;

private:
    /// Of a text that save() wrote; `origin` names it in errors.
    salt_chain(std::string file_name, const std::string& text, const std::string& origin);

    [[nodiscard]] bool advance(std::int64_t now_ms);
    [[nodiscard]] std::string text() const;
    [[nodiscard]] error_code save() const;
    [[nodiscard]] link link_of(std::int32_t date) const;

    const std::string file_name_;
    mutable std::mutex mutex_;
    std::int32_t oldest_ = 0;
    bool is_saved_ = true;  ///< the file holds no older link; of who calls forget_old()
    link link_{};
    key id_key_{};
};

}  // namespace luot::collector
