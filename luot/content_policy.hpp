// What a page's policies let its scripts do: Content Security Policy (https://www.w3.org/TR/CSP3/)
// and Referrer Policy (https://www.w3.org/TR/referrer-policy/), as far as luot's tag depends on
// them.

#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace luot {

/// What is fetched, and by which directives it is allowed.
enum class fetch_kind { script, connection, image };

struct policed_fetch {
    fetch_kind kind;
    std::string url;        ///< whole
    std::string nonce;      ///< of the script tag; empty: none
    std::string integrity;  ///< of the script tag
};

/// One policy: the value of a header field (one of those between its commas) or of a <meta>.
class content_policy {
public:
    explicit content_policy(std::string_view text);

    /// The directive that forbids a page at this address to fetch that; empty: it may.
    [[nodiscard]] std::string objection(const policed_fetch& wanted,
                                        const std::string& page_url) const;

private:
    struct directive {
        std::string name;
        std::vector<std::string> sources;  ///< as written
    };
    std::vector<directive> directives_;
};

/// The policies of the values of Content-Security-Policy fields.
[[nodiscard]] std::vector<content_policy> policies_of(const std::vector<std::string>& values);

/// The policy that a list of them means: the last one that is known; empty: none.
[[nodiscard]] std::string referrer_policy_of(std::string_view value);

/// Whether a page with this policy (empty: browsers' own) tells another host its path, when both
/// speak TLS or neither does.
[[nodiscard]] bool tells_path(std::string_view referrer_policy);

}  // namespace luot
