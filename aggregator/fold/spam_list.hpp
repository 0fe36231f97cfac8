// Hosts whose referrers are made up to be seen in statistics: a list that the operator brings, such
// as Matomo's (docs/sources.md).

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace luot::aggregator {

/// Safe to read from several threads. An empty one names nobody.
class spam_list {
public:
    spam_list() = default;

    /// A file with one host a line, which means those below it too; what follows # is a comment.
    /// At most 4 MiB. Throws config_error: "FILE:LINE: what is wrong and what would be right".
    [[nodiscard]] static spam_list read(const std::string& file_name);

    /// The same for text in memory; `file_name` only names it in errors.
    [[nodiscard]] static spam_list parse(std::string_view text, const std::string& file_name);

    /// Whether a normalised referrer ("host/path") is of one of the hosts.
    [[nodiscard]] bool names(std::string_view referrer) const noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return hosts_.size(); }

private:
    std::vector<std::string> hosts_;  // sorted
};

}  // namespace luot::aggregator
