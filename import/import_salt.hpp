// The secret behind the visitor ids of imported lines. Those of the collectors' chain cannot go
// back to old days: that is their purpose.

#pragma once

#include "collector/salts.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

namespace luot::importer {

/// An import that goes on where it was needs the ids of before, so the secret is kept in a file;
/// for a week after its last use, which the file's time of change tells.
class import_salt {
public:
    static constexpr std::chrono::hours is_kept{7 * 24};

    /// Random, of no file: for counting without a trace.
    import_salt();

    /// Reads the file (mode 0600) and notes that it was used; a new one where it is missing or was
    /// not used for `is_kept`. Throws std::runtime_error with a line for the operator.
    import_salt(const std::string& file_name, std::int64_t now_ms);
    ~import_salt();
    import_salt(const import_salt&) = delete;
    import_salt& operator=(const import_salt&) = delete;

    /// The key for visitor ids of a local date (days since 1970-01-01).
    [[nodiscard]] collector::salt_chain::key visitor_key(std::int32_t date) const;

    /// Removes a file that was not used for `is_kept`. Errors: the system's, of removing it.
    [[nodiscard]] static error_code forget_old(const std::string& file_name, std::int64_t now_ms);

private:
    std::array<unsigned char, 32> secret_{};
};

}  // namespace luot::importer
