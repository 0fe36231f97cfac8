// The configuration of every luot program: one TOML file, read once, typed, every key with its unit
// and default. The text that operators read about each key is deploy/luot.toml.

#pragma once

#include "core/path_rule.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace luot {

/// A configuration that cannot be used. what() is one line: "FILE:LINE: key: what is wrong and what
/// would be right". Thrown while starting, and while re-reading (the running one then stays).
class config_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// An address to listen on. Port 0: the system picks one, the log's line `listening` names it.
struct listen_address {
    std::string host;  ///< an IPv4 or IPv6 address without brackets
    std::uint16_t port = 0;

    bool operator==(const listen_address&) const = default;
};

/// An IP network, as 16 bytes (IPv4 is mapped into ::ffff:0:0/96) and a prefix length of 0 to 128.
struct network {
    unsigned char bytes[16] = {};
    unsigned prefix_bits = 128;

    bool operator==(const network&) const = default;
};

/// Where Redis is. Without an url `luot serve` runs a private redis-server in data_dir.
struct redis_address {
    bool configured = false;  ///< redis.url is set
    std::string socket_path;  ///< unix socket; when empty, host and port count
    std::string host = "127.0.0.1";
    std::uint16_t port = 6379;
    int database = 0;
    std::string user;
    std::string password;  ///< from the url or from password_file; never logged
    std::string password_file{};

    bool operator==(const redis_address&) const = default;
};

enum class spool_sync {
    os,    ///< an acknowledged hit survives the death of the process
    disk,  ///< and that of the machine: one fdatasync per turn of the event loop
};

/// What a site shows to everybody without a token.
enum class public_route : std::uint8_t { counts, summary, most_read, related, badge, stats };

/// By what the readers of a site are told apart.
enum class visitor_kind : std::uint8_t {
    address,  ///< address and User-Agent
    tab,      ///< those, and a random id that luot.js keeps as long as the tab is open
};

/// One counted web site.
struct site_config {
    std::string id;                  ///< [a-z0-9][a-z0-9-]{0,31}
    std::string name;                ///< shown to people; default: the id
    std::vector<std::string> hosts;  ///< lower case, no port, no final dot, punycode; "*.x" not x
    std::string timezone = "UTC";    ///< an IANA name, checked against the system's data
    bool path_host = false;          ///< the host stands before the path
    std::vector<std::string> keep_query = {"id", "p", "page_id", "itemid", "articleid", "nv", "op"};
    std::vector<std::string>
        only;  ///< patterns (path_pattern.hpp) of pages counted apart; none: all
    std::vector<path_rule> path_rules;  ///< in the order of the file
    std::uint32_t max_new_paths_per_day = 2000;
    std::chrono::seconds reload_window{0};  ///< within one visit, so at most 30 min
    visitor_kind visitor = visitor_kind::address;
    bool path_visitors = false;  ///< visitors of each page, by day
    /// Different clients that must have read a page before it stands in a list, of at most 16 that
    /// are remembered (page_votes.hpp).
    std::uint32_t list_readers = 3;
    std::vector<public_route> public_routes = {public_route::counts, public_route::summary,
                                               public_route::most_read, public_route::related,
                                               public_route::badge};
    std::string token_file;  ///< empty: what is not public cannot be read at all
    std::string token;       ///< the file's first line; empty when there is none; never logged
    bool honor_gpc = true;
    bool honor_dnt = false;

    /// Whether this route is open to everybody (`stats` opens all of them).
    [[nodiscard]] bool is_public(public_route route) const noexcept;

    /// Whether a host (any case, with or without port or final dot, Unicode or punycode) is one of
    /// the site's.
    [[nodiscard]] bool has_host(std::string_view host) const;

    /// Whether `only` lets a page have a count of its own; views of the others are counted in
    /// "(other)". `path` is normalised.
    [[nodiscard]] bool counts_apart(std::string_view path) const noexcept;
};

struct config {
    std::string data_dir = "/var/lib/luot";

    struct {
        listen_address public_port{"127.0.0.1", 8080};
        listen_address admin_port{"127.0.0.1", 9180};
    } listen;

    redis_address redis;

    struct {
        std::uint64_t max_bytes = 1ULL << 30;
        std::chrono::seconds retain{3600};  ///< counted only while Redis answers
        spool_sync sync = spool_sync::os;
    } spool;

    struct {
        std::vector<network> trusted_proxies;  ///< default 127.0.0.1/32 and ::1/128
        std::string country_db;                ///< MMDB file; empty: no countries
        std::string data_center_networks;  ///< file of networks whose hits are bots; empty: none
        std::uint32_t rate_limit_per_client = 20;  ///< hits a second; 0: none
        std::vector<network> rate_limit_exempt;
        unsigned workers = 0;  ///< 0: one per core
    } collector;

    struct {
        std::chrono::seconds dedupe_window{3600};
        std::uint32_t keep_days = 400;
        std::uint32_t max_paths = 100'000;   ///< a site
        std::uint64_t max_ids = 10'000'000;  ///< ids of hits remembered, all partitions together
        std::string referrer_spam;           ///< file with hosts of made-up referrers; empty: none
        std::uint32_t top_articles = 20;     ///< of a site, in metrics; 0: none
    } aggregator;

    std::vector<site_config> sites;

    struct {
        std::string directory;  ///< of the archive of accepted hits; empty: there is none
        std::uint32_t keep_days = 90;
    } archive;

    /// The site with this id, or null.
    [[nodiscard]] const site_config* find_site(std::string_view id) const noexcept;
};

/// Reads and checks a file. Secrets (password_file, token_file) are read with it; a file with one
/// that others than its owner can use is refused. Throws config_error.
[[nodiscard]] config load_config(const std::string& file_name);

/// The same for text in memory, which is nobody else's; `file_name` only names it in errors.
[[nodiscard]] config parse_config(std::string_view text, const std::string& file_name);

/// Disk space that the spool must have for so many worker threads: each fills a segment of its own.
[[nodiscard]] constexpr std::uint64_t least_spool_bytes(unsigned workers) noexcept
{
    return workers * (256ULL << 10);
}

/// For a configuration read again: what takes effect only with a restart keeps in `next` the value
/// that it has in `started_with`. Answers the keys that would have changed, "a, b"; empty for none.
[[nodiscard]] std::string keep_until_restart(config& next, const config& started_with);

/// The whole configuration as TOML, defaults included, secrets replaced by "(set)".
[[nodiscard]] std::string describe(const config& c);

/// A host as it is compared: lower case, without port, brackets and final dot, in punycode; nullopt
/// when it is no host name.
[[nodiscard]] std::optional<std::string> canonical_host(std::string_view host);

/// "192.0.2.0/24", "2001:db8::/32", or a bare address; nullopt when it is neither.
[[nodiscard]] std::optional<network> parse_network(std::string_view text);

/// Whether an address of 16 bytes (IPv4 mapped) lies in the network.
[[nodiscard]] bool contains(const network& n, const unsigned char (&address)[16]) noexcept;

}  // namespace luot
