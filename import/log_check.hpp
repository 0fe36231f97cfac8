// Whether a log is what it was said to be, by its first lines, before anything of it is shipped: a
// line that came to nothing has its number in Redis all the same, and would not count again.

#pragma once

#include "import/hit_maker.hpp"
#include "import/line_reader.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace luot::importer {

/// The names of --format: those of find_format(), "caddy" and "traefik".
[[nodiscard]] std::optional<log_syntax> find_syntax(std::string_view name);

/// Looks at the logs of one import, one after the other. One thread at a time.
class log_check {
public:
    /// So many lines are looked at in a log that fits nowhere.
    static constexpr std::uint64_t first_lines = 100;
    /// Of what cannot be read twice no more is held, also where no line of the site has come.
    static constexpr std::uint64_t most_held_lines = 10'000;
    static constexpr std::size_t most_held_bytes = 16 << 20;

    enum class verdict : std::uint8_t {
        fits,     ///< a line is of the format
        unknown,  ///< none is, but there are fewer than first_lines, or none that would tell
        damaged,  ///< none of the first first_lines is
    };

    /// `format`: the name of `syntax`, for messages. `site` must outlive it.
    log_check(const site_config& site, const hit_maker_options& making, std::string format);

    /// Reads on until it is known whether the log fits, and until a line of a host of the site has
    /// come, in this log or in one before. What strangers send a server decides nothing: empty
    /// lines and too long ones do not count, and lines without a request (a scan's, or all of them
    /// when a field of JSON is not where it was said to be) only where a log has no others: of JSON
    /// any, else first_lines of them. Where the log could not be read on is its end.
    [[nodiscard]] verdict look(line_reader& reader, bool is_held);

    /// Of the last log, unless it fits: what is wrong and which format would do, in one line; empty
    /// when no line said anything.
    [[nodiscard]] std::string what_is_wrong(const std::string& file) const;
    /// Of all logs: when all lines are of hosts that are none of the site's, says so in one line.
    [[nodiscard]] std::string foreign_hosts() const;

private:
    [[nodiscard]] std::string other_format() const;
    void note_damaged(std::string_view line, line_fault fault);
    void note_host(std::string_view line);

    const site_config& site_;
    const hit_maker_options making_;
    const std::string format_;
    const import_salt salt_;  // of nobody: what it makes is thrown away
    hit_maker maker_;
    line_parser parser_;

    bool has_own_ = false;
    bool is_bounded_ = false;  // what comes behind is not known
    std::uint64_t foreign_ = 0;
    std::vector<std::string> hosts_;

    // Of the last log.
    std::uint64_t damaged_ = 0, without_request_ = 0;  // the latter are among the former
    line_fault fault_ = line_fault::none;
    std::vector<std::string> lines_;
};

}  // namespace luot::importer
