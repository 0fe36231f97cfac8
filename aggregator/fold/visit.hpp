// What is remembered of a visit while it lasts, so that the next hit of its visitor can go on with
// it, in whatever batch it comes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace luot::aggregator {

/// A visit under one visitor id, or two: one that went over midnight is kept under both days' ids.
struct visit {
    /// A page of a visit that has more counts as new to it when it comes back.
    static constexpr std::size_t most_pages = 32;

    struct page {
        std::uint32_t id = 0;    ///< of page_id()
        std::int64_t at_ms = 0;  ///< of its last counted view
    };

    std::int32_t date = 0;          ///< of the view that began it, in which it counts
    std::int64_t last_view_ms = 0;  ///< of its latest view by time
    std::uint64_t views = 0;        ///< counted ones
    std::uint64_t other_id = 0;     ///< the visitor's other id; 0: there is none
    std::string exit;               ///< row of its latest view; empty: not known
    /// Whom the visit is owed to: of the view that began it.
    std::string source, medium, campaign, term, content;
    std::vector<page> pages;  ///< those read last, the newest behind

    /// Whether the view is the first of its page in this visit, which remembers it from now on.
    bool reads(std::uint32_t page_id, std::int64_t time_ms);
    /// When the page was read last; null: not in this visit.
    [[nodiscard]] const page* find(std::uint32_t page_id) const noexcept;
};

/// What stands for a path in a visit. Part of the stored format.
[[nodiscard]] std::uint32_t page_id(std::string_view path) noexcept;

/// As it is kept in Redis: a version, then varints and texts (core/bytes.hpp).
[[nodiscard]] std::string encode(const visit& v);

/// One that cannot be read is a visit of which nothing is known but that it lasts: `views` is not
/// 0, all else is empty or 0.
[[nodiscard]] visit decode_visit(std::string_view bytes);

}  // namespace luot::aggregator
