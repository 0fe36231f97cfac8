// What the system knows of this process, under the names that Prometheus' clients use.

#pragma once

namespace luot {

class metrics_registry;

/// process_cpu_seconds_total, process_resident_memory_bytes, process_virtual_memory_bytes,
/// process_open_fds, process_max_fds and process_start_time_seconds, each asked when scraped. What
/// the system does not tell is not shown.
void add_process_metrics(metrics_registry& metrics);

}  // namespace luot
