// The scripts by which logs get into Redis: of the spool (shipper.hpp), and of imports.

#pragma once

#include "core/redis/pipeline.hpp"

#include <string_view>

namespace luot::collector {

[[nodiscard]] const redis::script& ship_script();
[[nodiscard]] const redis::script& ask_script();
[[nodiscard]] const redis::script& retire_script();

/// retire.lua for a producer, by its name of 16 hex digits.
[[nodiscard]] redis::command retire_command(unsigned partition, std::string_view producer);

}  // namespace luot::collector
