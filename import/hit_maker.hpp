// From a line of an access log to a hit, as the collector would have taken it.

#pragma once

#include "collector/country.hpp"
#include "collector/identify.hpp"
#include "core/config.hpp"
#include "core/hit.hpp"
#include "core/local_time.hpp"
#include "core/path.hpp"
#include "import/import_salt.hpp"
#include "import/log_line.hpp"
#include "import/page_rule.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace luot::importer {

/// What became of a line: exactly one of these.
enum class line_fate : std::uint8_t {
    hit,          ///< a page that was shown
    damaged,      ///< see hit_maker::fault()
    no_request,   ///< not HTTP
    method,       ///< of another method
    not_found,    ///< status 404 or 410
    status,       ///< of another status
    static_file,  ///< by its extension
    other_host,   ///< of a host that is none of the site's
    bad_address,  ///< its target is no page address (docs/paths.md)
};

inline constexpr std::size_t line_fates = 9;

/// What is known of a log and the site that it is imported for.
struct hit_maker_options {
    log_syntax syntax;
    page_options pages;
    std::shared_ptr<const collector::country_db> countries;  ///< null: none
};

/// One thread at a time. `site` and `salt` must outlive it.
class hit_maker {
public:
    hit_maker(const site_config& site, hit_maker_options options, const import_salt& salt);

    /// For line_fate::hit the encoded hit is appended to `out`, behind its size as a varint, and
    /// time_ms() and visitor() are its. Allocates nothing in the long run.
    [[nodiscard]] line_fate make(std::string_view line, std::string& out);

    /// Of the last line, unless it was damaged.
    [[nodiscard]] std::int64_t time_ms() const noexcept { return line_.time_ms; }
    [[nodiscard]] std::uint64_t visitor() const noexcept { return visitor_; }
    /// Of the last line that was damaged.
    [[nodiscard]] line_fault fault() const noexcept { return fault_; }

private:
    [[nodiscard]] bool is_own_host(std::string_view host);

    const site_config& site_;
    const hit_maker_options options_;
    local_zone zone_;
    line_parser parser_;
    page_rule rule_;
    collector::visitor_ids ids_;
    log_line line_;
    line_fault fault_ = line_fault::none;
    std::uint64_t visitor_ = 0;
    std::string first_host_;   // where the line names none
    std::string host_;         // of the line before
    bool host_is_own_ = true;  // whether it is the site's
    std::string section_, path_, referrer_, record_;
    campaign campaign_;
};

/// A line as a person may see it: without anything that looks like an address, shortened, one line
/// whatever bytes it has.
[[nodiscard]] std::string sample_of(std::string_view line);

}  // namespace luot::importer
