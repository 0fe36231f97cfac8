// A long list of networks, such as those of data centres, and the quick question whether an address
// lies in one of them.

#pragma once

#include "core/config.hpp"
#include "core/http/address.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace luot::collector {

/// Immutable: threads may share it. 32 bytes a network; a look-up in 100,000 takes 17 comparisons.
class network_list {
public:
    /// The largest file that is read, in bytes: some three million networks.
    static constexpr std::size_t most_bytes = 64 << 20;

    network_list() = default;
    explicit network_list(const std::vector<network>& networks);

    /// A text with one network ("192.0.2.0/24", "2001:db8::/32", or one address) a line; empty
    /// lines, and from "#" on a comment. Throws std::runtime_error with one line for the operator,
    /// "FILE:LINE: ...", at the first line that is none.
    [[nodiscard]] static network_list parse(std::string_view text, const std::string& file_name);

    /// The same of a file. `key` of the configuration names it in the error when it cannot be read.
    [[nodiscard]] static network_list load(const std::string& file_name, const std::string& key);

    [[nodiscard]] bool contains(const http::ip_address& address) const noexcept;

    /// Ranges, once networks that overlap or touch are joined.
    [[nodiscard]] std::size_t size() const noexcept { return ranges_.size(); }

private:
    struct range {
        http::ip_address first, last;
    };
    std::vector<range> ranges_;  ///< in order, apart from each other
};

}  // namespace luot::collector
