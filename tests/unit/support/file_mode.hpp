// Who may read a file.

#pragma once

#include <filesystem>
#include <string>

namespace luot::testing {

/// The permission bits, as chmod takes them.
inline unsigned mode_of(const std::string& name)
{
    return static_cast<unsigned>(std::filesystem::status(name).permissions()) & 07777U;
}

}  // namespace luot::testing
