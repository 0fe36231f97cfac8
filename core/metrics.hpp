// Metrics for Prometheus: counters that cost one plain addition, gauges that are asked when
// scraped. All names and their meaning are in docs/metrics.md.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace luot {

/// A number that only grows. One thread adds to one counter; any thread may read it.
class counter {
public:
    void add(std::uint64_t n = 1) noexcept
    {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t value() const noexcept
    {
        return value_.load(std::memory_order_relaxed);
    }

private:
    alignas(64) std::atomic<std::uint64_t> value_{0};  // a cache line of its own for each thread
};

using metric_labels = std::map<std::string, std::string>;

/// Holds the metrics of a process. Thread-safe.
class metrics_registry {
public:
    metrics_registry();
    ~metrics_registry();

    /// A new counter for the calling thread; counters of the same name and labels are summed when
    /// scraped. The reference lives as long as the registry.
    [[nodiscard]] counter& add_counter(const std::string& name, const std::string& help,
                                       const metric_labels& labels = {});

    /// A gauge whose value is asked for at each scrape, on the scraping thread.
    void add_gauge(const std::string& name, const std::string& help, std::function<double()> value,
                   const metric_labels& labels = {});

    /// The same for a number that only grows, kept elsewhere.
    void add_total(const std::string& name, const std::string& help, std::function<double()> value,
                   const metric_labels& labels = {});

    /// Everything in Prometheus' text format 0.0.4.
    [[nodiscard]] std::string text() const;

private:
    class instruments;
    std::shared_ptr<instruments> instruments_;
    struct exposition;
    std::unique_ptr<exposition> exposition_;
};

}  // namespace luot
