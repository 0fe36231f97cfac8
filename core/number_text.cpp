#include "core/number_text.hpp"

namespace luot {

std::string number_text(std::int64_t number, number_style style)
{
    auto digits = std::to_string(number);
    if (style == number_style::plain)
        return digits;
    const std::size_t sign = number < 0 ? 1 : 0;
    for (auto at = digits.size(); at > sign + 3;)
        digits.insert(at -= 3, 1, style == number_style::vi ? '.' : ',');
    return digits;
}

std::optional<number_style> style_of_language(std::string_view language) noexcept
{
    if (language == "vi")
        return number_style::vi;
    if (language == "en")
        return number_style::en;
    return std::nullopt;
}

}  // namespace luot
