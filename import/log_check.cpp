#include "import/log_check.hpp"

#include "core/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace luot::importer {
namespace {

/// Of a log that fits nowhere, to try the other formats with; and hosts to name.
constexpr std::size_t most_lines = 20, most_hosts = 3;
constexpr std::size_t most_host_bytes = 80;
/// In this order: what is `combined` would pass as `common`, too.
constexpr std::array<std::string_view, 6> format_names{"combined", "vhost_combined", "common",
                                                       "json",     "caddy",          "traefik"};

/// Of half of them: a log may have damaged lines.
bool parses(const log_syntax& syntax, const std::vector<std::string>& lines)
{
    line_parser parser(syntax);
    log_line parsed;
    const auto good = std::count_if(lines.begin(), lines.end(), [&](const auto& line) {
        return parser.parse(line, parsed) == line_fault::none && !parsed.method.empty();
    });
    return good > 0 && 2 * static_cast<std::size_t>(good) >= lines.size();
}

}  // namespace

std::optional<log_syntax> find_syntax(std::string_view name)
{
    log_syntax syntax;
    if (name == "caddy" || name == "traefik") {
        syntax.format = log_format::json;
        syntax.fields = name == "caddy" ? json_fields::caddy() : json_fields::traefik();
        return syntax;
    }
    const auto format = find_format(name);
    if (!format)
        return std::nullopt;
    syntax.format = *format;
    return syntax;
}

log_check::log_check(const site_config& site, const hit_maker_options& making, std::string format)
    : site_(site),
      making_(making),
      format_(std::move(format)),
      maker_(site, making, salt_),
      parser_(making.syntax)
{
}

log_check::verdict log_check::look(line_reader& reader, bool is_held)
{
    damaged_ = without_request_ = 0;
    fault_ = line_fault::none;
    lines_.clear();
    bool fits = false;
    std::size_t bytes = 0;
    raw_line line;
    std::string unused;
    while (reader.next(line) == line_reader::outcome::line) {
        unused.clear();
        const auto fate = maker_.make(line.text, unused);
        if (fate == line_fate::damaged || fate == line_fate::no_request) {
            note_damaged(line.text,
                         fate == line_fate::damaged ? maker_.fault() : line_fault::no_request);
        } else if (fate == line_fate::other_host && !has_own_) {
            ++foreign_;
            note_host(line.text);
        } else {
            has_own_ = has_own_ || fate != line_fate::other_host;
        }
        fits = fits || (fate != line_fate::damaged && fate != line_fate::no_request);
        if (fits && has_own_)
            return verdict::fits;
        if (!fits && damaged_ - without_request_ >= first_lines)
            return verdict::damaged;
        bytes += line.text.size();
        if (is_held && (line.number >= most_held_lines || bytes >= most_held_bytes)) {
            is_bounded_ = true;
            break;
        }
    }
    return fits ? verdict::fits : verdict::unknown;
}

void log_check::note_damaged(std::string_view line, line_fault fault)
{
    if (fault == line_fault::empty || fault == line_fault::too_long)
        return;
    if (damaged_++ == 0)
        fault_ = fault;
    if (fault == line_fault::no_request)
        ++without_request_;
    if (lines_.size() < most_lines)
        lines_.emplace_back(line);
}

void log_check::note_host(std::string_view line)
{
    log_line parsed;
    if (hosts_.size() >= most_hosts || parser_.parse(line, parsed) != line_fault::none ||
        parsed.host.empty())
        return;
    auto host = log::quoted(parsed.host.substr(0, most_host_bytes));
    if (std::find(hosts_.begin(), hosts_.end(), host) == hosts_.end())
        hosts_.push_back(std::move(host));
}

std::string log_check::other_format() const
{
    auto syntax = making_.syntax;
    for (const auto name : format_names) {
        const auto other = find_syntax(name);
        if (name != format_ && parses(*other, lines_))
            return fmt::format("--format {} fits", name);
    }
    if (!std::exchange(syntax.host_names, true) && parses(syntax, lines_))
        return "--host-names fits";
    return syntax.format == log_format::json ? "--field says where JSON has its fields"
                                             : "no other format fits, either";
}

std::string log_check::what_is_wrong(const std::string& file) const
{
    // A log that was just rotated may hold nothing but a scanner's line: all of its format but the
    // request. In JSON none has a request when its field is not where it was said to be.
    const bool is_of_strangers = damaged_ == without_request_ && damaged_ < first_lines;
    if (damaged_ == 0 || (is_of_strangers && making_.syntax.format != log_format::json))
        return {};
    const auto which = damaged_ == 1 ? std::string("its first line is not")
                                     : fmt::format("none of its first {} lines is", damaged_);
    return fmt::format("{}: {} of the format {} ({}): {}. It begins with {}", file, which, format_,
                       describe(fault_), other_format(), sample_of(lines_.front()));
}

std::string log_check::foreign_hosts() const
{
    if (has_own_ || is_bounded_ || foreign_ == 0)
        return {};
    return fmt::format(
        "no line is of a host of the site {} ({}){}", site_.id, fmt::join(site_.hosts, ", "),
        hosts_.empty() ? std::string{} : fmt::format(", but of {}", fmt::join(hosts_, ", ")));
}

}  // namespace luot::importer
