// Which lines of an access log are a page that was shown. README.md has the reasons.

#pragma once

#include "import/log_line.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace luot::importer {

inline constexpr std::size_t max_extension_bytes = 16;

struct page_options {
    /// Methods that show a page. HEAD shows none.
    std::vector<std::string> methods{"GET"};

    struct range {
        std::uint16_t first, last;
    };
    /// Status codes with which a page was shown: 304, too, from the reader's cache. The target of a
    /// redirect is a line of its own.
    std::vector<range> statuses{{200, 299}, {304, 304}};

    /// What the last name of a target's path ends in when it is no page, with or without the point;
    /// case does not matter. At most max_extension_bytes each (longer ones match nothing).
    /// GoAccess's default list.
    std::vector<std::string> static_extensions{
        "css", "js",  "jpg",  "png",   "gif", "ico",  "jpeg", "pdf",  "csv", "mpeg",
        "mpg", "swf", "woff", "woff2", "xls", "xlsx", "doc",  "docx", "ppt", "pptx",
        "txt", "zip", "ogg",  "mp3",   "mp4", "exe",  "iso",  "gz",   "rar", "svg",
        "bmp", "tar", "tgz",  "tiff",  "tif", "ttf",  "flv",  "dmg",  "xz",  "zst"};
};

/// Each line is exactly one of these: the first that is not as a page has it.
enum class page_verdict : std::uint8_t {
    page,
    no_request,   ///< not HTTP, or without a target
    method,       ///< of another method
    status,       ///< of another status
    static_file,  ///< by its extension
};

inline constexpr std::size_t page_verdicts = 5;

/// For people: "another method".
[[nodiscard]] std::string_view describe(page_verdict verdict) noexcept;

/// Immutable, safe to share between threads.
class page_rule {
public:
    explicit page_rule(page_options options = {});

    [[nodiscard]] page_verdict judge(const log_line& line) const noexcept;

    /// Whether the target's path ("?" ends it) has one of the extensions.
    [[nodiscard]] bool is_static(std::string_view target) const noexcept;

private:
    page_options options_;
    std::vector<std::array<std::uint64_t, 2>> extensions_;  // few: looked through from the front
};

}  // namespace luot::importer
