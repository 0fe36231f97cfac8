// What must hold for the fields of a hit, however they came in: query string, form or JSON.

#pragma once

#include "collector/parse.hpp"

#include <string>

namespace luot::fuzz {

/// Ends the process when a field is over its limit or holds what parse.hpp says it cannot hold.
void check_limits(const collector::hit_fields& fields);

[[nodiscard]] bool are_equal(const collector::hit_fields& a, const collector::hit_fields& b);

/// The same fields as a query string, every byte of a value escaped.
[[nodiscard]] std::string as_query(const collector::hit_fields& fields);

/// The same fields as a JSON object.
[[nodiscard]] std::string as_json(const collector::hit_fields& fields);

/// Fields as a worker has them from the hit before.
[[nodiscard]] collector::hit_fields used_fields();

}  // namespace luot::fuzz
