// The checksum of a log's lines from the first one on, which can be had behind any of them.

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

struct XXH3_state_s;

namespace luot::importer {

/// XXH3 of all lines, each ended by a line feed, whatever ended it in the file. It depends on the
/// lines alone, not on where it was asked for: who reads them again can compare anywhere.
class text_digest {
public:
    text_digest();

    /// Of a line that is too long only the beginning (line_reader::next()) goes in.
    void add(std::string_view line) noexcept;
    [[nodiscard]] std::uint64_t value() const noexcept;
    void reset() noexcept;

private:
    struct release {
        void operator()(XXH3_state_s* s) const noexcept;
    };
    std::unique_ptr<XXH3_state_s, release> state_;
};

/// The name of a log among the producers: a hash of the site and its first complete line, and of
/// the round (from 1 on) in which it is counted: in each it is another log.
[[nodiscard]] std::uint64_t producer_of(std::string_view site, std::string_view first_line,
                                        std::uint32_t round = 1);

}  // namespace luot::importer
