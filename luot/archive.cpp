#include "archive/reader.hpp"
#include "core/bytes.hpp"
#include "core/local_time.hpp"
#include "core/log.hpp"
#include "luot/commands.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace luot {

namespace {

/// One hit as a JSON object; what it has not is left out.
std::string json_of(const archive::archived_hit& archived, const hit& h)
{
    std::string out = fmt::format("{{\"time_ms\":{},\"time\":\"{}\",\"date\":\"{}\"", h.time_ms,
                                  utc_text(h.time_ms), date_text(h.local_date));
    const auto text = [&out](std::string_view name, std::string_view value) {
        if (!value.empty())
            out += fmt::format(",\"{}\":{}", name, log::quoted(value));
    };
    const auto number = [&out](std::string_view name, std::uint64_t value) {
        if (value != 0)
            out += fmt::format(",\"{}\":{}", name, value);
    };
    text("site", h.site);
    text("path", h.path);
    text("event", h.event);
    if (!h.properties.empty()) {
        out += ",\"properties\":{";
        bool is_first = true;
        for (auto rest = h.properties; !rest.empty(); is_first = false) {
            const auto property = take_property(rest);
            const auto at = std::min(property.find(property_separator), property.size());
            out += fmt::format("{}{}:{}", is_first ? "" : ",", log::quoted(property.substr(0, at)),
                               log::quoted(property.substr(std::min(at + 1, property.size()))));
        }
        out += '}';
    }
    text("title", h.title);
    text("section", h.section);
    text("referrer", h.referrer);
    text("user_agent", h.user_agent);
    text("client_hints", h.client_hints);
    text("language", h.language);
    text("country", h.country);
    text("source", h.source);
    text("medium", h.medium);
    text("campaign", h.campaign);
    text("term", h.term);
    text("content", h.content);
    number("width", h.width);
    number("bot_hint", h.bot_hint);
    if (h.is_from_server)
        out += ",\"from_server\":true";
    if (h.is_from_data_center)
        out += ",\"from_data_center\":true";
    out += fmt::format(",\"visitor\":\"{}\"", to_hex(h.visitor));
    if (h.visitor_before != 0)
        out += fmt::format(",\"visitor_before\":\"{}\"", to_hex(h.visitor_before));
    if (h.id != 0)
        out += fmt::format(",\"id\":\"{}\"", to_hex(h.id));
    out += fmt::format(",\"log\":\"{}\",\"partition\":{},\"offset\":{}}}\n",
                       to_hex(archived.producer), archived.what.partition, archived.what.offset);
    return out;
}

int not_written()
{
    if (errno != EPIPE)  // else nobody reads any more
        std::fprintf(stderr, "luot: standard output: %s\n", std::strerror(errno));
    return 1;
}

}  // namespace

int show_archive(const std::vector<std::string>& files)
{
    archive::reader reader;
    for (const auto& name : files) {
        if (const auto error = reader.add(name)) {
            std::fprintf(
                stderr, "luot: %s: %s\n", name.c_str(),
                error == errc::bad_record ? "this is no archive of luot" : error.message().c_str());
            return 1;
        }
    }
    std::uint64_t undecoded = 0;
    for (;;) {
        archive::archived_hit archived;
        bool is_there = false;
        if (const auto error = reader.next(archived, is_there)) {
            std::fprintf(stderr, "luot: %s\n", error.message().c_str());
            return 1;
        }
        if (!is_there)
            break;
        hit h;
        if (decode(archived.what.payload, h)) {
            ++undecoded;
            continue;
        }
        const auto line = json_of(archived, h);
        if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size())
            return not_written();
    }
    if (std::fflush(stdout) != 0)
        return not_written();
    const auto& passed = reader.passed_over();
    if (passed.damaged_bytes == 0 && passed.damaged_frames == 0 && undecoded == 0)
        return 0;
    std::fprintf(stderr,
                 "luot: damaged: %llu bytes between frames, %llu frames, %llu hits; what is in "
                 "them is missing above\n",
                 static_cast<unsigned long long>(passed.damaged_bytes),
                 static_cast<unsigned long long>(passed.damaged_frames),
                 static_cast<unsigned long long>(undecoded));
    return 1;
}

}  // namespace luot
