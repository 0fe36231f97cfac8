// A list of regular expressions that are looked for in a User-Agent all at once. The lists:
// crawlers.hpp.

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace luot::aggregator {

class pattern_set {
public:
    struct options {
        /// What RE2 may use; too little is slow, not wrong.
        std::int64_t memory_bytes;
        bool ignore_case = false;
    };

    /// The patterns must outlive the set. Throws std::runtime_error, which names the list, when RE2
    /// refuses one.
    pattern_set(std::string_view name_of_list, std::vector<std::string_view> patterns, options how);
    ~pattern_set();

    /// The numbers of all patterns that are found in `text` (any bytes), ascending.
    void find(std::string_view text, std::vector<int>& numbers) const;

private:
    class compiled;
    std::vector<std::string_view> patterns_;
    std::unique_ptr<compiled> compiled_;
};

}  // namespace luot::aggregator
