// Numbers of many pages in little memory, however long the paths are, which clients choose.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace luot::aggregator {

/// A path as 64 bits (SipHash). Each object has a random key of its own, so nobody can choose paths
/// that meet; of a million two do by chance under one key in 30 million.
class page_hash {
public:
    page_hash();
    [[nodiscard]] std::uint64_t operator()(std::string_view page) const noexcept;

private:
    std::array<unsigned char, 16> key_;
};

/// Counts by page_hash, 16 bytes each. Filled first, asked after sort().
class page_counts {
public:
    struct row {
        std::uint64_t page;
        std::int64_t count;
        auto operator<=>(const row&) const = default;
    };

    void reserve(std::size_t pages) { rows_.reserve(pages); }
    void add(std::uint64_t page, std::int64_t count) { rows_.push_back({page, count}); }
    /// Ends the filling. Of several counts of a page the lowest stays.
    void sort();

    /// 0 for a page that is not there.
    [[nodiscard]] std::int64_t count_of(std::uint64_t page) const noexcept;
    [[nodiscard]] const std::vector<row>& rows() const noexcept { return rows_; }

private:
    std::vector<row> rows_;
};

}  // namespace luot::aggregator
