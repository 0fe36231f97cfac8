// The country of an address, by the operator's database in MMDB format (libmaxminddb). The address
// itself goes no further.

#pragma once

#include "core/http/address.hpp"

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace luot::collector {

/// An ISO 3166-1 code of two letters; empty: not known.
class country_code {
public:
    country_code() = default;
    /// Empty for what is no code.
    explicit country_code(std::string_view text) noexcept;

    [[nodiscard]] std::string_view text() const noexcept
    {
        return {letters_.data(), letters_[0] == 0 ? 0 : letters_.size()};
    }

private:
    std::array<char, 2> letters_{};
};

/// An open database. Thread-safe. A newer file must take its place by a rename: this one is mapped
/// into memory.
class country_db {
public:
    /// Throws std::runtime_error with a line for the operator.
    explicit country_db(const std::string& file_name);
    ~country_db();
    country_db(const country_db&) = delete;
    country_db& operator=(const country_db&) = delete;

    /// Reads `country.iso_code` (MaxMind, DB-IP) or `country_code` (ip-location-db). Damage in the
    /// file is "not known".
    [[nodiscard]] country_code find(const http::ip_address& address) const noexcept;

private:
    struct handle;
    std::unique_ptr<handle> handle_;
};

}  // namespace luot::collector
