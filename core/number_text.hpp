// Numbers as people write them.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace luot {

enum class number_style : std::uint8_t {
    vi,     ///< 3.680.027
    en,     ///< 3,680,027
    plain,  ///< 3680027
};

[[nodiscard]] std::string number_text(std::int64_t number, number_style style);

/// The style of a language, "vi" or "en"; nullopt: another one.
[[nodiscard]] std::optional<number_style> style_of_language(std::string_view language) noexcept;

}  // namespace luot
