// What a page's HTML says about being counted: the script tag, the picture in <noscript>, its own
// address, its policies. Tolerant as browsers are, and only as far as that needs: no tree is built.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace luot {

/// A tag that loads something of luot's. Values are as the page has them, with character references
/// replaced; empty: not there.
struct page_tag {
    std::string src, site, path, visitor, type, nonce, integrity, referrer_policy;
    bool is_deferred = false;  ///< defer or async
    bool is_nomodule = false;
    bool in_noscript = false;
    bool in_template = false;
};

struct page_content {
    std::vector<page_tag> scripts;  ///< <script> with data-site, or a src of luot.js
    std::vector<page_tag> pixels;   ///< <img> with a src of hit.gif
    std::string canonical;          ///< href of the first <link rel=canonical>
    std::string base;               ///< href of the first <base>
    std::string title, section;
    std::vector<std::string> content_policies;  ///< of <meta http-equiv>
    std::string referrer_policy;                ///< of the last <meta name=referrer>
    bool has_tag_in_comment = false;
    bool has_tag_manager = false;  ///< a script may put the tag in later
};

/// Reads any bytes, in time that grows with their number. At most 1,000 tags of luot are kept.
[[nodiscard]] page_content read_page(std::string_view html);

/// Whether browsers run a script of this type.
[[nodiscard]] bool is_script_type(std::string_view type);

}  // namespace luot
