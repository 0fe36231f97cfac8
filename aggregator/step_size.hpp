// How many rows a script is asked for at once, when clients choose how long a row is.

#pragma once

#include <algorithm>
#include <cstddef>

namespace luot::aggregator {

/// Short rows cost Redis by their number, long ones by their bytes: fewer are asked for while the
/// answers are large, so that a step takes about as long whatever the rows are.
class step_size {
public:
    static constexpr int most = 200, fewest = 25;
    static constexpr std::size_t large_bytes = 128 << 10;

    [[nodiscard]] int rows() const noexcept { return rows_; }

    /// An answer had so many bytes of rows.
    void answered(std::size_t bytes) noexcept
    {
        if (bytes > large_bytes)
            rows_ = std::max(rows_ / 2, fewest);
        else if (bytes < large_bytes / 4)
            rows_ = std::min(rows_ * 2, most);
    }

private:
    int rows_ = most;
};

}  // namespace luot::aggregator
