// Views that were counted before luot, or that are taken elsewhere as such: of a site and of its
// pages.

#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>

namespace luot {

struct page_totals {
    std::map<std::string, std::uint64_t> pages;  ///< normalised path -> views
    std::uint64_t views = 0;                     ///< of the site, pages included
    std::uint64_t visits = 0;
};

/// A file of totals that cannot be taken, or Redis that cannot be reached. what() is one line that
/// says where and what would be right.
class totals_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace luot
