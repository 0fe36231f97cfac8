// What a client says of its reader and its screen: the language and the class of the width.
// docs/sources.md has the definitions.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace luot::aggregator {

/// The language of navigator.language ("vi-VN") or, the first of them, of an Accept-Language
/// header: "vi", or with a region "vi-VN", "es-419". Scripts, variants and extensions are dropped.
/// "other": it does not have the shape of BCP 47. Empty: not said. At most 7 bytes, which take no
/// memory.
[[nodiscard]] std::string language_of(std::string_view said);

/// The class of a screen by its width in CSS pixels: phone, tablet, laptop, desktop, wide. Empty:
/// 0, not said.
[[nodiscard]] std::string_view screen_class(std::uint32_t width) noexcept;

}  // namespace luot::aggregator
