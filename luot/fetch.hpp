// Fetches a page for `luot doctor URL`: curl does it, as a child with its time and bytes bounded.
// What comes back is a stranger's.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace luot {

struct fetched {
    std::string trouble;  ///< why there is nothing, with what to do; empty: there is
    std::string url;      ///< where it came from, behind all redirections
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
    std::string body;
    bool is_cut = false;  ///< it was longer than is read

    /// The values of a header field, in order.
    [[nodiscard]] std::vector<std::string> values(std::string_view name) const;
    /// The last of them; empty: none.
    [[nodiscard]] std::string value(std::string_view name) const;
};

struct fetch_options {
    std::string user_agent;
    std::string origin;  ///< sent as Origin; empty: none
    std::size_t most_bytes = 4 << 20;
};

/// GET over http or https, 5 redirections and 15 seconds at most.
[[nodiscard]] fetched fetch(const std::string& url, const fetch_options& options);

/// Takes the output of `curl --include --location` apart: the last head and what follows it.
[[nodiscard]] fetched read_response(std::string_view output);

}  // namespace luot
