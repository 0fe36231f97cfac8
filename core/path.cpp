#include "core/path.hpp"

#include "core/config.hpp"
#include "core/path_trace.hpp"
#include "core/utf8.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utf8proc.h>
#include <vector>

namespace luot {
namespace {

constexpr std::size_t max_campaign_bytes = 100;
constexpr std::size_t max_referrer_bytes = 500;
constexpr std::size_t max_section_bytes = 100;  // as of a hit (collector/parse.hpp)
/// How often the rules of a site may change a path before it is taken for one that never settles.
constexpr int most_rounds = 8;

// What may stand for itself; every other ASCII byte is escaped (RFC 3986, pchar).
enum : std::uint8_t { in_segment = 1, in_value = 2, in_name = 4 };

constexpr std::array<std::uint8_t, 256> plain = [] {
    std::array<std::uint8_t, 256> table{};
    const auto set = [&table](std::string_view bytes, unsigned where) {
        for (const char c : bytes)
            table[static_cast<unsigned char>(c)] |= static_cast<std::uint8_t>(where);
    };
    set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$'()*,;:@",
        in_segment | in_value | in_name);
    set("&+", in_segment);  // in a query they part parameters and stand for a space
    set("=", in_segment | in_value);
    set("/", in_value | in_name);
    return table;
}();

bool is_plain(char c, std::uint8_t where)
{
    return (plain[static_cast<unsigned char>(c)] & where) != 0;
}

bool is_control(char c)
{
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

/// Whether there is a control character that is not escaped, of C1 (U+0080 to U+009F) too.
bool has_control(std::string_view text)
{
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_c1 = text[i] == '\xC2' && i + 1 < text.size() &&
                           static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                           static_cast<unsigned char>(text[i + 1]) < 0xA0;
        if (is_control(text[i]) || is_c1)
            return true;
    }
    return false;
}

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b)
{
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                              [](char x, char y) { return lower(x) == lower(y); });
}

bool starts_with_ignoring_case(std::string_view text, std::string_view start)
{
    return text.size() >= start.size() && equal_ignoring_case(text.substr(0, start.size()), start);
}

std::string_view trim(std::string_view text)
{
    while (text.starts_with(' '))
        text.remove_prefix(1);
    while (text.ends_with(' '))
        text.remove_suffix(1);
    return text;
}

int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// The byte of the escape at the beginning of `text`, or -1.
int escaped_byte(std::string_view text)
{
    if (text.size() < 3 || text[0] != '%')
        return -1;
    const int high = hex_value(text[1]);
    const int low = hex_value(text[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/// Takes all escapes out. Answers whether none was broken; a broken one stays as it is.
bool decode(std::string_view in, bool plus_is_space, std::string& out)
{
    out.clear();
    bool whole = true;
    for (std::size_t i = 0; i < in.size(); ++i) {
        if (in[i] == '%') {
            const int byte = escaped_byte(in.substr(i));
            if (byte >= 0) {
                out += static_cast<char>(byte);
                i += 2;
                continue;
            }
            whole = false;
        }
        out += plus_is_space && in[i] == '+' ? ' ' : in[i];
    }
    return whole;
}

/// Whether a text of such characters only is in NFC as it stands: Latin with all the letters of
/// Vietnamese. Saves most texts the tables of utf8proc.
bool is_always_composed(char32_t point)
{
    return point < 0x300 || (point >= 0x1E00 && point <= 0x1EFF);
}

/// Brings a text to NFC in place. False when it is not UTF-8.
bool compose(std::string& text)
{
    bool composed = true;
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t bytes = utf8::sequence_bytes(rest);
        if (bytes == 0)
            return false;
        composed = composed && is_always_composed(utf8::code_point(rest, bytes));
        rest.remove_prefix(bytes);
    }
    if (composed)
        return true;

    thread_local std::vector<utf8proc_int32_t> points;
    constexpr auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    const auto decompose = [&text] {
        return utf8proc_decompose(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                  static_cast<utf8proc_ssize_t>(text.size()), points.data(),
                                  static_cast<utf8proc_ssize_t>(points.size()), options);
    };
    utf8proc_ssize_t count = decompose();
    if (count > static_cast<utf8proc_ssize_t>(points.size())) {
        points.resize(static_cast<std::size_t>(count));
        count = decompose();
    }
    if (count < 0)
        return false;
    count = utf8proc_normalize_utf32(points.data(), count, options);
    text.clear();
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
        utf8proc_uint8_t bytes[4];
        const auto size = utf8proc_encode_char(points[static_cast<std::size_t>(i)], bytes);
        text.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    }
    return true;
}

/// A character that nobody sees: it stays escaped, so that addresses that differ are seen to
/// differ. Unicode's Default_Ignorable_Code_Point has the fillers and variation selectors among
/// letters and marks.
bool is_invisible(char32_t point)
{
    if (is_always_composed(point))
        return point <= 0xA0 || point == 0xAD;  // only asked for what is not ASCII
    const auto* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(point));
    switch (property->category) {
        case UTF8PROC_CATEGORY_CC:
        case UTF8PROC_CATEGORY_CF:
        case UTF8PROC_CATEGORY_ZS:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP:
            return true;
        default:
            return property->ignorable != 0;
    }
}

/// Of any combining class: the vowel signs of Indian scripts have none.
bool is_mark(char32_t point)
{
    if (is_always_composed(point))
        return false;
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(point))) {
        case UTF8PROC_CATEGORY_MN:
        case UTF8PROC_CATEGORY_MC:
        case UTF8PROC_CATEGORY_ME:
            return true;
        default:
            return false;
    }
}

void append_escaped(std::string_view bytes, std::string& out)
{
    constexpr char digits[] = "0123456789ABCDEF";
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
}

/// Appends a decoded and composed text with only those bytes escaped that must be.
void append_encoded(std::string_view text, std::uint8_t where, std::string& out)
{
    // A combining mark right after an escape or a separator would join it in the eyes of whoever
    // composes the result ("%5C" and a cedilla): it stays escaped too.
    bool nothing_to_sit_on = true;
    while (!text.empty()) {
        if (is_plain(text[0], where)) {
            out += text[0];
            text.remove_prefix(1);
            nothing_to_sit_on = false;
            continue;
        }
        const std::size_t bytes = utf8::sequence_bytes(text);
        const char32_t point = utf8::code_point(text, bytes);
        nothing_to_sit_on =
            point < 0x80 || is_invisible(point) || (nothing_to_sit_on && is_mark(point));
        if (nothing_to_sit_on)
            append_escaped(text.substr(0, bytes), out);
        else
            out += text.substr(0, bytes);
        text.remove_prefix(bytes);
    }
}

/// Nobody asks, as a rule: then it costs one comparison.
void note(path_trace* trace, std::string_view what, std::string_view text, std::string_view became,
          std::string_view why)
{
    if (trace != nullptr)
        trace->push_back(
            {std::string(what), std::string(text), std::string(became), std::string(why)});
}

bool is_index(std::string_view segment)
{
    return segment == "index.html" || segment == "index.htm" || segment == "index.php";
}

/// Appends the path of an address, from "/" or from its first segment on. False when it is broken.
bool append_path(std::string_view raw, std::string& path)
{
    thread_local std::string decoded;
    const std::size_t root = path.size();
    const auto drop_last = [&path, root] {
        const std::size_t slash = path.rfind('/');
        if (slash != std::string::npos && slash >= root)
            path.resize(slash);
    };
    while (!raw.empty()) {
        std::size_t size = 0;
        while (size < raw.size() && is_plain(raw[size], in_segment))
            ++size;
        const bool simple = size == raw.size() || raw[size] == '/';
        if (!simple)
            size = std::min(raw.find('/', size), raw.size());
        std::string_view segment = raw.substr(0, size);
        raw.remove_prefix(std::min(size + 1, raw.size()));
        if (segment.empty())
            continue;
        if (!simple) {
            if (!decode(segment, false, decoded) || !compose(decoded))
                return false;
            segment = decoded;
        }
        if (segment == ".")
            continue;
        if (segment == "..") {
            drop_last();
            continue;
        }
        path += '/';
        if (simple)
            path += segment;
        else
            append_encoded(segment, in_segment, path);
    }
    while (path.size() > root && is_index(std::string_view(path).substr(path.rfind('/') + 1)))
        drop_last();
    if (path.size() == root)
        path += '/';
    return true;
}

/// For people's eyes only, so nothing is refused: broken UTF-8 is U+FFFD, a control is a space.
void set_text(std::string_view text, std::size_t max_bytes, std::string& field)
{
    field.clear();
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t bytes = utf8::sequence_bytes(rest);
        if (bytes == 0)
            field += "\xEF\xBF\xBD";
        else if (utf8::is_control(utf8::code_point(rest, bytes)))
            field += ' ';
        else
            field += rest.substr(0, bytes);
        rest.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    compose(field);
    field.resize(utf8::cut(field, max_bytes).size());
    const std::string_view trimmed = trim(field);
    field = std::string(trimmed);
}

void set_campaign_field(std::string_view raw, std::string& field)
{
    thread_local std::string decoded;
    decode(raw, true, decoded);
    set_text(decoded, max_campaign_bytes, field);
}

std::string* campaign_field(std::string_view name, campaign& found)
{
    if (!starts_with_ignoring_case(name, "utm_"))
        return nullptr;
    name.remove_prefix(4);
    if (equal_ignoring_case(name, "source"))
        return &found.source;
    if (equal_ignoring_case(name, "medium"))
        return &found.medium;
    if (equal_ignoring_case(name, "campaign"))
        return &found.name;
    if (equal_ignoring_case(name, "term"))
        return &found.term;
    return equal_ignoring_case(name, "content") ? &found.content : nullptr;
}

/// Appends the parameters that name a page. False when the value of one of them is broken; what is
/// dropped may be broken as it likes.
bool append_query(std::string_view query, const site_config& site, std::string& path,
                  campaign* found, path_trace* trace)
{
    struct parameter {
        const std::string* name;  // as keep_query spells it
        std::string_view value;   // raw
    };
    thread_local std::vector<parameter> kept;
    thread_local std::string decoded;
    kept.clear();
    while (!query.empty()) {
        const std::size_t size = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, size);
        query.remove_prefix(std::min(size + 1, query.size()));

        const std::size_t equals = std::min(pair.find('='), pair.size());
        std::string_view name = pair.substr(0, equals);
        const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
        if (name.find_first_of("%+") != std::string_view::npos) {
            if (!decode(name, true, decoded)) {
                note(trace, "query", pair, {}, "dropped: its name is broken");
                continue;
            }
            name = decoded;
        }
        bool is_kept = false;
        for (const auto& keep : site.keep_query) {
            if (!equal_ignoring_case(keep, name))
                continue;
            is_kept = true;
            const auto earlier = std::find_if(kept.begin(), kept.end(),
                                              [&](const auto& k) { return k.name == &keep; });
            const bool is_first = earlier == kept.end();
            if (is_first)
                kept.push_back({&keep, value});
            else
                earlier->value = value;
            note(trace, "query", pair, pair,
                 is_first ? "kept: keep_query has it"
                          : "kept instead of the one before it: the last one counts");
            break;
        }
        bool is_of_campaign = false;
        if (found != nullptr) {
            if (std::string* field = campaign_field(name, *found)) {
                set_campaign_field(value, *field);
                is_of_campaign = true;
            }
        }
        if (!is_kept)
            note(trace, "query", pair, {},
                 is_of_campaign ? "taken out: it names the campaign"
                                : "dropped: keep_query does not have it");
    }
    std::sort(kept.begin(), kept.end(),
              [](const auto& a, const auto& b) { return *a.name < *b.name; });
    char separator = '?';
    for (const auto& [name, value] : kept) {
        if (!decode(value, true, decoded) || !compose(decoded)) {
            note(trace, "query", *name, {},
                 "refused: its value is broken (percent signs or UTF-8)");
            return false;
        }
        if (decoded.empty()) {
            note(trace, "query", *name, {}, "dropped: it has no value");
            continue;
        }
        path += separator;
        append_encoded(*name, in_name, path);
        path += '=';
        append_encoded(decoded, in_value, path);
        separator = '&';
    }
    return true;
}

/// "host[:port]" and what follows it, from an address whose scheme and slashes are off.
struct authority_and_rest {
    std::string_view authority, rest;
};

authority_and_rest split_authority(std::string_view text)
{
    const std::size_t end = std::min(text.find_first_of("/?#"), text.size());
    return {text.substr(0, end), text.substr(end)};
}

std::optional<authority_and_rest> split_http_url(std::string_view url)
{
    for (const std::string_view scheme : {"https://", "http://"}) {
        if (starts_with_ignoring_case(url, scheme))
            return split_authority(url.substr(scheme.size()));
    }
    return std::nullopt;
}

bool has_scheme(std::string_view address)
{
    const std::size_t colon = address.find_first_of(":/?#");
    return colon != std::string_view::npos && colon != 0 && address[colon] == ':';
}

/// The form of an own host that stands before a path: without www., as long as it stays one.
std::string own_host(std::string_view host, const site_config& site)
{
    std::string name = canonical_host(host).value_or("");
    while (name.starts_with("www.") && site.has_host(std::string_view(name).substr(4)))
        name.erase(0, 4);
    return name;
}

error_code normalise(std::string_view address, const site_config& site,
                     std::string_view fallback_host, std::string& path, campaign* found,
                     path_trace* trace = nullptr)
{
    if (address.size() > max_address_bytes || has_control(address)) {
        note(trace, "address", {}, {},
             "refused: longer than 2,000 bytes, or with control characters");
        return errc::bad_path;
    }
    address = trim(address);
    if (const auto hash = address.find('#'); hash != std::string_view::npos) {
        note(trace, "fragment", address.substr(hash), {}, "dropped: it names no page");
        address = address.substr(0, hash);
    }

    std::string_view host;  // of the address; empty when it names none
    if (const auto url = split_http_url(address)) {
        if (!site.has_host(url->authority)) {
            note(trace, "host", url->authority, {}, "refused: none of the site's hosts");
            return canonical_host(url->authority) ? errc::foreign_host : errc::bad_path;
        }
        host = url->authority;
        address = url->rest;
    } else if (address.starts_with("//")) {
        const auto [authority, rest] = split_authority(address.substr(2));
        if (site.has_host(authority)) {
            host = authority;
            address = rest;
        } else if (authority.find('.') != std::string_view::npos) {
            return canonical_host(authority) ? errc::foreign_host : errc::bad_path;
        }  // else a doubled slash
    } else if (!address.starts_with('/')) {
        const auto [authority, rest] = split_authority(address);
        if (authority.empty())
            return errc::bad_path;
        if (site.has_host(authority)) {
            host = authority;
            address = rest;
        } else if (has_scheme(address)) {
            return errc::bad_path;
        }
    }

    if (site.path_host) {
        if (host.empty() && site.has_host(fallback_host))
            host = fallback_host;
        if (!host.empty())
            path = own_host(host, site);
    }
    if (!host.empty())
        note(trace, "host", host, path,
             site.path_host ? "put before the path: path_host is true"
                            : "taken off: all hosts of the site share one space of paths");
    const std::size_t question = std::min(address.find('?'), address.size());
    const std::size_t host_size = path.size();
    const auto raw_path = address.substr(0, question);
    if (!append_path(raw_path, path)) {
        note(trace, "path", raw_path, {}, "refused: broken percent signs or UTF-8");
        return errc::bad_path;
    }
    if (const auto made = std::string_view(path).substr(host_size); made != raw_path)
        note(trace, "path", raw_path, made,
             "one spelling: escapes, doubled, last and dot slashes, and index pages at its end");
    if (question < address.size() &&
        !append_query(address.substr(question + 1), site, path, found, trace))
        return errc::bad_path;
    if (path.size() > max_address_bytes) {
        note(trace, "address", {}, {}, "refused: longer than 2,000 bytes once it is normalised");
        return errc::bad_path;
    }
    return {};
}

/// "rule 2 ...": as the file counts them.
void note_rule(path_trace* trace, std::string_view what, const std::string& match,
               std::string_view became, std::size_t index, std::string_view why)
{
    if (trace != nullptr)
        note(trace, what, match, became,
             "rule " + std::to_string(index + 1) + ' ' + std::string(why));
}

/// What the rules of a site make of a normalised path, until it settles: a result is then its own
/// result, and a read under it finds the count. A path stays as it is where the rules never settle,
/// or lead to what names no page of the site.
void apply_rules(const site_config& site, std::string& path, std::string* section,
                 path_trace* trace)
{
    thread_local std::string current, replaced, next, said;
    const auto wants_section = [section] { return section != nullptr && section->empty(); };
    current = path;
    for (int round = 0; round < most_rounds; ++round) {
        bool is_replaced = false;
        for (std::size_t i = 0; i < site.path_rules.size(); ++i) {
            const auto& rule = site.path_rules[i];
            const bool may_replace = !is_replaced && rule.replace() != nullptr;
            const bool may_say = wants_section() && rule.section() != nullptr;
            if (!may_replace && !may_say)
                continue;
            const auto outcome =
                rule.apply(current, max_address_bytes, may_replace ? &replaced : nullptr, &said);
            if (outcome == path_rule::outcome::no_match) {
                if (round == 0)
                    note_rule(trace, "rule", rule.match(), {}, i, "does not match");
                continue;
            }
            if (may_say) {
                set_text(said, max_section_bytes, *section);
                note_rule(trace, "section", rule.match(), *section, i, "names the section");
            }
            if (outcome == path_rule::outcome::too_long) {
                note_rule(trace, "rule", rule.match(), path, i,
                          "makes too long a path: no rule is applied");
                return;
            }
            if (may_replace)
                note_rule(trace, "rule", rule.match(), replaced, i, "replaces the path");
            is_replaced = is_replaced || may_replace;
        }
        next.clear();
        const auto host = std::string_view(current).substr(0, current.find('/'));
        if (is_replaced && normalise(replaced, site, host, next, nullptr)) {
            note(trace, "rule", replaced, path,
                 "leads to what names no page of the site: no rule is applied");
            return;
        }
        if (!is_replaced || next == current) {
            path = current;
            return;
        }
        current.swap(next);
    }
    note(trace, "rule", current, path, "the rules never settle: no rule is applied");
}

error_code make_path(std::string_view address, const site_config& site,
                     std::string_view fallback_host, std::string& path, campaign* found,
                     std::string* section, path_trace* trace)
{
    path.clear();
    if (found != nullptr)
        found->clear();
    if (section != nullptr)
        section->clear();
    const error_code error = normalise(address, site, fallback_host, path, found, trace);
    if (error) {
        path.clear();
        if (found != nullptr)
            found->clear();
    } else if (!site.path_rules.empty()) {
        apply_rules(site, path, section, trace);
    }
    return error;
}

/// Cuts a normalised text where neither a character nor an escaped one is torn.
void cut_normalised(std::string& text, std::size_t max_bytes)
{
    if (text.size() <= max_bytes)
        return;
    std::size_t end = 0;
    for (;;) {
        const std::string_view rest = std::string_view(text).substr(end);
        std::size_t bytes = utf8::sequence_bytes(rest);
        if (const int lead = escaped_byte(rest); lead >= 0)
            bytes = lead < 0x80 ? 3 : lead < 0xE0 ? 6 : lead < 0xF0 ? 9 : 12;
        if (end + bytes > max_bytes)
            break;
        end += bytes;
    }
    text.resize(end);
}

}  // namespace

void campaign::clear() noexcept
{
    source.clear();
    medium.clear();
    name.clear();
    term.clear();
    content.clear();
}

bool campaign::empty() const noexcept
{
    return source.empty() && medium.empty() && name.empty() && term.empty() && content.empty();
}

error_code trace_page(std::string_view address, const site_config& site,
                      std::string_view fallback_host, std::string& path, campaign* found,
                      std::string* section, path_trace& trace)
{
    return make_path(address, site, fallback_host, path, found, section, &trace);
}

error_code normalise_page(std::string_view address, const site_config& site,
                          std::string_view fallback_host, std::string& path, campaign* found,
                          std::string* section)
{
    return make_path(address, site, fallback_host, path, found, section, nullptr);
}

void normalise_referrer(std::string_view address, const site_config& site, std::string& referrer)
{
    referrer.clear();
    address = trim(address);
    constexpr std::string_view android = "android-app://";
    if (starts_with_ignoring_case(address, android)) {
        const auto package =
            canonical_host(split_authority(address.substr(android.size())).authority);
        if (package)
            referrer = *package + '/';
        return;
    }
    const auto url = split_http_url(address);
    if (!url || site.has_host(url->authority))
        return;
    const auto host = canonical_host(url->authority);
    if (!host)
        return;
    std::string_view name = *host;
    if (name.starts_with("www.") && name.find('.', 4) != std::string_view::npos)
        name.remove_prefix(4);
    referrer = name;
    const std::string_view path = url->rest.substr(0, url->rest.find_first_of("?#"));
    if (has_control(path) || !append_path(path, referrer)) {
        referrer = name;
        referrer += '/';
    }
    cut_normalised(referrer, max_referrer_bytes);
}

std::string host_of_url(std::string_view url, bool* has_path)
{
    if (has_path != nullptr)
        *has_path = false;
    const auto parts = split_http_url(url);
    if (!parts)
        return {};
    const auto host = canonical_host(parts->authority);
    if (!host)
        return {};
    if (has_path != nullptr)
        *has_path = !parts->rest.empty() && parts->rest != "/";
    return *host;
}

}  // namespace luot
