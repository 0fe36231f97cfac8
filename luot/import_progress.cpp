#include "luot/import_progress.hpp"

#include "core/clock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace luot {

namespace {

constexpr std::int64_t draw_every_ms = 200;
/// Before that the time left is a guess.
constexpr double least_seconds = 1;
constexpr std::size_t bar_width = 20;

std::string clock_text(double seconds)
{
    const auto whole = static_cast<std::uint64_t>(seconds);
    return whole < 3600 ? fmt::format("{}:{:02}", whole / 60, whole % 60)
                        : fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace

std::string grouped(std::uint64_t number)
{
    auto text = std::to_string(number);
    for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
        text.insert(static_cast<std::size_t>(at), 1, ',');
    return text;
}

import_progress::import_progress(bool shown, std::uint64_t whole_bytes)
    : shown_(shown), whole_bytes_(whole_bytes), begun_ms_(steady_ms()), drawn_ms_(begun_ms_)
{
}

double import_progress::seconds() const
{
    return std::max(0.001, static_cast<double>(steady_ms() - begun_ms_) / 1000);
}

void import_progress::show(std::uint64_t lines, std::uint64_t bytes)
{
    if (!shown_)
        return;
    const auto now = steady_ms();
    if (now - drawn_ms_ < draw_every_ms)
        return;
    drawn_ms_ = now;
    const auto passed = seconds();
    std::string text;
    std::string left;
    if (whole_bytes_ > 0) {
        const auto part =
            std::min(1.0, static_cast<double>(bytes) / static_cast<double>(whole_bytes_));
        const auto full = static_cast<std::size_t>(part * bar_width);
        text = fmt::format("[{}{}] {:3.0f} %  ", std::string(full, '#'),
                           std::string(bar_width - full, '.'), part * 100);
        if (part > 0 && passed >= least_seconds)
            left = fmt::format("  {} left", clock_text(passed / part - passed));
    }
    std::fprintf(stderr, "\r%s%s lines  %s lines/s%s\x1b[K", text.c_str(), grouped(lines).c_str(),
                 grouped(static_cast<std::uint64_t>(static_cast<double>(lines) / passed)).c_str(),
                 left.c_str());
    std::fflush(stderr);
    is_drawn_ = true;
}

void import_progress::clear()
{
    if (is_drawn_)
        std::fprintf(stderr, "\r\x1b[K");
    is_drawn_ = false;
}

void import_progress::say(const std::string& line)
{
    clear();
    std::fprintf(stderr, "luot: %s\n", line.c_str());
}

}  // namespace luot
