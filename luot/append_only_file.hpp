// The append-only file of the private Redis after its process or the machine has died: before Redis
// starts, a torn end is cut off, and the zeros that some file systems leave at its end.
//
// Redis cuts a torn end itself, but inside a transaction it leaves the commands before the torn
// one in the file (valkey-io/valkey pull request 4342; Redis 7.0 and 7.2 do so): its next start but
// one would carry out half of it.
//
// The rule that keeps this from ever losing data: luot cuts zeros and a transaction that never
// ended. If a transaction that did end, or more than most_torn_bytes, would go with them, the
// damage lies deeper: then nothing is touched, and the operator is told.

#pragma once

#include <cstdint>
#include <string>

namespace luot {

class counter;

class append_only_file {
public:
    static constexpr std::uint64_t most_torn_bytes = 1 << 20;

    /// `directory` is the one that Redis works in.
    append_only_file(std::string directory, counter& mended)
        : directory_(std::move(directory)), mended_(mended)
    {
    }

    /// Before each start of Redis: cuts a torn end off; copies a file that ends in zeros aside and
    /// cuts them off; and says so. False: there is damage that was left alone, and Redis must not
    /// cut anything either (aof-load-truncated no).
    [[nodiscard]] bool mend();

    /// What an operator runs on damage that luot leaves alone.
    [[nodiscard]] std::string fix_by_hand() const;

private:
    struct part;
    [[nodiscard]] std::string manifest() const;
    [[nodiscard]] std::string why_not_mended(const part& p);
    void cut_torn_end(const part& p);
    void refuse(const part& p, const std::string& why);

    std::string directory_;
    counter& mended_;
    std::string refused_;  ///< name, size and age of the file that was refused last: said once
};

}  // namespace luot
