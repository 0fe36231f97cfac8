#include "core/config.hpp"

#include "core/file.hpp"
#include "core/path.hpp"
#include "core/path_pattern.hpp"
#include "core/utf8.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <date/tz.h>
#include <fcntl.h>
#include <idn2.h>
#include <iterator>
#include <limits>
#include <numeric>
#include <sstream>
#include <strings.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace luot {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t MiB = 1ULL << 20;
constexpr std::size_t max_host_bytes = 253;
constexpr std::size_t max_text_bytes = 1000;
/// Much larger than any that people write.
constexpr std::size_t most_config_bytes = 4 << 20;

struct unit {
    std::string_view name;
    std::uint64_t value;
};

// The binary ones come first and the largest first: describe() takes the first that divides.
constexpr unit sizes[] = {
    {"TiB", 1ULL << 40},       {"GiB", 1ULL << 30},   {"MiB", MiB},      {"KiB", 1ULL << 10},
    {"TB", 1'000'000'000'000}, {"GB", 1'000'000'000}, {"MB", 1'000'000}, {"kB", 1'000}};
constexpr unit durations[] = {{"d", 86'400}, {"h", 3'600}, {"m", 60}, {"s", 1}};

struct route_name {
    std::string_view name;
    public_route route;
};
constexpr route_name route_names[] = {
    {"counts", public_route::counts},       {"summary", public_route::summary},
    {"most_read", public_route::most_read}, {"related", public_route::related},
    {"badge", public_route::badge},         {"stats", public_route::stats}};

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

template <class T>
std::optional<T> parse_whole(std::string_view digits)
{
    T value{};
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || !is_digit(digits[0]) || error != std::errc{} ||
        end != digits.data() + digits.size())
        return std::nullopt;
    return value;
}

bool parse_ip(std::string_view text, unsigned char (&bytes)[16], bool& is_v4)
{
    char name[INET6_ADDRSTRLEN + 1] = {};
    if (text.size() > INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos)
        return false;
    text.copy(name, text.size());
    unsigned char v4[4];
    if (inet_pton(AF_INET, name, v4) == 1) {
        std::fill_n(bytes, 10, static_cast<unsigned char>(0));
        bytes[10] = bytes[11] = 0xFF;
        std::copy_n(v4, 4, bytes + 12);
        is_v4 = true;
        return true;
    }
    is_v4 = false;
    return inet_pton(AF_INET6, name, bytes) == 1;
}

bool canonical_ipv6(std::string_view text, std::string& out)
{
    unsigned char bytes[16];
    bool is_v4 = false;
    char name[INET6_ADDRSTRLEN];
    if (!parse_ip(text, bytes, is_v4) || is_v4 ||
        inet_ntop(AF_INET6, bytes, name, sizeof name) == nullptr)
        return false;
    out = name;
    return true;
}

bool are_labels(std::string_view host)
{
    if (host.empty() || host.size() > max_host_bytes)
        return false;
    std::size_t label_bytes = 0;
    for (const char c : host) {
        if (c == '.') {
            if (label_bytes == 0)
                return false;
            label_bytes = 0;
            continue;
        }
        const bool known = (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
        if (!known || ++label_bytes > 63)
            return false;
    }
    return label_bytes != 0;
}

void drop_final_dot(std::string_view& host)
{
    if (host.ends_with('.'))
        host.remove_suffix(1);
}

bool to_punycode(std::string_view host, std::string& out)
{
    if (host.find('\0') != std::string_view::npos || host.size() > 4 * max_host_bytes)
        return false;
    const std::string name(host);
    std::uint8_t* found = nullptr;
    const int outcome = idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(name.c_str()), &found,
                                       IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (outcome != IDN2_OK)
        return false;
    std::string_view ascii = reinterpret_cast<const char*>(found);
    drop_final_dot(ascii);
    out = ascii;
    idn2_free(found);
    return true;
}

/// canonical_host() into a string that keeps its capacity.
bool canonicalise_host(std::string_view host, std::string& out)
{
    if (host.starts_with('[')) {
        const std::size_t end = host.find(']');
        if (end == std::string_view::npos)
            return false;
        const std::string_view port = host.substr(end + 1);
        const bool good_port = port.empty() || port == ":" ||
                               (port[0] == ':' && parse_whole<std::uint16_t>(port.substr(1)));
        return good_port && canonical_ipv6(host.substr(1, end - 1), out);
    }
    if (const std::size_t colon = host.find(':'); colon != std::string_view::npos) {
        if (host.find(':', colon + 1) != std::string_view::npos)
            return canonical_ipv6(host, out);
        const std::string_view port = host.substr(colon + 1);
        if (!port.empty() && !parse_whole<std::uint16_t>(port))
            return false;
        host = host.substr(0, colon);
    }
    drop_final_dot(host);
    const bool ascii = std::all_of(host.begin(), host.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (ascii) {
        out = host;
        for (char& c : out) {
            if (c >= 'A' && c <= 'Z')
                c = static_cast<char>(c + 32);
        }
    } else if (!to_punycode(host, out)) {
        return false;
    }
    return are_labels(out);
}

/// www.example.vn is example.vn; www.vn is a domain of its own.
std::string_view without_www(std::string_view host)
{
    if (host.starts_with("www.") && host.find('.', 4) != std::string_view::npos)
        host.remove_prefix(4);
    return host;
}

std::string in_quotes(std::string_view text)
{
    std::string out = "\"";
    for (const char c : text) {
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            default:
                out += c;
        }
    }
    return out + '"';
}

std::string size_text(std::uint64_t bytes)
{
    for (const auto& u : sizes) {
        if (bytes >= u.value && bytes % u.value == 0)
            return in_quotes(std::to_string(bytes / u.value) + std::string(u.name));
    }
    return std::to_string(bytes);
}

std::size_t edit_distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0U);
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t above = row[j + 1];
            row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row.back();
}

template <class Names>
std::string did_you_mean(std::string_view word, const Names& names)
{
    std::string_view nearest;
    std::size_t distance = word.size() < 5 ? 2 : 3;  // exclusive
    for (const std::string_view name : names) {
        if (const std::size_t d = edit_distance(word, name); d < distance) {
            distance = d;
            nearest = name;
        }
    }
    return nearest.empty() ? "" : "; did you mean " + in_quotes(nearest) + "?";
}

std::string join(const std::vector<std::string_view>& names)
{
    std::string out;
    for (const auto name : names) {
        if (!out.empty())
            out += ", ";
        out += name;
    }
    return out;
}

std::string_view type_name(const toml::node& node)
{
    switch (node.type()) {
        case toml::node_type::table:
            return "a table";
        case toml::node_type::array:
            return "a list";
        case toml::node_type::string:
            return "a text";
        case toml::node_type::integer:
            return "an integer";
        case toml::node_type::floating_point:
            return "a number with a point";
        case toml::node_type::boolean:
            return "true or false";
        default:
            return "a date or time";
    }
}

bool has_control(std::string_view text)
{
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

/// One table of the file: hands out typed values and names file, line and key when one is wrong.
class section {
public:
    section(const toml::table& table, const std::string& file, std::string name,
            std::vector<std::string_view> keys)
        : table_(table), file_(file), name_(std::move(name))
    {
        for (const auto& [key, node] : table_) {
            if (std::find(keys.begin(), keys.end(), key.str()) != keys.end())
                continue;
            std::string hint = did_you_mean(key.str(), keys);
            if (hint.empty())
                hint = "; known here: " + join(keys);
            fail_at(key.source().begin.line, key.str(), "unknown key" + hint);
        }
    }

    [[noreturn]] void fail_at(std::size_t line, std::string_view key,
                              const std::string& message) const
    {
        std::string full = name_;
        if (!name_.empty() && !key.empty())
            full += '.';
        full += key;
        std::string text = file_ + ':' + std::to_string(std::max<std::size_t>(line, 1)) + ": ";
        if (!full.empty())
            text += full + ": ";
        text += message;
        // A key or value may hold anything; the message is one line.
        throw config_error(utf8::one_line(text));
    }

    /// An error in the value of `key`, or in the table as a whole when it has none.
    [[noreturn]] void fail(std::string_view key, const std::string& message) const
    {
        const toml::node* node = table_.get(key);
        fail_at((node != nullptr ? node->source() : table_.source()).begin.line, key, message);
    }

    [[nodiscard]] const toml::node* find(std::string_view key) const { return table_.get(key); }

    /// The text of `key`; null when it is not there.
    [[nodiscard]] const std::string* text(std::string_view key, std::string_view example) const
    {
        const toml::node* node = find(key);
        return node == nullptr ? nullptr : &text_of(*node, key, example);
    }

    [[nodiscard]] const std::string& text_of(const toml::node& node, std::string_view key,
                                             std::string_view example) const
    {
        const auto* value = node.as_string();
        const std::size_t line = node.source().begin.line;
        if (value == nullptr)
            fail_at(line, key,
                    "must be a text such as " + in_quotes(example) + ", not " +
                        std::string(type_name(node)));
        if (value->get().empty())
            fail_at(
                line, key,
                "is empty; write a text such as " + in_quotes(example) + ", or leave the key out");
        if (has_control(value->get()) || value->get().size() > max_text_bytes)
            fail_at(line, key, "must be one line of at most 1000 bytes");
        return value->get();
    }

    void read(std::string_view key, std::string_view example, std::string& out) const
    {
        if (const std::string* value = text(key, example))
            out = *value;
    }

    void read(std::string_view key, bool& out) const
    {
        const toml::node* node = find(key);
        if (node == nullptr)
            return;
        if (!node->is_boolean())
            fail(key, "must be true or false, not " + std::string(type_name(*node)));
        out = node->as_boolean()->get();
    }

    template <class Int>
    void read(std::string_view key, std::int64_t least, std::int64_t most, Int& out) const
    {
        const toml::node* node = find(key);
        if (node == nullptr)
            return;
        const std::string range =
            "an integer from " + std::to_string(least) + " to " + std::to_string(most);
        if (!node->is_integer())
            fail(key, "must be " + range + ", not " + std::string(type_name(*node)));
        const std::int64_t value = node->as_integer()->get();
        if (value < least || value > most)
            fail(key, "is " + std::to_string(value) + "; must be " + range);
        out = static_cast<Int>(value);
    }

    void read_size(std::string_view key, std::uint64_t least, std::string_view least_text,
                   std::uint64_t& out) const
    {
        const toml::node* node = find(key);
        if (node == nullptr)
            return;
        const std::string help = "a size such as \"1GiB\", \"512MiB\" or \"100MB\", or bytes";
        std::optional<std::uint64_t> bytes;
        if (const auto* number = node->as_integer()) {
            if (number->get() >= 0)
                bytes = static_cast<std::uint64_t>(number->get());
        } else if (const auto* value = node->as_string()) {
            bytes = with_unit(value->get(), sizes, true);
        } else {
            fail(key, "must be " + help + ", not " + std::string(type_name(*node)));
        }
        if (!bytes)
            fail(key, "must be " + help);
        if (*bytes < least)
            fail(key, "is too small; must be at least " + std::string(least_text));
        out = *bytes;
    }

    void read_duration(std::string_view key, std::chrono::seconds least, std::chrono::seconds most,
                       std::string_view range, std::chrono::seconds& out) const
    {
        const toml::node* node = find(key);
        if (node == nullptr)
            return;
        const std::string help =
            "a duration with its unit such as \"1h\", \"30m\", \"45s\" or \"7d\"";
        if (!node->is_string())
            fail(key, "must be " + help + ", not " + std::string(type_name(*node)));
        const auto seconds = with_unit(node->as_string()->get(), durations, false);
        if (!seconds)
            fail(key, "must be " + help);
        const std::chrono::seconds value(*seconds);
        if (value < least || value > most)
            fail(key, "must be " + std::string(range));
        out = value;
    }

    /// Calls `each(text, line)` for every text of a list. False when the key is not there.
    template <class Each>
    bool read_list(std::string_view key, std::string_view example, const Each& each) const
    {
        const toml::node* node = find(key);
        if (node == nullptr)
            return false;
        if (!node->is_array())
            fail(key, "must be a list such as [" + in_quotes(example) + "], not " +
                          std::string(type_name(*node)));
        for (const toml::node& element : *node->as_array())
            each(text_of(element, key, example), element.source().begin.line);
        return true;
    }

private:
    template <std::size_t Count>
    static std::optional<std::uint64_t> with_unit(std::string_view text, const unit (&units)[Count],
                                                  bool bare_is_bytes)
    {
        const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
        const auto number = parse_whole<std::uint64_t>(text.substr(0, digits));
        std::string_view name = text.substr(digits);
        if (name.starts_with(' '))
            name.remove_prefix(1);
        if (!number)
            return std::nullopt;
        if (bare_is_bytes && (name.empty() || name == "B"))
            return number;
        for (const auto& u : units) {
            if (u.name != name)
                continue;
            constexpr auto most =
                static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
            if (*number > most / u.value)
                return std::nullopt;
            return *number * u.value;
        }
        return std::nullopt;
    }

    const toml::table& table_;
    const std::string& file_;
    std::string name_;
};

/// Whether others than its owner may use a file. The group may read what belongs to root: so
/// packages and systemd give a service its secrets (the rule of PostgreSQL's ssl_key_file).
bool is_open_to_others(const struct stat& info)
{
    const mode_t forbidden = info.st_uid == 0 ? 037 : 077;
    return (info.st_mode & forbidden) != 0;
}

/// Whether a secret's file is of who runs luot: ours or root's. Commands that root gives
/// (check-config, import) read the files of the service's user, to whom data_dir belongs.
bool has_trusted_owner(const struct stat& info, const std::string& data_dir)
{
    if (info.st_uid == 0 || info.st_uid == ::geteuid())
        return true;
    struct stat data {};
    return ::geteuid() == 0 && ::stat(data_dir.c_str(), &data) == 0 && data.st_uid == info.st_uid;
}

/// The first line of a file that nobody else may read.
std::string read_secret(const section& s, std::string_view key, const std::string& file,
                        const std::string& data_dir)
{
    // Not shown: it may be the secret itself, written where its file belongs.
    if (!file.starts_with('/'))
        s.fail(key,
               "must be the name of a file, beginning with \"/\", whose first line is the secret");
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        const int error = errno;
        const std::string help =
            error == ENOENT ? "; create it with the secret as its only line, then chmod 600 " + file
                            : "; it must belong to luot's user: chown it, and chmod 600 " + file;
        s.fail(key, "cannot read " + file + ": " + std::generic_category().message(error) + help);
    }
    struct stat info {};
    char buffer[4096];
    const bool regular = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    const ssize_t size = regular ? ::read(fd, buffer, sizeof buffer) : 0;
    ::close(fd);
    if (!regular)
        s.fail(key, file + " is not a regular file");
    if (is_open_to_others(info))
        s.fail(key, "others than its owner can use " + file + "; chmod 600 " + file);
    if (!has_trusted_owner(info, data_dir))
        s.fail(key, file + " belongs to user " + std::to_string(info.st_uid) +
                        ", who is neither luot's user nor root; chown it to luot's user");
    if (size < 0)
        s.fail(key, "cannot read " + file);
    std::string_view line(buffer, static_cast<std::size_t>(size));
    line = line.substr(0, line.find_first_of("\r\n"));
    if (line.empty())
        s.fail(key, "the first line of " + file + " is empty; it must be the secret");
    if (line.size() > max_text_bytes || has_control(line))
        s.fail(key, "the first line of " + file + " must be at most 1000 printable characters");
    return std::string(line);
}

listen_address parse_listen(const section& s, std::string_view key, const std::string& text)
{
    const std::string help =
        "must be an IP address and a port such as \"127.0.0.1:8080\", \"[::1]:8080\" or, for "
        "all addresses, \"0.0.0.0:8080\"";
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos)
        s.fail(key, help);
    std::string_view host = std::string_view(text).substr(0, colon);
    const auto port = parse_whole<std::uint16_t>(std::string_view(text).substr(colon + 1));
    if (!port)
        s.fail(key,
               "bad port in " + in_quotes(text) + "; 0 to 65535 are ports (0: the system picks)");
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed)
        host = host.substr(1, host.size() - 2);
    unsigned char bytes[16];
    bool is_v4 = false;
    if (!parse_ip(host, bytes, is_v4) || is_v4 == bracketed)
        s.fail(key, help);
    return {std::string(host), *port};
}

std::string percent_decoded(const section& s, std::string_view text)
{
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        unsigned byte = 0;
        const std::string_view hex = text.substr(i + 1, 2);
        const auto end = std::from_chars(hex.data(), hex.data() + hex.size(), byte, 16).ptr;
        if (hex.size() != 2 || end != hex.data() + 2)
            s.fail("url", "a '%' in user or password is written %25");
        out += static_cast<char>(byte);
        i += 2;
    }
    return out;
}

void parse_redis_url(const section& s, std::string_view url, redis_address& out)
{
    // Never shows the url itself: it may hold a password.
    const std::string help =
        "must be such as \"redis://127.0.0.1:6379/0\" or \"unix:///run/redis/redis.sock\"";
    if (url.starts_with("rediss://"))
        s.fail("url", "TLS to Redis is not supported; use redis:// or unix:// (and a tunnel)");
    const bool is_unix = url.starts_with("unix://");
    if (!is_unix && !url.starts_with("redis://"))
        s.fail("url", help);
    url.remove_prefix(is_unix ? 7 : 8);

    const std::size_t slash = std::min(url.find('/'), url.size());
    std::string_view authority = url.substr(0, slash);
    std::string_view rest = url.substr(slash);
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
        const std::string_view login = authority.substr(0, at);
        const std::size_t colon = std::min(login.find(':'), login.size());
        out.user = percent_decoded(s, login.substr(0, colon));
        if (colon < login.size())
            out.password = percent_decoded(s, login.substr(colon + 1));
        authority.remove_prefix(at + 1);
    }
    std::string_view database;
    if (is_unix) {
        const std::size_t question = std::min(rest.find('?'), rest.size());
        const std::string_view query = rest.substr(question);
        if (!authority.empty() || question < 2)
            s.fail("url", "a unix socket needs its full path: \"unix:///run/redis/redis.sock\"");
        if (!query.empty() && !query.starts_with("?db="))
            s.fail("url", "after a socket only ?db=NUMBER is known");
        out.socket_path = rest.substr(0, question);
        if (constexpr auto room = sizeof(sockaddr_un::sun_path); out.socket_path.size() >= room)
            s.fail("url", "the path of a unix socket can have at most " + std::to_string(room - 1) +
                              " bytes; use a shorter one");
        if (!query.empty())
            database = query.substr(4);
    } else {
        const std::size_t bracket = authority.rfind(']');
        const std::size_t colon =
            authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
        if (colon != std::string_view::npos) {
            const auto port = parse_whole<std::uint16_t>(authority.substr(colon + 1));
            if (!port || *port == 0)
                s.fail("url", "bad port; 1 to 65535 are ports");
            out.port = *port;
        }
        const auto host = canonical_host(authority.substr(0, colon));
        if (!host)
            s.fail("url", "bad host; " + help);
        out.host = *host;
        if (rest.size() > 1)
            database = rest.substr(1);
    }
    if (!database.empty()) {
        const auto number = parse_whole<int>(database);
        if (!number)
            s.fail("url", "bad database number; " + help);
        out.database = *number;
    }
    out.configured = true;
}

/// The table under `key` of the root; an empty one when it is not there.
const toml::table& table_of(const section& root, std::string_view key)
{
    static const toml::table none;
    const toml::node* node = root.find(key);
    if (node == nullptr)
        return none;
    if (!node->is_table())
        root.fail(key, "must be a table: write [" + std::string(key) + "]");
    return *node->as_table();
}

void read_listen(const section& s, config& c)
{
    if (const auto* text = s.text("public", "127.0.0.1:8080"))
        c.listen.public_port = parse_listen(s, "public", *text);
    if (const auto* text = s.text("admin", "127.0.0.1:9180"))
        c.listen.admin_port = parse_listen(s, "admin", *text);
    if (c.listen.public_port == c.listen.admin_port && c.listen.admin_port.port != 0)
        s.fail(s.find("admin") != nullptr ? "admin" : "public",
               "public and admin are the same address; the admin port must be another one that "
               "only you can reach");
}

/// `is_open`: others can read the configuration itself.
void read_redis(const section& s, bool is_open, config& c)
{
    if (const auto* url = s.text("url", "redis://127.0.0.1:6379/0"))
        parse_redis_url(s, *url, c.redis);
    if (is_open && !c.redis.password.empty())
        s.fail(
            "url",
            "holds a password, and others than its owner can use this file; chmod 600 it, or give "
            "the password by redis.password_file");
    if (const auto* file = s.text("password_file", "/etc/luot/redis.password")) {
        if (!c.redis.configured)
            s.fail("password_file", "needs redis.url; luot's private Redis has no password");
        if (!c.redis.password.empty())
            s.fail("password_file", "redis.url has a password already; keep one of the two");
        c.redis.password = read_secret(s, "password_file", *file, c.data_dir);
        c.redis.password_file = *file;
    }
    if (!c.redis.user.empty() && c.redis.password.empty())
        s.fail("url",
               "names a user without a password; write redis://user:password@host, or give the "
               "password by redis.password_file");
}

void read_spool(const section& s, config& c)
{
    s.read_size("max_bytes", MiB, "1MiB", c.spool.max_bytes);
    s.read_duration("retain", 1min, 24h * 365, "at least 1m and at most 365d", c.spool.retain);
    if (const auto* sync = s.text("sync", "os")) {
        if (*sync != "os" && *sync != "disk")
            s.fail("sync", "is " + in_quotes(*sync) + "; must be \"os\" or \"disk\"");
        c.spool.sync = *sync == "disk" ? spool_sync::disk : spool_sync::os;
    }
}

void read_archive(const section& s, config& c)
{
    s.read("dir", "/var/lib/luot/archive", c.archive.directory);
    if (!c.archive.directory.empty() && !c.archive.directory.starts_with('/'))
        s.fail("dir", "must begin with \"/\", as \"/var/lib/luot/archive\" does");
    s.read("keep_days", 1, 36'500, c.archive.keep_days);
}

/// The workers are known only when the collector's table has been read.
void check_spool_fits(const section& s, const config& c)
{
    const auto least = least_spool_bytes(c.collector.workers);
    if (c.spool.max_bytes < least)
        s.fail("max_bytes",
               "is too small for collector.workers = " + std::to_string(c.collector.workers) +
                   "; must be at least " + size_text(least));
}

void read_networks(const section& s, std::string_view key, std::vector<network>& out)
{
    std::vector<network> networks;
    const bool there =
        s.read_list(key, "192.0.2.0/24", [&](const std::string& text, std::size_t line) {
            const auto n = parse_network(text);
            if (!n)
                s.fail_at(line, key,
                          in_quotes(text) +
                              " is no network; write such as \"192.0.2.0/24\", "
                              "\"2001:db8::/32\" or one address");
            networks.push_back(*n);
        });
    if (there)
        out = std::move(networks);
}

void read_collector(const section& s, config& c)
{
    c.collector.trusted_proxies = {*parse_network("127.0.0.1/32"), *parse_network("::1/128")};
    read_networks(s, "trusted_proxies", c.collector.trusted_proxies);
    s.read("country_db", "/usr/share/luot/country.mmdb", c.collector.country_db);
    s.read("data_center_networks", "/etc/luot/data-centers.txt", c.collector.data_center_networks);
    s.read("rate_limit_per_client", 0, 1'000'000, c.collector.rate_limit_per_client);
    read_networks(s, "rate_limit_exempt", c.collector.rate_limit_exempt);
    s.read("workers", 0, 256, c.collector.workers);
}

void read_aggregator(const section& s, config& c)
{
    s.read_duration("dedupe_window", 1s, 24h * 7, "at least 1s and at most 7d",
                    c.aggregator.dedupe_window);
    s.read("keep_days", 1, 36'500, c.aggregator.keep_days);
    s.read("max_paths", 1, 1'000'000'000, c.aggregator.max_paths);
    s.read("max_ids", 1, 10'000'000'000, c.aggregator.max_ids);
    s.read("referrer_spam", "/etc/luot/referrer-spam.txt", c.aggregator.referrer_spam);
    s.read("top_articles", 0, 100, c.aggregator.top_articles);
}

bool is_site_id(std::string_view id)
{
    const auto good = [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c); };
    return !id.empty() && id.size() <= 32 && good(id[0]) &&
           std::all_of(id.begin(), id.end(), [&](char c) { return good(c) || c == '-'; });
}

std::string parse_site_host(const section& s, const std::string& text, std::size_t line)
{
    const bool wildcard = text.starts_with("*.");
    const auto host = canonical_host(std::string_view(text).substr(wildcard ? 2 : 0));
    if (!host)
        s.fail_at(line, "hosts",
                  in_quotes(text) +
                      " is no host name; write such as \"www.example.vn\" or \"*.example.vn\", "
                      "without https:// and path");
    return wildcard ? "*." + *host : *host;
}

void read_keep_query(const section& s, site_config& site)
{
    std::vector<std::string> names;
    const bool there =
        s.read_list("keep_query", "id", [&](const std::string& name, std::size_t line) {
            const bool good = std::all_of(name.begin(), name.end(), [](char c) {
                return c > 0x20 && c < 0x7F &&
                       std::string_view("&=#+%").find(c) == std::string_view::npos;
            });
            if (!good)
                s.fail_at(line, "keep_query",
                          in_quotes(name) +
                              " is no name of a parameter; write it without ?, = and & "
                              "in plain ASCII");
            const bool again = std::any_of(names.begin(), names.end(), [&](const auto& other) {
                return strcasecmp(other.c_str(), name.c_str()) == 0;
            });
            if (again)
                s.fail_at(line, "keep_query",
                          in_quotes(name) + " is there twice (upper and lower case do not matter)");
            names.push_back(name);
        });
    if (there)
        site.keep_query = std::move(names);
}

/// A pattern in the spelling of normalised paths, so that it matches what it shows.
std::string parse_pattern(const section& s, const std::string& text, std::size_t line,
                          const site_config& site)
{
    const bool names_host = site.path_host && !text.starts_with('/');
    if (!text.starts_with('/') && !text.starts_with('*') && !names_host)
        s.fail_at(line, "only",
                  in_quotes(text) + " matches no page; must begin with \"/\" or \"*\"");
    const auto slash = names_host ? text.find('/') : 0;
    std::string host = text.substr(0, slash);
    std::transform(host.begin(), host.end(), host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (slash == std::string::npos)
        return host;
    auto without_host = site;
    without_host.path_host = false;
    const auto rest = text.substr(slash);
    std::string path;
    if (normalise_page(rest.starts_with('/') ? rest : '/' + rest, without_host, {}, path, nullptr))
        s.fail_at(line, "only", in_quotes(text) + " is no path of a page, such as \"/tin-tuc/**\"");
    if (text.find('?') != std::string::npos && path.find('?') == std::string::npos)
        s.fail_at(line, "only",
                  in_quotes(text) + " matches no page: its parameters are not in keep_query");
    for (std::size_t at = 0; (at = path.find("**", at)) != std::string::npos; at += 2) {
        const bool alone = path[at - 1] == '/' && (at + 2 == path.size() || path[at + 2] == '/');
        if (!alone)
            s.fail_at(line, "only",
                      in_quotes(text) +
                          ": ** stands for whole segments, alone between slashes, as in "
                          "\"/tin-tuc/**\"; within one segment write *");
    }
    // check-config prints it like this, and what it prints can be used.
    if (host.size() + path.size() > max_text_bytes)
        s.fail_at(line, "only", "must be at most 1000 bytes once it is percent-encoded");
    return host + path;
}

path_rule read_path_rule(const toml::table& table, const std::string& file)
{
    const section s(table, file, "site.path_rule", {"match", "replace", "section"});
    if (s.find("match") == nullptr)
        s.fail("match",
               "is missing; every [[site.path_rule]] needs one such as \"^/p([0-9]+)/.*$\"");
    if (s.find("replace") == nullptr && s.find("section") == nullptr)
        s.fail("", "does nothing: add replace, section or both");
    const toml::node* replacement = s.find("replace");
    const bool takes_away = replacement != nullptr && replacement->is_string() &&
                            replacement->as_string()->get().empty();
    const std::string nothing;
    const auto* match = s.text("match", "^/p([0-9]+)/.*$");
    const auto* replace = takes_away ? &nothing : s.text("replace", "/p\\1");
    path_rule rule;
    const auto [key, why] = rule.compile(*match, replace, s.text("section", "Tin tức"));
    if (!key.empty())
        s.fail(key, why);
    return rule;
}

/// Behind `only`, whose patterns are for what the rules make of a path.
void read_path_rules(const section& s, const std::string& file, site_config& site)
{
    const toml::node* node = s.find("path_rule");
    if (node == nullptr)
        return;
    const toml::array* list = node->as_array();
    if (list == nullptr || !list->is_array_of_tables())
        s.fail("path_rule",
               "must be a list of tables: write [[site.path_rule]], with double brackets");
    if (list->size() > path_rule::most_rules)
        s.fail("path_rule", "there are more than " + std::to_string(path_rule::most_rules) +
                                " rules; join some of them");
    for (const toml::node& element : *list)
        site.path_rules.push_back(read_path_rule(*element.as_table(), file));
}

void read_public(const section& s, site_config& site)
{
    std::vector<public_route> routes;
    const bool there =
        s.read_list("public", "counts", [&](const std::string& name, std::size_t line) {
            for (const auto& known : route_names) {
                if (known.name == name) {
                    routes.push_back(known.route);
                    return;
                }
            }
            std::vector<std::string_view> names;
            for (const auto& known : route_names)
                names.push_back(known.name);
            s.fail_at(line, "public",
                      "unknown " + in_quotes(name) + "; must be of: " + join(names) +
                          did_you_mean(name, names));
        });
    if (there)
        site.public_routes = std::move(routes);
}

void check_time_zone(const section& s, const std::string& name)
{
    try {
        (void)date::locate_zone(name);
    } catch (const std::exception&) {
        s.fail("timezone", "unknown time zone " + in_quotes(name) +
                               "; use an IANA name such as \"Asia/Ho_Chi_Minh\" (the package "
                               "tzdata has them)");
    }
}

site_config read_site(const toml::table& table, const std::string& file,
                      const std::string& data_dir)
{
    const section s(
        table, file, "site",
        {"id", "name", "hosts", "timezone", "path_host", "keep_query", "only", "path_rule",
         "max_new_paths_per_day", "reload_window", "visitor", "path_visitors", "list_readers",
         "public", "token_file", "honor_gpc", "honor_dnt"});
    site_config site;
    if (s.find("id") == nullptr)
        s.fail("id", "is missing; every [[site]] needs one such as \"skhcn\"");
    s.read("id", "skhcn", site.id);
    if (!is_site_id(site.id))
        s.fail("id", in_quotes(site.id) +
                         " is no site id; must be 1 to 32 of a-z, 0-9 and '-', not '-' first");
    site.name = site.id;
    s.read("name", "Sở Khoa học và Công nghệ", site.name);

    s.read_list("hosts", "www.example.vn", [&](const std::string& text, std::size_t line) {
        std::string host = parse_site_host(s, text, line);
        if (std::find(site.hosts.begin(), site.hosts.end(), host) == site.hosts.end())
            site.hosts.push_back(std::move(host));
    });
    if (site.hosts.empty())
        s.fail("hosts",
               "is missing or empty; name the hosts of the site's pages, such as "
               "[\"www.example.vn\"]");

    s.read("timezone", "Asia/Ho_Chi_Minh", site.timezone);
    check_time_zone(s, site.timezone);
    s.read("path_host", site.path_host);
    read_keep_query(s, site);
    s.read_list("only", "/tin-tuc/**", [&](const std::string& pattern, std::size_t line) {
        site.only.push_back(parse_pattern(s, pattern, line, site));
    });
    read_path_rules(s, file, site);
    s.read("max_new_paths_per_day", 1, 1'000'000'000, site.max_new_paths_per_day);
    s.read_duration("reload_window", 0s, 30min, "at most 30m", site.reload_window);
    s.read("path_visitors", site.path_visitors);
    s.read("list_readers", 1, 16, site.list_readers);
    if (const auto* kind = s.text("visitor", "address")) {
        if (*kind != "address" && *kind != "tab")
            s.fail("visitor", "is " + in_quotes(*kind) + "; must be \"address\" or \"tab\"");
        site.visitor = *kind == "tab" ? visitor_kind::tab : visitor_kind::address;
    }
    read_public(s, site);
    s.read("token_file", "/etc/luot/skhcn.token", site.token_file);
    if (!site.token_file.empty())
        site.token = read_secret(s, "token_file", site.token_file, data_dir);
    s.read("honor_gpc", site.honor_gpc);
    s.read("honor_dnt", site.honor_dnt);
    return site;
}

void read_sites(const section& root, const std::string& file, config& c)
{
    const toml::node* node = root.find("site");
    if (node == nullptr)
        root.fail("site", "no site is configured; add [[site]] with id and hosts");
    const toml::array* list = node->as_array();
    if (list == nullptr)
        root.fail("site", "must be a list of tables: write [[site]], with double brackets");
    for (const toml::node& element : *list) {
        if (!element.is_table())
            root.fail_at(element.source().begin.line, "site", "write [[site]] tables");
        site_config site = read_site(*element.as_table(), file, c.data_dir);
        if (c.find_site(site.id) != nullptr)
            root.fail_at(element.as_table()->get("id")->source().begin.line, "site.id",
                         in_quotes(site.id) + " is there twice; ids tell the sites apart");
        c.sites.push_back(std::move(site));
    }
    if (c.sites.empty())
        root.fail("site", "no site is configured; add [[site]] with id and hosts");
}

std::string duration_text(std::chrono::seconds duration)
{
    const auto count = static_cast<std::uint64_t>(duration.count());
    for (const auto& u : durations) {
        if (count >= u.value && count % u.value == 0)
            return in_quotes(std::to_string(count / u.value) + std::string(u.name));
    }
    return in_quotes("0s");
}

template <class List, class Text>
std::string list_text(const List& list, const Text& text)
{
    std::string out = "[";
    for (const auto& element : list) {
        if (out.size() > 1)
            out += ", ";
        out += in_quotes(text(element));
    }
    return out + ']';
}

std::string network_text(const network& n)
{
    char name[INET6_ADDRSTRLEN] = {};
    constexpr unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    if (n.prefix_bits >= 96 && std::equal(std::begin(mapped), std::end(mapped), n.bytes)) {
        inet_ntop(AF_INET, n.bytes + 12, name, sizeof name);
        return std::string(name) + '/' + std::to_string(n.prefix_bits - 96);
    }
    inet_ntop(AF_INET6, n.bytes, name, sizeof name);
    return std::string(name) + '/' + std::to_string(n.prefix_bits);
}

std::string bracketed(const std::string& host)
{
    return host.find(':') == std::string::npos ? host : '[' + host + ']';
}

std::string listen_text(const listen_address& a)
{
    return in_quotes(bracketed(a.host) + ':' + std::to_string(a.port));
}

std::string percent_encoded(std::string_view text)
{
    std::ostringstream out;
    out << std::hex << std::uppercase;
    for (const char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.')
            out << c;
        else
            out << '%' << (static_cast<unsigned char>(c) >> 4) << (c & 15);
    }
    return out.str();
}

std::string redis_url(const redis_address& r)
{
    const std::string login = r.user.empty() ? "" : percent_encoded(r.user) + '@';
    if (r.socket_path.empty())
        return "redis://" + login + bracketed(r.host) + ':' + std::to_string(r.port) + '/' +
               std::to_string(r.database);
    return "unix://" + login + r.socket_path +
           (r.database == 0 ? "" : "?db=" + std::to_string(r.database));
}

void describe_site(std::ostream& out, const site_config& s)
{
    const auto same = [](const std::string& text) { return text; };
    out << "\n[[site]]\n"
        << "id = " << in_quotes(s.id) << '\n'
        << "name = " << in_quotes(s.name) << '\n'
        << "hosts = " << list_text(s.hosts, same) << '\n'
        << "timezone = " << in_quotes(s.timezone) << '\n'
        << "path_host = " << s.path_host << '\n'
        << "keep_query = " << list_text(s.keep_query, same) << '\n'
        << "only = " << list_text(s.only, same) << '\n'
        << "max_new_paths_per_day = " << s.max_new_paths_per_day << '\n'
        << "reload_window = " << duration_text(s.reload_window) << '\n'
        << "visitor = " << (s.visitor == visitor_kind::tab ? "\"tab\"" : "\"address\"") << '\n'
        << "path_visitors = " << s.path_visitors << '\n'
        << "list_readers = " << s.list_readers << '\n'
        << "public = "
        << list_text(
               s.public_routes,
               [](public_route route) { return route_names[static_cast<std::size_t>(route)].name; })
        << '\n';
    if (s.token_file.empty())
        out << "# token_file is not set\n";
    else
        out << "token_file = " << in_quotes(s.token_file) << "  # (set)\n";
    out << "honor_gpc = " << s.honor_gpc << '\n' << "honor_dnt = " << s.honor_dnt << '\n';
    for (const auto& rule : s.path_rules) {
        out << "\n[[site.path_rule]]\n"
            << "match = " << in_quotes(rule.match()) << '\n';
        if (rule.replace() != nullptr)
            out << "replace = " << in_quotes(*rule.replace()) << '\n';
        if (rule.section() != nullptr)
            out << "section = " << in_quotes(*rule.section()) << '\n';
    }
}

}  // namespace

bool site_config::is_public(public_route route) const noexcept
{
    return std::any_of(public_routes.begin(), public_routes.end(), [route](public_route open) {
        return open == route || open == public_route::stats;
    });
}

bool site_config::has_host(std::string_view host) const
{
    thread_local std::string given;
    if (host.empty() || !canonicalise_host(host, given))
        return false;
    return std::any_of(hosts.begin(), hosts.end(), [](std::string_view own) {
        if (own.starts_with("*."))
            return given.size() > own.size() - 1 && given.ends_with(own.substr(1));
        return without_www(given) == without_www(own);
    });
}

bool site_config::counts_apart(std::string_view path) const noexcept
{
    return only.empty() || std::any_of(only.begin(), only.end(), [&](std::string_view pattern) {
               const bool any_host = path_host && pattern.starts_with('/');
               const auto slash = any_host ? path.find('/') : 0;
               // Another program's hits in the stream may have a path without any "/".
               return matches(pattern, slash == path.npos ? path : path.substr(slash));
           });
}

const site_config* config::find_site(std::string_view id) const noexcept
{
    const auto found =
        std::find_if(sites.begin(), sites.end(), [id](const auto& s) { return s.id == id; });
    return found == sites.end() ? nullptr : &*found;
}

namespace {

config read_config(std::string_view text, const std::string& file_name, bool is_open)
{
    toml::table table;
    try {
        table = toml::parse(text, file_name);
    } catch (const toml::parse_error& error) {
        std::string message = file_name + ':' +
                              std::to_string(std::max<unsigned>(error.source().begin.line, 1)) +
                              ": this is not TOML: " + std::string(error.description());
        throw config_error(utf8::one_line(message));
    }
    const section root(
        table, file_name, "",
        {"data_dir", "listen", "redis", "spool", "archive", "collector", "aggregator", "site"});
    config c;
    root.read("data_dir", "/var/lib/luot", c.data_dir);
    if (!c.data_dir.starts_with('/'))
        root.fail("data_dir",
                  "must begin with \"/\", as \"/var/lib/luot\" does: each command is to "
                  "find the same folder");
    read_listen({table_of(root, "listen"), file_name, "listen", {"public", "admin"}}, c);
    read_redis({table_of(root, "redis"), file_name, "redis", {"url", "password_file"}}, is_open, c);
    const section spool{
        table_of(root, "spool"), file_name, "spool", {"max_bytes", "retain", "sync"}};
    read_spool(spool, c);
    read_archive({table_of(root, "archive"), file_name, "archive", {"dir", "keep_days"}}, c);
    read_collector({table_of(root, "collector"),
                    file_name,
                    "collector",
                    {"trusted_proxies", "country_db", "data_center_networks",
                     "rate_limit_per_client", "rate_limit_exempt", "workers"}},
                   c);
    check_spool_fits(spool, c);
    read_aggregator(
        {table_of(root, "aggregator"),
         file_name,
         "aggregator",
         {"dedupe_window", "keep_days", "max_paths", "max_ids", "referrer_spam", "top_articles"}},
        c);
    read_sites(root, file_name, c);
    return c;
}

}  // namespace

config parse_config(std::string_view text, const std::string& file_name)
{
    return read_config(text, file_name, false);
}

config load_config(const std::string& file_name)
{
    const auto fail = [&](const std::string& why) {
        throw config_error(file_name + ":1: cannot read the configuration: " + why);
    };
    const auto text_of = [](int error) { return std::generic_category().message(error); };
    struct stat info {};
    if (::stat(file_name.c_str(), &info) != 0)
        fail(text_of(errno) + (errno == ENOENT ? "; name it with --config" : ""));
    // A pipe would be waited for, and a device may never end.
    if (!S_ISREG(info.st_mode))
        fail(S_ISDIR(info.st_mode) ? text_of(EISDIR) : "it is no regular file");
    const auto text = read_file(file_name, most_config_bytes + 1);
    if (!text)
        fail(text.error().message());
    if (text->size() > most_config_bytes)
        fail("it is larger than 4 MiB");
    return read_config(*text, file_name, is_open_to_others(info));
}

std::string keep_until_restart(config& next, const config& started_with)
{
    std::vector<std::string_view> changed;
    const auto keep = [&changed](std::string_view key, auto& value, const auto& in_effect) {
        if (value == in_effect)
            return;
        changed.push_back(key);
        value = in_effect;
    };
    keep("data_dir", next.data_dir, started_with.data_dir);
    keep("listen.public", next.listen.public_port, started_with.listen.public_port);
    keep("listen.admin", next.listen.admin_port, started_with.listen.admin_port);
    keep("redis", next.redis, started_with.redis);
    keep("spool.max_bytes", next.spool.max_bytes, started_with.spool.max_bytes);
    keep("spool.retain", next.spool.retain, started_with.spool.retain);
    keep("spool.sync", next.spool.sync, started_with.spool.sync);
    keep("archive.dir", next.archive.directory, started_with.archive.directory);
    keep("archive.keep_days", next.archive.keep_days, started_with.archive.keep_days);
    keep("collector.workers", next.collector.workers, started_with.collector.workers);
    return join(changed);
}

std::string describe(const config& c)
{
    std::ostringstream out;
    out << std::boolalpha;
    out << "data_dir = " << in_quotes(c.data_dir) << '\n';
    out << "\n[listen]\n"
        << "public = " << listen_text(c.listen.public_port) << '\n'
        << "admin = " << listen_text(c.listen.admin_port) << '\n';
    out << "\n[redis]\n";
    if (c.redis.configured)
        out << "url = " << in_quotes(redis_url(c.redis)) << '\n';
    else
        out << "# url is not set: `luot serve` runs a private Redis in data_dir\n";
    if (!c.redis.password.empty())
        out << "# password: (set)\n";
    out << "\n[spool]\n"
        << "max_bytes = " << size_text(c.spool.max_bytes) << '\n'
        << "retain = " << duration_text(c.spool.retain) << '\n'
        << "sync = " << (c.spool.sync == spool_sync::disk ? "\"disk\"" : "\"os\"") << '\n';
    out << "\n[archive]\n";
    if (c.archive.directory.empty())
        out << "# dir is not set: no hits are archived\n";
    else
        out << "dir = " << in_quotes(c.archive.directory) << '\n';
    out << "keep_days = " << c.archive.keep_days << '\n';
    out << "\n[collector]\n"
        << "trusted_proxies = " << list_text(c.collector.trusted_proxies, network_text) << '\n';
    if (c.collector.country_db.empty())
        out << "# country_db is not set\n";
    else
        out << "country_db = " << in_quotes(c.collector.country_db) << '\n';
    if (c.collector.data_center_networks.empty())
        out << "# data_center_networks is not set\n";
    else
        out << "data_center_networks = " << in_quotes(c.collector.data_center_networks) << '\n';
    out << "rate_limit_per_client = " << c.collector.rate_limit_per_client << '\n'
        << "rate_limit_exempt = " << list_text(c.collector.rate_limit_exempt, network_text) << '\n'
        << "workers = " << c.collector.workers << '\n';
    out << "\n[aggregator]\n"
        << "dedupe_window = " << duration_text(c.aggregator.dedupe_window) << '\n'
        << "keep_days = " << c.aggregator.keep_days << '\n'
        << "max_paths = " << c.aggregator.max_paths << '\n'
        << "max_ids = " << c.aggregator.max_ids << '\n'
        << "top_articles = " << c.aggregator.top_articles << '\n';
    if (c.aggregator.referrer_spam.empty())
        out << "# referrer_spam is not set\n";
    else
        out << "referrer_spam = " << in_quotes(c.aggregator.referrer_spam) << '\n';
    for (const auto& site : c.sites)
        describe_site(out, site);
    return out.str();
}

std::optional<std::string> canonical_host(std::string_view host)
{
    std::string out;
    if (!canonicalise_host(host, out))
        return std::nullopt;
    return out;
}

std::optional<network> parse_network(std::string_view text)
{
    const std::size_t slash = std::min(text.find('/'), text.size());
    network n;
    bool is_v4 = false;
    if (!parse_ip(text.substr(0, slash), n.bytes, is_v4))
        return std::nullopt;
    if (slash < text.size()) {
        const auto bits = parse_whole<unsigned>(text.substr(slash + 1));
        if (!bits || *bits > (is_v4 ? 32U : 128U))
            return std::nullopt;
        n.prefix_bits = is_v4 ? *bits + 96 : *bits;
    }
    for (unsigned bit = n.prefix_bits; bit < 128; ++bit)
        n.bytes[bit / 8] &= static_cast<unsigned char>(~(0x80U >> bit % 8));
    return n;
}

bool contains(const network& n, const unsigned char (&address)[16]) noexcept
{
    const unsigned whole = n.prefix_bits / 8;
    const unsigned rest = n.prefix_bits % 8;
    if (!std::equal(address, address + whole, n.bytes))
        return false;
    return rest == 0 || ((address[whole] ^ n.bytes[whole]) >> (8 - rest)) == 0;
}

}  // namespace luot
