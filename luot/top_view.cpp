#include "luot/top_view.hpp"

#include "core/local_time.hpp"
#include "core/number_text.hpp"
#include "luot/terminal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace luot {

namespace {

double sum_of(const top_sample& s, std::string_view name)
{
    double sum = 0;
    for (const auto& d : s.daemons)
        if (d.metrics)
            sum += d.metrics->sum(name);
    return sum;
}

std::map<std::string, double> by_of(const top_sample& s, std::string_view name,
                                    std::string_view label)
{
    std::map<std::string, double> sums;
    for (const auto& d : s.daemons)
        if (d.metrics)
            for (const auto& [key, value] : d.metrics->by(name, label))
                sums[key] += value;
    return sums;
}

std::string count_text(std::int64_t n)
{
    return number_text(n, number_style::en);
}

std::string size_text(double bytes)
{
    return bytes_text(static_cast<std::uint64_t>(std::max(0.0, bytes)));
}

/// What happened between two moments, in a second.
class rates {
public:
    rates(const top_sample& before, const top_sample& now) : before_(before), now_(now)
    {
        seconds_ = static_cast<double>(now.steady_ms - before.steady_ms) / 1000;
    }

    [[nodiscard]] std::string text(std::string_view name) const
    {
        return text(sum_of(now_, name) - sum_of(before_, name));
    }

    /// A counter that fell is one of a process that was started anew.
    [[nodiscard]] std::string text(double more) const
    {
        return seconds_ <= 0 ? "-" : fmt::format("{:.1f}", std::max(0.0, more) / seconds_);
    }

    /// ", of them REASON N, ..." in falling order; empty when there is nothing.
    [[nodiscard]] std::string reasons(std::string_view name, std::string_view label) const
    {
        auto more = by_of(now_, name, label);
        for (const auto& [key, value] : by_of(before_, name, label))
            more[key] -= value;
        std::vector<std::pair<double, std::string>> sorted;
        for (const auto& [key, value] : more)
            if (value > 0)
                sorted.emplace_back(value, key);
        std::sort(sorted.rbegin(), sorted.rend());
        std::string out;
        for (const auto& [value, key] : sorted)
            out += (out.empty() ? " (" : ", ") + key + ' ' + text(value);
        return out.empty() ? out : out + ')';
    }

private:
    const top_sample& before_;
    const top_sample& now_;
    double seconds_ = 0;
};

std::string redis_line(const top_sample& now)
{
    if (!now.redis_trouble.empty())
        return "Redis     away: " + now.redis_trouble;
    auto out = fmt::format("Redis     answers in {}", duration_text(now.redis_seconds));
    if (now.redis_bytes > 0)
        out += ", " + size_text(static_cast<double>(now.redis_bytes)) + " used" +
               (now.redis_most_bytes > 0
                    ? " of " + size_text(static_cast<double>(now.redis_most_bytes))
                    : "");
    return out;
}

}  // namespace

std::vector<std::string> top_frame(const top_sample& before, const top_sample& now,
                                   screen_size screen)
{
    std::vector<std::string> lines;
    const rates r(before, now);
    const auto there = std::count_if(now.daemons.begin(), now.daemons.end(),
                                     [](const auto& d) { return d.metrics.has_value(); });
    lines.push_back(fmt::format("luot      {}  {} of {} daemons answer", utc_text(now.unix_ms),
                                there, now.daemons.size()));
    for (const auto& d : now.daemons)
        if (!d.metrics)
            lines.push_back("          " + d.address + ": " + d.trouble +
                            ": is luot running? Else say --admin ADDRESS:PORT");
    if (there > 0) {
        lines.push_back("hits/s    " + r.text("luot_hits_received_total") + " received, " +
                        r.text("luot_hits_accepted_total") + " accepted, " +
                        r.text("luot_hits_refused_total") + " refused" +
                        r.reasons("luot_hits_refused_total", "reason"));
        lines.push_back("applied/s " + r.text("luot_applied_hits_total") + " hits, " +
                        r.text("luot_applied_bots_total") + " of bots" +
                        r.reasons("luot_applied_bots_total", "kind"));
        lines.push_back(fmt::format(
            "queue     {:.0f} entries, {}, lag {}, {:.0f} hits not in Redis yet",
            sum_of(now, "luot_queue_entries"), size_text(sum_of(now, "luot_queue_bytes")),
            duration_text(sum_of(now, "luot_queue_lag_seconds")),
            sum_of(now, "luot_unshipped_hits")));
        lines.push_back(fmt::format("spool     {} of {}   lost {:.0f}, rejected {:.0f}",
                                    size_text(sum_of(now, "luot_spool_bytes")),
                                    size_text(sum_of(now, "luot_spool_max_bytes")),
                                    sum_of(now, "luot_hits_lost_total"),
                                    sum_of(now, "luot_rejected_entries")));
    }
    lines.push_back(redis_line(now));
    lines.emplace_back();
    lines.push_back(fmt::format("{:<24}{:>10}{:>14}{:>14}{:>10}{:>16}", "SITE", "VIEWS/S",
                                "VIEWS TODAY", "VISITS TODAY", "ONLINE", "VIEWS"));
    auto sites = now.sites;
    std::stable_sort(sites.begin(), sites.end(),
                     [](const auto& a, const auto& b) { return a.views_today > b.views_today; });
    for (const auto& s : sites) {
        if (!s.is_known) {
            lines.push_back(in_column(s.id, 24) + fmt::format("{:>10}", "-"));
            continue;
        }
        const auto was = std::find_if(before.sites.begin(), before.sites.end(),
                                      [&](const auto& b) { return b.id == s.id && b.is_known; });
        const auto rate = was == before.sites.end()
                              ? std::string("-")
                              : r.text(static_cast<double>(s.views - was->views));
        lines.push_back(in_column(s.id, 24) +
                        fmt::format("{:>10}{:>14}{:>14}{:>10}{:>16}", rate,
                                    count_text(s.views_today), count_text(s.visits_today),
                                    count_text(s.online), count_text(s.views)));
    }
    if (lines.size() > screen.rows) {
        const auto hidden = lines.size() - screen.rows + 1;
        lines.resize(screen.rows - std::min<std::size_t>(screen.rows, 1));
        lines.push_back(fmt::format("... and {} more", hidden));
    }
    for (auto& line : lines) {
        line = in_column(line, screen.columns);
        line.erase(line.find_last_not_of(' ') + 1);
    }
    return lines;
}

}  // namespace luot
