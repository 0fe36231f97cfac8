// The entries of a stream as XREAD answers them. Redis' word, checked: any reply gives some batch.

#pragma once

#include "aggregator/fold/fold.hpp"
#include "core/error.hpp"
#include "core/redis/reply.hpp"

#include <vector>

namespace luot::aggregator {

/// Appends the entries of one stream, a list of [id, [field, value, ...]], up to the first one of a
/// newer version. The hits' views point into the reply. Errors: newer_format (the first of them all
/// is one: there is no batch).
[[nodiscard]] error_code read_batch(const redis::reply_view& stream, std::vector<entry>& out);

}  // namespace luot::aggregator
