#include "core/log.hpp"

#include "core/clock.hpp"
#include "core/local_time.hpp"
#include "core/utf8.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>

namespace luot::log {

namespace {

struct output {
    std::shared_ptr<spdlog::logger> logger;
    bool as_json = false;
};

output& the_output()
{
    static output instance{spdlog::stderr_logger_mt("luot")};
    return instance;
}

bool needs_quotes(std::string_view text)
{
    if (text.empty())
        return true;
    for (const unsigned char c : text)
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7F)
            return true;
    return false;
}

void write(level l, std::string_view event, fields values)
{
    constexpr spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info,
                                                    spdlog::level::warn, spdlog::level::err};
    constexpr std::string_view names[] = {"debug", "info", "warn", "error"};
    auto& out = the_output();
    const auto spd_level = levels[static_cast<int>(l)];
    if (!out.logger->should_log(spd_level))
        return;

    const auto now = unix_ms();
    auto time = utc_text(now);
    time.pop_back();
    time += fmt::format(".{:03}Z", now % 1000);
    std::string line;
    if (out.as_json) {
        line = fmt::format(R"({{"time":"{}","level":"{}","event":{})", time,
                           names[static_cast<int>(l)], quoted(event));
        for (const auto& f : values)
            line += fmt::format(",{}:{}", quoted(f.name), f.is_text ? quoted(f.value) : f.value);
        line += '}';
    } else {
        line = fmt::format("{} {} {}", time, names[static_cast<int>(l)], event);
        for (const auto& f : values)
            line += fmt::format(" {}={}", f.name,
                                f.is_text && needs_quotes(f.value) ? quoted(f.value) : f.value);
    }
    out.logger->log(spd_level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

std::string quoted(std::string_view text)
{
    std::string out = "\"";
    while (!text.empty()) {
        const auto bytes = utf8::sequence_bytes(text);
        const auto sequence = text.substr(0, std::max<std::size_t>(bytes, 1));
        const auto point = bytes == 0 ? U'\uFFFD' : utf8::code_point(text, bytes);
        if (bytes == 0 || utf8::is_control(point))
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(point));
        else if (point == '"' || point == '\\')
            out.append(1, '\\').append(sequence);
        else
            out += sequence;
        text.remove_prefix(sequence.size());
    }
    return out + '"';
}

void set_up(level least, bool as_json)
{
    constexpr spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info,
                                                    spdlog::level::warn, spdlog::level::err};
    auto& out = the_output();
    out.as_json = as_json;
    out.logger->set_pattern("%v");
    out.logger->set_level(levels[static_cast<int>(least)]);
    out.logger->flush_on(spdlog::level::debug);
}

void debug(std::string_view event, fields values)
{
    write(level::debug, event, values);
}
void info(std::string_view event, fields values)
{
    write(level::info, event, values);
}
void warn(std::string_view event, fields values)
{
    write(level::warn, event, values);
}
void error(std::string_view event, fields values)
{
    write(level::error, event, values);
}

bool limiter::pass()
{
    const auto now = steady_ms();
    if (now - last_ms_ < every_ms_) {
        ++held_back_;
        return false;
    }
    last_ms_ = now;
    reported_ = std::exchange(held_back_, 0);
    return true;
}

}  // namespace luot::log
