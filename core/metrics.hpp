// Metrics for Prometheus: counters and histograms that cost some plain additions, gauges that are
// asked when scraped. All names and their meaning are in docs/metrics.md.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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

/// How long things took, in buckets. One thread observes; any thread may read it.
class histogram {
public:
    static constexpr std::size_t most_bounds = 20;

    /// What is measured: work of this machine (50 us to 10 s), or waiting that may last while
    /// something is away (10 ms to a day).
    enum class scale : std::uint8_t { work, waiting };

    explicit histogram(scale of) noexcept;

    /// `us`: microseconds; less than 0 counts as 0. `times`: so many took as long.
    void observe(std::int64_t us, std::uint64_t times = 1) noexcept
    {
        std::size_t at = 0;
        while (at < size_ && us > bounds_us_[at])
            ++at;
        add(buckets_[at], times);
        add(sum_us_, us > 0 ? static_cast<std::uint64_t>(us) * times : 0);
    }

    /// Upper ends of the buckets, microseconds, ascending; behind them is one without an end.
    [[nodiscard]] std::vector<std::int64_t> bounds_us() const;
    /// Those of each bucket alone, the last one without an end.
    [[nodiscard]] std::vector<std::uint64_t> counts() const;
    [[nodiscard]] std::uint64_t sum_us() const noexcept
    {
        return sum_us_.load(std::memory_order_relaxed);
    }

private:
    static void add(std::atomic<std::uint64_t>& to, std::uint64_t n) noexcept
    {
        to.store(to.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }

    const std::int64_t* bounds_us_;
    std::size_t size_;
    alignas(64) std::array<std::atomic<std::uint64_t>, most_bounds + 1> buckets_{};
    std::atomic<std::uint64_t> sum_us_{0};
};

/// Something that is or is not so. Any thread.
using metric_switch = std::atomic<bool>;

/// A gauge with the values that there are at one moment, by labels; none: it is not shown.
struct gauge_rows {
    std::string name, help;
    std::vector<std::pair<metric_labels, double>> rows;
};

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

    /// The same for a value that is not always known: nullopt, and it is not shown.
    void add_optional_gauge(const std::string& name, const std::string& help,
                            std::function<std::optional<double>()> value,
                            const metric_labels& labels = {});

    /// Gauges whose rows come and go, all of one moment: asked at each scrape, on its thread.
    void add_gauge_rows(std::function<std::vector<gauge_rows>()> ask);

    /// A new histogram for the calling thread; those of the same name and labels, which have the
    /// same scale, are summed when scraped. The reference lives as long as the registry.
    [[nodiscard]] histogram& add_histogram(const std::string& name, const std::string& help,
                                           histogram::scale of, const metric_labels& labels = {});

    /// A new switch, off; of several of the same name and labels the gauge is 1 when all are on,
    /// else 0.
    [[nodiscard]] metric_switch& add_switch(const std::string& name, const std::string& help,
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
