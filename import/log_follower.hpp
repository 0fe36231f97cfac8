// Follows a log that a server writes: as it grows, is rotated by a rename, or is copied and cut.

#pragma once

#include "import/log_shipper.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>

namespace luot::importer {

/// Goes on with `log`, whose ship() has ended and which is open, until run.stopping is set. What
/// takes its place under its name is a log of its own. Throws import_error.
[[nodiscard]] boost::asio::awaitable<void> follow(import_run& run,
                                                  std::unique_ptr<log_shipper> log);

}  // namespace luot::importer
