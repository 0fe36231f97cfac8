#include "core/metrics.hpp"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <deque>
#include <mutex>
#include <vector>

namespace luot {

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

    void add_asked(const std::string& name, const std::string& help, std::function<double()> value,
                   const metric_labels& labels, bool is_gauge)
    {
        const std::scoped_lock lock(mutex_);
        auto& family = families_[name];
        family.help = help;
        family.is_gauge = is_gauge;
        family.asked[labels] = std::move(value);
    }

    std::vector<prometheus::MetricFamily> Collect() const override
    {
        const std::scoped_lock lock(mutex_);
        std::vector<prometheus::MetricFamily> all;
        for (const auto& [name, family] : families_) {
            prometheus::MetricFamily out;
            out.name = name;
            out.help = family.help;
            out.type =
                family.is_gauge ? prometheus::MetricType::Gauge : prometheus::MetricType::Counter;
            for (const auto& [labels, parts] : family.counters) {
                double sum = 0;
                for (const auto* part : parts)
                    sum += static_cast<double>(part->value());
                auto& metric = add(out, labels);
                metric.counter.value = sum;
            }
            for (const auto& [labels, value] : family.asked) {
                auto& metric = add(out, labels);
                (family.is_gauge ? metric.gauge.value : metric.counter.value) = value();
            }
            all.push_back(std::move(out));
        }
        return all;
    }

private:
    struct family {
        std::string help;
        std::map<metric_labels, std::vector<const counter*>> counters;
        std::map<metric_labels, std::function<double()>> asked;
        bool is_gauge = false;
    };

    static prometheus::ClientMetric& add(prometheus::MetricFamily& out, const metric_labels& labels)
    {
        auto& metric = out.metric.emplace_back();
        for (const auto& [name, value] : labels)
            metric.label.push_back({name, value});
        return metric;
    }

    mutable std::mutex mutex_;
    std::deque<counter> counters_;  // a deque: references stay valid
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
