#include "import/hit_maker.hpp"

#include "core/bytes.hpp"
#include "core/http/address.hpp"
#include "core/log.hpp"

#include <algorithm>
#include <utility>

namespace luot::importer {
namespace {

constexpr std::size_t sample_bytes = 160;

/// The first host of the site that is one: where a log names none its lines are of it.
std::string host_of(const site_config& site)
{
    const auto found = std::find_if(site.hosts.begin(), site.hosts.end(),
                                    [](const auto& host) { return !host.starts_with("*."); });
    return found == site.hosts.end() ? std::string{} : *found;
}

bool is_of_an_address(char c) noexcept
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '.' ||
           c == ':';
}

/// Also a part of one: what was cut off is no reason to show the rest.
bool looks_like_an_address(std::string_view word) noexcept
{
    http::ip_address unused;
    return std::count(word.begin(), word.end(), '.') >= 2 ||
           word.find("::") != std::string_view::npos ||
           std::count(word.begin(), word.end(), ':') >= 4 || http::parse_address(word, unused);
}

}  // namespace

hit_maker::hit_maker(const site_config& site, hit_maker_options options, const import_salt& salt)
    : site_(site),
      options_(std::move(options)),
      zone_(site.timezone),
      parser_(options_.syntax),
      rule_(options_.pages),
      ids_([&salt](std::int32_t date) { return salt.visitor_key(date); }),
      first_host_(host_of(site))
{
}

bool hit_maker::is_own_host(std::string_view host)
{
    if (host != host_) {
        host_ = host;
        host_is_own_ = site_.has_host(host);
    }
    return host_is_own_;
}

line_fate hit_maker::make(std::string_view text, std::string& out)
{
    fault_ = parser_.parse(text, line_);
    if (fault_ != line_fault::none)
        return line_fate::damaged;
    if (!line_.host.empty() && !is_own_host(line_.host))
        return line_fate::other_host;
    switch (rule_.judge(line_)) {
        case page_verdict::page:
            break;
        case page_verdict::no_request:
            return line_fate::no_request;
        case page_verdict::method:
            return line_fate::method;
        case page_verdict::status:
            return line_.status == 404 || line_.status == 410 ? line_fate::not_found
                                                              : line_fate::status;
        case page_verdict::static_file:
            return line_fate::static_file;
    }
    campaign_.clear();
    const auto host = line_.host.empty() ? std::string_view(first_host_) : line_.host;
    if (const auto error = normalise_page(line_.target, site_, host, path_, &campaign_, &section_))
        return error == errc::foreign_host ? line_fate::other_host : line_fate::bad_address;

    hit h;
    h.time_ms = line_.time_ms;
    h.site = site_.id;
    h.path = path_;
    h.section = section_;
    normalise_referrer(line_.referrer, site_, referrer_);
    h.referrer = referrer_;
    h.user_agent = line_.user_agent.substr(0, collector::max_user_agent_bytes);
    h.source = campaign_.source;
    h.medium = campaign_.medium;
    h.campaign = campaign_.name;
    h.term = campaign_.term;
    h.content = campaign_.content;
    // A name of a host (HostnameLookups) is one client, too, whose country is not known.
    http::ip_address client{};
    collector::country_code country;
    if (http::parse_address(line_.client, client)) {
        if (options_.countries)
            country = options_.countries->find(client);
    } else {
        const auto name = checksum(line_.client);
        client[0] = 0xFF;  // multicast: nobody's
        for (std::size_t i = 0; i < 7; ++i)
            client[1 + i] = static_cast<unsigned char>(name >> (8 * i));
    }
    h.country = country.text();
    ids_.identify(h, zone_, client);
    // Every path is new to the first import: the limit of one client would hide what people read.
    h.client = 0;
    h.is_imported = true;
    visitor_ = h.visitor;
    record_.clear();
    encode(h, record_);
    put_varint(out, record_.size());
    out += record_;
    return line_fate::hit;
}

std::string sample_of(std::string_view line)
{
    const bool is_cut = line.size() > sample_bytes;
    // What is cut off in the middle of an address must still be seen to be one.
    const auto whole = line.substr(0, sample_bytes + 64);
    std::string shown;
    for (std::size_t at = 0; at < whole.size() && at < sample_bytes;) {
        auto end = at;
        while (end < whole.size() && is_of_an_address(whole[end]))
            ++end;
        if (end == at) {
            shown += whole[at++];
            continue;
        }
        const auto word = whole.substr(at, end - at);
        shown += looks_like_an_address(word) ? std::string_view("(address)") : word;
        at = end;
    }
    return log::quoted(shown) + (is_cut ? "..." : "");
}

}  // namespace luot::importer
