#include "core/metrics.hpp"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <limits>
#include <mutex>
#include <vector>

namespace luot {

namespace {

constexpr std::int64_t work_us[] = {50,      100,       250,       500,       1'000,     2'500,
                                    5'000,   10'000,    25'000,    50'000,    100'000,   250'000,
                                    500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};
constexpr std::int64_t waiting_us[] = {
    10'000,      25'000,        50'000,        100'000,        250'000,       500'000,
    1'000'000,   2'500'000,     5'000'000,     10'000'000,     30'000'000,    60'000'000,
    300'000'000, 1'800'000'000, 3'600'000'000, 21'600'000'000, 86'400'000'000};
static_assert(std::size(work_us) <= histogram::most_bounds &&
              std::size(waiting_us) <= histogram::most_bounds);

}  // namespace

histogram::histogram(scale of) noexcept
    : bounds_us_(of == scale::work ? work_us : waiting_us),
      size_(of == scale::work ? std::size(work_us) : std::size(waiting_us))
{
}

std::vector<std::int64_t> histogram::bounds_us() const
{
    return {bounds_us_, bounds_us_ + size_};
}

std::vector<std::uint64_t> histogram::counts() const
{
    std::vector<std::uint64_t> out;
    for (std::size_t i = 0; i <= size_; ++i)
        out.push_back(buckets_[i].load(std::memory_order_relaxed));
    return out;
}

class metrics_registry::instruments final : public prometheus::Collectable {
public:
    counter& add_counter(const std::string& name, const std::string& help,
                         const metric_labels& labels)
    {
        const std::scoped_lock lock(mutex_);
        auto& added = counters_.emplace_back();
        auto& family = families_[name];
        family.help = help;
        family.counters[labels].push_back(&added);
        return added;
    }

    void add_asked(const std::string& name, const std::string& help,
                   std::function<std::optional<double>()> value, const metric_labels& labels,
                   bool is_gauge)
    {
        const std::scoped_lock lock(mutex_);
        auto& family = families_[name];
        family.help = help;
        family.is_gauge = is_gauge;
        family.asked[labels] = std::move(value);
    }

    void add_rows(std::function<std::vector<gauge_rows>()> ask)
    {
        const std::scoped_lock lock(mutex_);
        rows_.push_back(std::move(ask));
    }

    histogram& add_histogram(const std::string& name, const std::string& help, histogram::scale of,
                             const metric_labels& labels)
    {
        const std::scoped_lock lock(mutex_);
        auto& added = histograms_.emplace_back(of);
        auto& family = families_[name];
        family.help = help;
        family.histograms[labels].push_back(&added);
        return added;
    }

    metric_switch& add_switch(const std::string& name, const std::string& help,
                              const metric_labels& labels)
    {
        const std::scoped_lock lock(mutex_);
        auto& added = switches_.emplace_back(false);
        auto& family = families_[name];
        family.help = help;
        family.is_gauge = true;
        family.switches[labels].push_back(&added);
        return added;
    }

    std::vector<prometheus::MetricFamily> Collect() const override
    {
        const std::scoped_lock lock(mutex_);
        std::vector<prometheus::MetricFamily> all;
        for (const auto& [name, family] : families_)
            if (auto out = collected(name, family); !out.metric.empty())
                all.push_back(std::move(out));
        for (const auto& ask : rows_)
            for (const auto& gauge : ask()) {
                if (gauge.rows.empty())
                    continue;
                auto& out = all.emplace_back();
                out.name = gauge.name;
                out.help = gauge.help;
                out.type = prometheus::MetricType::Gauge;
                for (const auto& [labels, value] : gauge.rows)
                    add(out, labels).gauge.value = value;
            }
        return all;
    }

private:
    struct family {
        std::string help;
        std::map<metric_labels, std::vector<const counter*>> counters;
        std::map<metric_labels, std::vector<const histogram*>> histograms;
        std::map<metric_labels, std::vector<const metric_switch*>> switches;
        std::map<metric_labels, std::function<std::optional<double>()>> asked;
        bool is_gauge = false;
    };

    static prometheus::MetricFamily collected(const std::string& name, const family& family)
    {
        prometheus::MetricFamily out;
        out.name = name;
        out.help = family.help;
        out.type = !family.histograms.empty() ? prometheus::MetricType::Histogram
                   : family.is_gauge          ? prometheus::MetricType::Gauge
                                              : prometheus::MetricType::Counter;
        for (const auto& [labels, parts] : family.counters) {
            double sum = 0;
            for (const auto* part : parts)
                sum += static_cast<double>(part->value());
            add(out, labels).counter.value = sum;
        }
        for (const auto& [labels, parts] : family.histograms)
            add(out, labels).histogram = merged(parts);
        for (const auto& [labels, parts] : family.switches)
            add(out, labels).gauge.value =
                std::all_of(parts.begin(), parts.end(), [](const auto* on) { return on->load(); })
                    ? 1
                    : 0;
        for (const auto& [labels, ask] : family.asked) {
            const auto value = ask();
            if (!value)
                continue;
            auto& metric = add(out, labels);
            (family.is_gauge ? metric.gauge.value : metric.counter.value) = *value;
        }
        return out;
    }

    static prometheus::ClientMetric::Histogram merged(const std::vector<const histogram*>& parts)
    {
        const auto bounds = parts.front()->bounds_us();
        std::vector<std::uint64_t> sums(bounds.size() + 1);
        std::uint64_t sum_us = 0;
        for (const auto* part : parts) {
            const auto counts = part->counts();
            for (std::size_t i = 0; i < sums.size(); ++i)
                sums[i] += counts[i];
            sum_us += part->sum_us();
        }
        prometheus::ClientMetric::Histogram out;
        for (std::size_t i = 0; i < sums.size(); ++i) {
            out.sample_count += sums[i];  // cumulative, as Prometheus has them
            const auto bound = i < bounds.size() ? static_cast<double>(bounds[i]) / 1e6
                                                 : std::numeric_limits<double>::infinity();
            out.bucket.push_back({out.sample_count, bound});
        }
        out.sample_sum = static_cast<double>(sum_us) / 1e6;
        return out;
    }

    static prometheus::ClientMetric& add(prometheus::MetricFamily& out, const metric_labels& labels)
    {
        auto& metric = out.metric.emplace_back();
        for (const auto& [name, value] : labels)
            metric.label.push_back({name, value});
        return metric;
    }

    mutable std::mutex mutex_;
    // Deques: references stay valid.
    std::deque<counter> counters_;
    std::deque<histogram> histograms_;
    std::deque<metric_switch> switches_;
    std::vector<std::function<std::vector<gauge_rows>()>> rows_;
    std::map<std::string, family> families_;
};

struct metrics_registry::exposition {
    prometheus::TextSerializer serializer;
};

metrics_registry::metrics_registry()
    : instruments_(std::make_shared<instruments>()), exposition_(std::make_unique<exposition>())
{
}

metrics_registry::~metrics_registry() = default;

counter& metrics_registry::add_counter(const std::string& name, const std::string& help,
                                       const metric_labels& labels)
{
    return instruments_->add_counter(name, help, labels);
}

void metrics_registry::add_gauge(const std::string& name, const std::string& help,
                                 std::function<double()> value, const metric_labels& labels)
{
    instruments_->add_asked(name, help, std::move(value), labels, true);
}

void metrics_registry::add_optional_gauge(const std::string& name, const std::string& help,
                                          std::function<std::optional<double>()> value,
                                          const metric_labels& labels)
{
    instruments_->add_asked(name, help, std::move(value), labels, true);
}

void metrics_registry::add_gauge_rows(std::function<std::vector<gauge_rows>()> ask)
{
    instruments_->add_rows(std::move(ask));
}

histogram& metrics_registry::add_histogram(const std::string& name, const std::string& help,
                                           histogram::scale of, const metric_labels& labels)
{
    return instruments_->add_histogram(name, help, of, labels);
}

metric_switch& metrics_registry::add_switch(const std::string& name, const std::string& help,
                                            const metric_labels& labels)
{
    return instruments_->add_switch(name, help, labels);
}

void metrics_registry::add_total(const std::string& name, const std::string& help,
                                 std::function<double()> value, const metric_labels& labels)
{
    instruments_->add_asked(name, help, std::move(value), labels, false);
}

std::string metrics_registry::text() const
{
    return exposition_->serializer.Serialize(instruments_->Collect());
}

}  // namespace luot
