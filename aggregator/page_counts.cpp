#include "aggregator/page_counts.hpp"

#include <algorithm>
#include <sodium.h>

namespace luot::aggregator {

page_hash::page_hash()
{
    static_assert(crypto_shorthash_KEYBYTES == sizeof key_);
    static_assert(crypto_shorthash_BYTES == sizeof(std::uint64_t));
    randombytes_buf(key_.data(), key_.size());
}

std::uint64_t page_hash::operator()(std::string_view page) const noexcept
{
    std::uint64_t value = 0;
    crypto_shorthash(reinterpret_cast<unsigned char*>(&value),
                     reinterpret_cast<const unsigned char*>(page.data()), page.size(), key_.data());
    return value;
}

void page_counts::sort()
{
    std::sort(rows_.begin(), rows_.end());
    const auto is_same = [](const row& a, const row& b) { return a.page == b.page; };
    rows_.erase(std::unique(rows_.begin(), rows_.end(), is_same), rows_.end());
}

std::int64_t page_counts::count_of(std::uint64_t page) const noexcept
{
    const auto at = std::lower_bound(rows_.begin(), rows_.end(), row{page, INT64_MIN});
    return at != rows_.end() && at->page == page ? at->count : 0;
}

}  // namespace luot::aggregator
