// One page, one path: the only place where page addresses and referrers are normalised. Hits,
// reads, imports and baselines all come through here, so that every spelling of an address finds
// its count. docs/paths.md has each rule with its reason.

#pragma once

#include "core/error.hpp"

#include <string>
#include <string_view>

namespace luot {

struct site_config;

/// Campaign fields taken out of a page's query (utm_*), decoded, cut to 100 bytes at a character.
struct campaign {
    std::string source, medium, name, term, content;

    void clear() noexcept;
    [[nodiscard]] bool empty() const noexcept;
};

/// The longest address that is taken, in bytes, before and after normalising.
inline constexpr std::size_t max_address_bytes = 2000;

/// Normalises a page address: a full URL, "//host/path", or a path with optional query.
///
/// The result begins with "/" (or with the host when the site sets path_host and the address or
/// `fallback_host` names one), is valid UTF-8 in NFC with only the bytes escaped that must be, has
/// no fragment, no trailing slash (but "/" itself), no index.html / index.htm / index.php at its
/// end, no query parameter but those of the site's keep_query, those in the order of their names.
/// Then the site's path rules are applied (path_rule.hpp). Idempotent: normalising a result gives
/// it again, whatever the rules are.
///
/// `path`, `found` and `section` are overwritten and keep their capacity; the last two may be null.
/// `section` is what a rule says of the page, at most 100 bytes; empty: nothing.
/// Errors: bad_path (empty, too long, broken UTF-8 or percent signs, control bytes, no path such as
/// "mailto:"), foreign_host (a full URL on a host that is none of the site's).
[[nodiscard]] error_code normalise_page(std::string_view address, const site_config& site,
                                        std::string_view fallback_host, std::string& path,
                                        campaign* found, std::string* section = nullptr);

/// Normalises a referrer to "host/path": host in lower case without www. and port, query and
/// fragment dropped. Empty for an own host of the site, for no referrer, and for what is no http(s)
/// URL (android-app:// keeps its package name as host). Never fails: a referrer is a hint.
/// At most 500 bytes, cut at a character.
void normalise_referrer(std::string_view address, const site_config& site, std::string& referrer);

/// The host of an http(s) URL as sent in Origin or Referer, canonical (config.hpp); empty for
/// "null", an empty string and anything else. `has_path` tells whether there is more than the
/// origin.
[[nodiscard]] std::string host_of_url(std::string_view url, bool* has_path = nullptr);

}  // namespace luot
