// The configuration: what is right is read as meant, what is wrong is named with file, line and
// key.

#include "core/config.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdlib.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace config_test {

using namespace luot;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

const std::string one_site = "[[site]]\nid = \"a\"\nhosts = [\"a.vn\"]\n";

/// The message of the error, or "" when the text is accepted.
std::string refusal(const std::string& text)
{
    try {
        (void)parse_config(text, "luot.toml");
        return "";
    } catch (const config_error& error) {
        return error.what();
    }
}

/// A folder of the test's own.
class temporary_folder {
public:
    temporary_folder()
    {
        std::string name = (fs::temp_directory_path() / "luot-config-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~temporary_folder() { fs::remove_all(path_); }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;

    [[nodiscard]] std::string write(const std::string& name, const std::string& text,
                                    mode_t mode) const
    {
        const std::string file = (path_ / name).string();
        std::ofstream(file, std::ios::binary) << text;
        BOOST_TEST_REQUIRE(::chmod(file.c_str(), mode) == 0);
        return file;
    }
    [[nodiscard]] std::string name_of(const std::string& name) const
    {
        return (path_ / name).string();
    }

private:
    fs::path path_;
};

fs::path shipped_file()
{
    return fs::path(__FILE__).parent_path() / "../../../deploy/luot.toml";
}

std::string read_all(const fs::path& file)
{
    std::ifstream in(file, std::ios::binary);
    BOOST_TEST_REQUIRE(in.good());
    return {std::istreambuf_iterator<char>(in), {}};
}

std::array<unsigned char, 16> address_of(std::string_view text)
{
    const auto n = parse_network(text);
    BOOST_TEST_REQUIRE(n.has_value());
    std::array<unsigned char, 16> bytes{};
    std::copy_n(n->bytes, 16, bytes.begin());
    return bytes;
}

bool is_in(std::string_view address, std::string_view network_text)
{
    const auto n = parse_network(network_text);
    BOOST_TEST_REQUIRE(n.has_value());
    unsigned char bytes[16];
    const auto from = address_of(address);
    std::copy(from.begin(), from.end(), bytes);
    return contains(*n, bytes);
}

BOOST_AUTO_TEST_SUITE(configuration)

BOOST_AUTO_TEST_CASE(one_site_is_all_that_must_be_said)
{
    const config c = parse_config(one_site, "luot.toml");
    BOOST_TEST(c.data_dir == "/var/lib/luot");
    BOOST_TEST(c.listen.public_port.host == "127.0.0.1");
    BOOST_TEST(c.listen.public_port.port == 8080);
    BOOST_TEST(c.listen.admin_port.port == 9180);
    BOOST_TEST(!c.redis.configured);
    BOOST_TEST(c.spool.max_bytes == 1ULL << 30);
    BOOST_TEST((c.spool.retain == 1h));
    BOOST_TEST((c.spool.sync == spool_sync::os));
    BOOST_TEST(c.archive.directory == "");
    BOOST_TEST(c.archive.keep_days == 90U);
    BOOST_TEST_REQUIRE(c.collector.trusted_proxies.size() == 2U);
    BOOST_TEST((c.collector.trusted_proxies[0] == *parse_network("127.0.0.1")));
    BOOST_TEST((c.collector.trusted_proxies[1] == *parse_network("::1")));
    BOOST_TEST(c.collector.rate_limit_per_client == 20U);
    BOOST_TEST(c.collector.workers == 0U);
    BOOST_TEST(c.collector.data_center_networks == "");
    BOOST_TEST((c.aggregator.dedupe_window == 1h));
    BOOST_TEST(c.aggregator.keep_days == 400U);
    BOOST_TEST(c.aggregator.max_paths == 100'000U);
    BOOST_TEST(c.aggregator.max_ids == 10'000'000U);
    BOOST_TEST(c.aggregator.top_articles == 20U);
    BOOST_TEST_REQUIRE(c.sites.size() == 1U);
    const site_config& s = c.sites[0];
    BOOST_TEST(s.id == "a");
    BOOST_TEST(s.name == "a");
    BOOST_TEST(s.timezone == "UTC");
    BOOST_TEST(!s.path_host);
    BOOST_TEST(s.keep_query.size() == 7U);
    BOOST_TEST(s.max_new_paths_per_day == 2000U);
    BOOST_TEST((s.reload_window == 0s));
    BOOST_TEST((s.visitor == visitor_kind::address));
    BOOST_TEST(!s.path_visitors);
    BOOST_TEST(s.list_readers == 3U);
    BOOST_TEST(s.path_rules.empty());
    BOOST_TEST(s.is_public(public_route::counts));
    BOOST_TEST(!s.is_public(public_route::stats));
    BOOST_TEST(s.token.empty());
    BOOST_TEST(s.honor_gpc);
    BOOST_TEST(!s.honor_dnt);
    BOOST_TEST(c.find_site("a") == &s);
    BOOST_TEST(c.find_site("b") == nullptr);
}

const std::string all_keys = R"(data_dir = "/data"

[listen]
public = "0.0.0.0:80"
admin = "[::1]:0"

[redis]
url = "redis://redis.example.vn:6380/3"

[spool]
max_bytes = "100MB"
retain = "90s"
sync = "disk"

[archive]
dir = "/data/archive"
keep_days = 7

[collector]
trusted_proxies = ["10.0.0.0/8", "2001:db8::/32"]
country_db = "c.mmdb"
data_center_networks = "/n.txt"
rate_limit_per_client = 0
rate_limit_exempt = ["192.0.2.1/32"]
workers = 3

[aggregator]
dedupe_window = "2d"
keep_days = 30
max_paths = 5
max_ids = 6
top_articles = 0
referrer_spam = "/etc/luot/spam.txt"

[[site]]
id = "a-1"
name = "Sở \"KH\\CN\""
hosts = ["xn--tn-min-iva0322d.vn", "*.a.vn"]
timezone = "Asia/Ho_Chi_Minh"
path_host = true
keep_query = ["x"]
only = ["/tin-tuc/**", "a.vn/**"]
max_new_paths_per_day = 7
reload_window = "30m"
visitor = "tab"
path_visitors = true
list_readers = 16
public = ["stats", "badge"]
# token_file is not set
honor_gpc = false
honor_dnt = true

[[site.path_rule]]
match = "^/p([0-9]+)/.*\\.\"$"
replace = "/p\\1"
section = "Tin \\0"

[[site.path_rule]]
match = ";x=[^/]*"
replace = ""

[[site.path_rule]]
match = "^/tin-tuc/"
section = "Tin tức"

[[site]]
id = "b"
name = "b"
hosts = ["b.vn"]
timezone = "UTC"
path_host = false
keep_query = []
only = []
max_new_paths_per_day = 2000
reload_window = "0s"
visitor = "address"
path_visitors = false
list_readers = 3
public = []
# token_file is not set
honor_gpc = true
honor_dnt = false
)";

// Each key has a value here that is not its default, and all of them come back.
BOOST_AUTO_TEST_CASE(every_key_is_read_and_described)
{
    const config c = parse_config(all_keys, "luot.toml");
    BOOST_TEST(c.redis.configured);
    BOOST_TEST(c.redis.host == "redis.example.vn");
    BOOST_TEST(c.redis.port == 6380);
    BOOST_TEST(c.redis.database == 3);
    BOOST_TEST(c.listen.admin_port.host == "::1");
    BOOST_TEST(c.spool.max_bytes == 100'000'000U);
    BOOST_TEST((c.spool.retain == 90s));
    BOOST_TEST(c.archive.directory == "/data/archive");
    BOOST_TEST(c.archive.keep_days == 7U);
    BOOST_TEST((c.aggregator.dedupe_window == 48h));
    BOOST_TEST((c.sites.at(0).reload_window == 30min));
    BOOST_TEST(c.sites.at(0).path_visitors);
    BOOST_TEST(c.sites.at(0).list_readers == 16U);
    BOOST_TEST(describe(c) == all_keys);
}

// What operators read must be what luot does.
BOOST_AUTO_TEST_CASE(the_shipped_file_holds_the_defaults)
{
    const config shipped = load_config(shipped_file().string());
    const config defaults = parse_config(
        "[[site]]\nid = \"skhcn\"\nname = \"Sở Khoa học và Công nghệ\"\n"
        "hosts = [\"skhcn.example.vn\"]\ntimezone = \"Asia/Ho_Chi_Minh\"\n",
        "luot.toml");
    BOOST_TEST(describe(shipped) == describe(defaults));
}

BOOST_AUTO_TEST_CASE(the_shipped_file_documents_every_key)
{
    const std::string shipped = read_all(shipped_file());
    std::vector<std::string> keys{"token_file", "password_file", "url", "country_db",
                                  "data_center_networks"};
    std::istringstream described(describe(parse_config(all_keys, "luot.toml")));
    for (std::string line; std::getline(described, line);) {
        if (!line.empty() && std::isalpha(static_cast<unsigned char>(line[0])) != 0)
            keys.push_back(line.substr(0, line.find(' ')));
    }
    BOOST_TEST(keys.size() > 25U);
    for (const auto& key : keys) {
        BOOST_TEST_CONTEXT("key " << key)
        {
            const bool there = shipped.find("\n" + key + " = ") != std::string::npos ||
                               shipped.find("\n# " + key + " = ") != std::string::npos;
            BOOST_TEST(there);
        }
    }
}

// An operator must find the line and learn what to write instead.
BOOST_AUTO_TEST_CASE(errors_name_file_line_key_and_what_is_right)
{
    const std::string unused = "1234567890123456789012345678901";
    struct {
        std::string text;
        std::string error;  // the beginning of it
        std::string hint;   // and something further in it
    } const table[] = {
        {"x = 1\n", "luot.toml:1: x: unknown key", "known here: data_dir"},
        {"\n[spol]\n", "luot.toml:2: spol: unknown key", "did you mean \"spool\"?"},
        {"[spool]\n\nretian = \"1h\"\n", "luot.toml:3: spool.retian: unknown key", "\"retain\"?"},
        {"[[site]]\nhost = [\"a.vn\"]", "luot.toml:2: site.host: unknown key", "\"hosts\"?"},
        {"spool = 1", "luot.toml:1: spool: must be a table", "[spool]"},
        {"[spool]\nmax_bytes = true", "luot.toml:2: spool.max_bytes: must be a size", "not true"},
        {"[spool]\nmax_bytes = 0", "luot.toml:2: spool.max_bytes: is too small", "1MiB"},
        {"[spool]\nmax_bytes = 1048575", "luot.toml:2: spool.max_bytes: is too small", "1MiB"},
        {"[spool]\nmax_bytes = -1", "luot.toml:2: spool.max_bytes: must be a size", "512MiB"},
        {"[spool]\nmax_bytes = \"1 Gib\"", "luot.toml:2: spool.max_bytes: must be a size", "1GiB"},
        {"[spool]\nmax_bytes = \"GiB\"", "luot.toml:2: spool.max_bytes: must be a size", "1GiB"},
        {"[spool]\nmax_bytes = \"9000000TiB\"", "luot.toml:2: spool.max_bytes: must be", "1GiB"},
        {"[spool]\nretain = 60", "luot.toml:2: spool.retain: must be a duration", "an integer"},
        {"[spool]\nretain = \"60\"", "luot.toml:2: spool.retain: must be a duration", "\"1h\""},
        {"[spool]\nretain = \"1h30m\"", "luot.toml:2: spool.retain: must be a duration", "30m"},
        {"[spool]\nretain = \"59s\"", "luot.toml:2: spool.retain: must be at least 1m", ""},
        {"[spool]\nretain = \"366d\"", "luot.toml:2: spool.retain: must be", "365d"},
        {"[spool]\nsync = \"dsk\"", "luot.toml:2: spool.sync: is \"dsk\"", "\"os\" or \"disk\""},
        {"data_dir = \"\"", "luot.toml:1: data_dir: is empty", "/var/lib/luot"},
        {"data_dir = \"a\\nb\"", "luot.toml:1: data_dir: must be one line", ""},
        {"data_dir = \"data\"", "luot.toml:1: data_dir: must begin with \"/\"", "/var/lib/luot"},
        {"data_dir = 2021-07-26", "luot.toml:1: data_dir: must be a text", "a date or time"},
        {"[listen]\npublic = \"8080\"", "luot.toml:2: listen.public: must be", "127.0.0.1:8080"},
        {"[listen]\npublic = \":80\"", "luot.toml:2: listen.public: must be", "0.0.0.0:8080"},
        {"[listen]\npublic = \"a.vn:80\"", "luot.toml:2: listen.public: must be an IP", ""},
        {"[listen]\npublic = \"::1:80\"", "luot.toml:2: listen.public: must be", "[::1]:8080"},
        {"[listen]\npublic = \"[127.0.0.1]:80\"", "luot.toml:2: listen.public: must be", ""},
        {"[listen]\nadmin = \"127.0.0.1:65536\"", "luot.toml:2: listen.admin: bad port", "65535"},
        {"[listen]\nadmin = \"127.0.0.1:-1\"", "luot.toml:2: listen.admin: bad port", ""},
        {"[listen]\nadmin = \"127.0.0.1:8080\"", "luot.toml:2: listen.admin: public and", "other"},
        {"[listen]\n\npublic = \"127.0.0.1:9180\"", "luot.toml:3: listen.public: public and", ""},
        {"[redis]\nurl = \"localhost\"", "luot.toml:2: redis.url: must be", "redis://127.0.0.1"},
        {"[redis]\nurl = \"rediss://a\"", "luot.toml:2: redis.url: TLS", "redis://"},
        {"[redis]\nurl = \"redis://\"", "luot.toml:2: redis.url: bad host", "redis://127.0.0.1"},
        {"[redis]\nurl = \"redis://a:0\"", "luot.toml:2: redis.url: bad port", "65535"},
        {"[redis]\nurl = \"redis://a/x\"", "luot.toml:2: redis.url: bad database", ""},
        {"[redis]\nurl = \"redis://u:%4@a\"", "luot.toml:2: redis.url: a '%'", "%25"},
        {"[redis]\nurl = \"unix://run/x\"", "luot.toml:2: redis.url: a unix socket", "unix:///run"},
        {"[redis]\nurl = \"unix:///" + std::string(107, 'x') + "\"",
         "luot.toml:2: redis.url: the path of a unix socket", "at most 107 bytes"},
        {"[redis]\nurl = \"redis://u@a\"", "luot.toml:2: redis.url: names a user", "password_file"},
        {"[redis]\nurl = \"unix://u:@/x\"", "luot.toml:2: redis.url: names a user", ""},
        {"[redis]\npassword_file = \"/x\"", "luot.toml:2: redis.password_file: needs", "redis.url"},
        {"[collector]\ntrusted_proxies = \"::1\"",
         "luot.toml:2: collector.trusted_proxies: must be a list", "a text"},
        {"[collector]\ntrusted_proxies = [\n\"::1\",\n\"10.0.0.0/33\"]",
         "luot.toml:4: collector.trusted_proxies: \"10.0.0.0/33\" is no network", "192.0.2.0/24"},
        {"[collector]\nrate_limit_exempt = [1]",
         "luot.toml:2: collector.rate_limit_exempt: must be a text", "an integer"},
        {"[collector]\nrate_limit_per_client = -1",
         "luot.toml:2: collector.rate_limit_per_client: is -1", "from 0 to"},
        {"[collector]\nworkers = 1.5", "luot.toml:2: collector.workers: must be an integer", ""},
        {"[collector]\nworkers = 257", "luot.toml:2: collector.workers: is 257", "to 256"},
        {"[collector]\nworkers = 5\n[spool]\nmax_bytes = \"1MiB\"",
         "luot.toml:4: spool.max_bytes: is too small for collector.workers = 5", "\"1280KiB\""},
        {"[aggregator]\ndedupe_window = \"0s\"",
         "luot.toml:2: aggregator.dedupe_window: must be at least", "7d"},
        {"[archive]\ndir = \"archive\"", "luot.toml:2: archive.dir: must begin with", "/var/lib"},
        {"[archive]\nkeep_days = 0", "luot.toml:2: archive.keep_days: is 0", "from 1"},
        {"[aggregator]\nkeep_days = 0", "luot.toml:2: aggregator.keep_days: is 0", "from 1"},
        {"[aggregator]\nmax_paths = 0", "luot.toml:2: aggregator.max_paths: is 0", "from 1"},
        {"[aggregator]\nmax_ids = 0", "luot.toml:2: aggregator.max_ids: is 0", "from 1"},
        {"[aggregator]\ntop_articles = 101", "luot.toml:2: aggregator.top_articles: is 101",
         "to 100"},
        {"", "luot.toml:1: site: no site", "[[site]]"},
        {"site = []", "luot.toml:1: site: no site", "[[site]]"},
        {"[site]\nid = \"a\"", "luot.toml:1: site: must be a list", "double brackets"},
        {"\n[[site]]\nhosts = [\"a.vn\"]", "luot.toml:2: site.id: is missing", "skhcn"},
        {"[[site]]\nid = \"A\"", "luot.toml:2: site.id: \"A\" is no site id", "a-z"},
        {"[[site]]\nid = \"-a\"", "luot.toml:2: site.id: \"-a\" is no site id", "not '-' first"},
        {"[[site]]\nid = \"xx" + unused + "\"", "luot.toml:2: site.id: ", "1 to 32"},
        {"[[site]]\nid = \"a\"", "luot.toml:1: site.hosts: is missing", "www.example.vn"},
        {"[[site]]\nid = \"a\"\nhosts = []", "luot.toml:3: site.hosts: is missing or empty", ""},
        {"[[site]]\nid = \"a\"\nhosts = [\"https://a.vn\"]",
         "luot.toml:3: site.hosts: \"https://a.vn\" is no host", "without https://"},
        {"[[site]]\nid = \"a\"\nhosts = [\"*.*.vn\"]", "luot.toml:3: site.hosts: ", "no host name"},
        {one_site + "name = \"a\\tb\"", "luot.toml:4: site.name: must be one line", ""},
        {one_site + "timezone = \"Asia/Hanoi\"",
         "luot.toml:4: site.timezone: unknown time zone \"Asia/Hanoi\"", "Asia/Ho_Chi_Minh"},
        {one_site + "timezone = \"../UTC\"", "luot.toml:4: site.timezone: unknown", ""},
        {one_site + "path_host = 1", "luot.toml:4: site.path_host: must be true or false", ""},
        {one_site + "keep_query = [\"id\", \"ID\"]", "luot.toml:4: site.keep_query: \"ID\"",
         "twice"},
        {one_site + "keep_query = [\"a=b\"]", "luot.toml:4: site.keep_query: \"a=b\" is no", "="},
        {one_site + "only = [\"tin-tuc/*\"]", "luot.toml:4: site.only: ", "must begin with"},
        {one_site + "only = [\"/tin-tuc/**.html\"]", "luot.toml:4: site.only: ", "within one"},
        {one_site + "only = [\"/a\", \"/***\"]", "luot.toml:4: site.only: ", "alone between"},
        {one_site + "only = [\"/a?b=*\"]", "luot.toml:4: site.only: ", "keep_query"},
        {one_site + "only = [\"/" + std::string(400, '[') + "\"]",
         "luot.toml:4: site.only: ", "encoded"},
        {one_site + "only = [\"/%zz\"]", "luot.toml:4: site.only: ", "no path of a page"},
        {one_site + "max_new_paths_per_day = 0", "luot.toml:4: site.max_new_paths_per_day: ", "1"},
        {one_site + "reload_window = \"31m\"", "luot.toml:4: site.reload_window: must be at",
         "30m"},
        {one_site + "visitor = \"tabs\"", "luot.toml:4: site.visitor: is \"tabs\"", "\"tab\""},
        {one_site + "path_rule = 1", "luot.toml:4: site.path_rule: must be a list", "[[site.path"},
        {one_site + "[site.path_rule]\nmatch = \"a\"", "luot.toml:4: site.path_rule: must be",
         "[["},
        {one_site + "[[site.path_rule]]\nmatsh = \"a\"",
         "luot.toml:5: site.path_rule.matsh: unknown key", "\"match\"?"},
        {one_site + "[[site.path_rule]]\nreplace = \"a\"",
         "luot.toml:4: site.path_rule.match: is missing", "^/p"},
        {one_site + "[[site.path_rule]]\nmatch = \"a\"",
         "luot.toml:4: site.path_rule: does nothing", "section"},
        {one_site + "[[site.path_rule]]\nmatch = \"\"\nreplace = \"a\"",
         "luot.toml:5: site.path_rule.match: is empty", ""},
        {one_site + "[[site.path_rule]]\nsection = \"\"\nmatch = \"a\"",
         "luot.toml:5: site.path_rule.section: is empty", ""},
        {one_site + "[[site.path_rule]]\nreplace = \"a\"\nmatch = \"(a\"",
         "luot.toml:6: site.path_rule.match: RE2 does not", "missing )"},
        {one_site + "[[site.path_rule]]\nmatch = \"(a)\"\nreplace = \"\\\\2\"",
         "luot.toml:6: site.path_rule.replace: names group \\2", "match has 1"},
        {one_site + "[[site.path_rule]]\nmatch = \"((a{900}){30}){1}\"\nreplace = \"\"",
         "luot.toml:5: site.path_rule.match: RE2 does not", ""},
        {one_site + "public = [\"counts\",\n\"summery\"]",
         "luot.toml:5: site.public: unknown \"summery\"", "did you mean \"summary\"?"},
        {one_site + "honor_gpc = \"yes\"", "luot.toml:4: site.honor_gpc: must be true or",
         "a text"},
        {one_site + one_site, "luot.toml:5: site.id: \"a\" is there twice", ""},
        {"[spool]\nretain = 1h", "luot.toml:2: this is not TOML: ", ""},
        {"[spool]\nretain = \"1h\"\nretain = \"2h\"", "luot.toml:3: this is not TOML: ", ""},
        {"\n\n[spool", "luot.toml:3: this is not TOML: ", ""},
        {"data_dir = \"\xFF\"", "luot.toml:1: this is not TOML: ", ""}};
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("text " << row.text)
        {
            // Wrong before there is a site: whatever else is missing, the first error is named.
            const std::string message = refusal(row.text);
            BOOST_TEST(message.substr(0, row.error.size()) == row.error);
            BOOST_TEST(message.find(row.hint) != std::string::npos, message);
            BOOST_TEST(message.find('\n') == std::string::npos);
        }
    }
}

BOOST_AUTO_TEST_CASE(limits_are_accepted_at_their_edge)
{
    for (const std::string text :
         {"[spool]\nmax_bytes = 1048576\nretain = \"60s\"\n", "[spool]\nmax_bytes = \"1024KiB\"\n",
          "[spool]\nmax_bytes = \"2 GB\"\nretain = \"365d\"\n", "[collector]\nworkers = 256\n",
          "[aggregator]\nkeep_days = 1\nmax_paths = 1\nmax_ids = 1\ndedupe_window = \"7d\"\n",
          "[listen]\npublic = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n",
          "[listen]\nadmin = \"127.0.0.1:65535\"\n", "[redis]\nurl = \"redis://a:65535\"\n",
          "[spool]\nmax_bytes = \"1MiB\"\n[collector]\nworkers = 4\n"}) {
        BOOST_TEST_CONTEXT("text " << text)
        BOOST_TEST(refusal(text + one_site) == "");
    }
    const std::string socket = "unix:///" + std::string(106, 'x');
    BOOST_TEST(refusal("[redis]\nurl = \"" + socket + "\"\n" + one_site) == "");
    BOOST_TEST(refusal("[[site]]\nid = \"" + std::string(32, 'a') + "\"\nhosts=[\"a.vn\"]") == "");
    BOOST_TEST(refusal(one_site + "reload_window = \"30m\"") == "");
    BOOST_TEST(refusal(one_site + "timezone = \"Asia/Saigon\"") == "");
    BOOST_TEST(refusal(one_site + "[[site]]\nid = \"b\"\nhosts = [\"a.vn\"]") == "");
    std::string rules = one_site;
    for (std::size_t i = 0; i < path_rule::most_rules; ++i)
        rules += "[[site.path_rule]]\nmatch = \"a\"\nreplace = \"\"\n";
    BOOST_TEST(refusal(rules) == "");
    BOOST_TEST(refusal(rules + "[[site.path_rule]]\nmatch = \"a\"\nreplace = \"\"\n")
                   .find("more than 100") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_redis_url_says_where_and_who)
{
    const auto parsed = [](const std::string& url) {
        return parse_config("[redis]\nurl = \"" + url + "\"\n" + one_site, "luot.toml").redis;
    };
    redis_address tcp;
    tcp.configured = true;
    BOOST_TEST((parsed("redis://127.0.0.1") == tcp));
    BOOST_TEST((parsed("redis://127.0.0.1:6379/0") == tcp));
    redis_address full{true, "", "::1", 7000, 15, "user", "p:%@ss"};
    BOOST_TEST((parsed("redis://user:p:%25%40ss@[::1]:7000/15") == full));
    redis_address unix_socket{true, "/run/redis.sock", "127.0.0.1", 6379, 2, "", "secret"};
    BOOST_TEST((parsed("unix://:secret@/run/redis.sock?db=2") == unix_socket));
}

// What SIGHUP cannot change must be named, and must not be used by anything that asks later.
BOOST_AUTO_TEST_CASE(what_needs_a_restart_keeps_its_value_and_is_named)
{
    const config started = parse_config(one_site, "luot.toml");
    config next = parse_config(
        "data_dir = \"/d\"\n[listen]\npublic = \"0.0.0.0:80\"\nadmin = \"[::1]:81\"\n"
        "[redis]\nurl = \"redis://a\"\n[spool]\nmax_bytes = \"2GiB\"\nretain = \"2h\"\n"
        "sync = \"disk\"\n[collector]\nworkers = 3\nrate_limit_per_client = 7\n" +
            one_site + "honor_dnt = true\n",
        "luot.toml");
    BOOST_TEST(keep_until_restart(next, started) ==
               "data_dir, listen.public, listen.admin, redis, spool.max_bytes, spool.retain, "
               "spool.sync, collector.workers");
    config wanted = started;
    wanted.collector.rate_limit_per_client = 7;
    wanted.sites[0].honor_dnt = true;
    BOOST_TEST(describe(next) == describe(wanted));
    BOOST_TEST(keep_until_restart(next, started) == "");
}

BOOST_AUTO_TEST_CASE(a_secret_is_read_but_never_shown)
{
    const temporary_folder folder;
    const std::string token = folder.write("token", "t0ken\r\nsecond line\n", 0600);
    const std::string password = folder.write("password", "passw0rd", 0600);
    const std::string text = "[redis]\nurl = \"redis://127.0.0.1\"\npassword_file = \"" + password +
                             "\"\n" + one_site + "token_file = \"" + token + "\"\n";
    const config c = load_config(folder.write("luot.toml", text, 0644));
    BOOST_TEST(c.redis.password == "passw0rd");
    BOOST_TEST(c.sites.at(0).token == "t0ken");
    const std::string shown = describe(c);
    BOOST_TEST(shown.find("t0ken") == std::string::npos);
    BOOST_TEST(shown.find("passw0rd") == std::string::npos);
    BOOST_TEST(shown.find("# password: (set)") != std::string::npos);
    BOOST_TEST(shown.find("token_file = \"" + token + "\"  # (set)") != std::string::npos);

    const config in_url = parse_config("[redis]\nurl = \"redis://u:passw0rd@a\"\n" + one_site, "f");
    BOOST_TEST(in_url.redis.password == "passw0rd");
    BOOST_TEST(describe(in_url).find("passw0rd") == std::string::npos);
    // nor in an error
    BOOST_TEST(refusal("[redis]\nurl = \"redis://u:passw0rd@a/x\"\n").find("passw0rd") ==
               std::string::npos);
    BOOST_TEST(refusal("[redis]\nurl = \"u:passw0rd@a\"\n").find("passw0rd") == std::string::npos);
    // nor when it stands where its file belongs
    const std::string wrong_file =
        "[redis]\nurl = \"redis://a\"\npassword_file = \"passw0rd\"\n" + one_site;
    const std::string wrong_token = one_site + "token_file = \"passw0rd\"\n";
    for (const auto& key : {wrong_file, wrong_token}) {
        BOOST_TEST(refusal(key).find("beginning with \"/\"") != std::string::npos);
        BOOST_TEST(refusal(key).find("passw0rd") == std::string::npos);
    }
}

// A mistake anywhere in a configuration must not bring the password to the screen.
BOOST_AUTO_TEST_CASE(a_secret_is_in_no_error)
{
    const std::string good =
        "[redis]\nurl = \"redis://user:passw0rd@redis.example.vn:6379/0\"\n" + one_site;
    for (std::size_t at = 0; at < good.size(); ++at) {
        for (const std::string piece : {"", "\"", "\n", "/", "@", ":", "%", "x = ", "\\"}) {
            const auto text = good.substr(0, at) + piece + good.substr(at + 1);
            BOOST_TEST_CONTEXT("text\n" << text)
            try {
                const auto shown = describe(parse_config(text, "luot.toml"));
                BOOST_TEST(shown.find("passw0rd") == std::string::npos, shown);
            } catch (const config_error& e) {
                BOOST_TEST(std::string_view(e.what()).find("passw0rd") == std::string_view::npos,
                           e.what());
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_secret_that_is_missing_or_open_to_all_is_refused)
{
    const temporary_folder folder;
    const auto refused = [](const std::string& file) {
        const std::string key = "token_file = \"" + file + "\"\n";
        std::string message = refusal(one_site + key);
        const std::string redis =
            "[redis]\nurl = \"redis://a\"\npassword_file = \"" + file + "\"\n";
        BOOST_TEST(refusal(redis).starts_with("luot.toml:3: redis.password_file: "));
        BOOST_TEST(message.starts_with("luot.toml:4: site.token_file: "), message);
        return message;
    };
    const auto tells = [](const std::string& message, const std::string& part) {
        return message.find(part) != std::string::npos;
    };
    BOOST_TEST(tells(refused(folder.name_of("none")), "chmod 600 " + folder.name_of("none")));
    for (const mode_t mode : {0660U, 0620U, 0604U, 0644U, 0641U, 0642U, 0666U}) {
        const std::string open = folder.write("open", "secret", mode);
        BOOST_TEST_CONTEXT("mode " << mode)
        BOOST_TEST(tells(refused(open), "chmod 600 " + open));
    }
    BOOST_TEST(tells(refused(folder.write("empty", "", 0600)), "is empty"));
    BOOST_TEST(tells(refused(folder.write("blank", "\nsecret", 0600)), "is empty"));
    BOOST_TEST(tells(refused(folder.write("tab", "a\tb", 0600)), "printable"));
    BOOST_TEST(tells(refused(folder.name_of(".")), "regular"));
    const std::string good = folder.write("good", "secret\n", 0400);
    BOOST_TEST(tells(refusal("[redis]\nurl = \"redis://:x@a\"\npassword_file = \"" + good + "\"\n"),
                     "keep one"));
    BOOST_TEST(refusal(one_site + "token_file = \"" + good + "\"\n") == "");
}

BOOST_AUTO_TEST_CASE(a_group_may_read_a_secret_of_root)
{
    const temporary_folder folder;
    const std::string token = folder.write("token", "secret\n", 0640);
    const std::string text = one_site + "token_file = \"" + token + "\"\n";
    if (::geteuid() != 0) {
        BOOST_TEST(refusal(text).find("chmod 600") != std::string::npos);
        return;
    }
    BOOST_TEST(refusal(text) == "");
    BOOST_TEST_REQUIRE(::chown(token.c_str(), 65534, static_cast<gid_t>(-1)) == 0);
    BOOST_TEST(refusal(text).find("chmod 600") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_secret_of_another_user_is_refused)
{
    if (::geteuid() != 0) {
        BOOST_TEST_MESSAGE("skipped: only root can give files away");
        return;
    }
    constexpr uid_t service = 65534;
    const temporary_folder folder;
    const std::string token = folder.write("token", "secret\n", 0600);
    BOOST_TEST_REQUIRE(::chown(token.c_str(), service, static_cast<gid_t>(-1)) == 0);
    const std::string text = one_site + "token_file = \"" + token + "\"\n";
    BOOST_TEST(refusal("data_dir = \"/does/not/exist\"\n" + text).find("belongs to user 65534") !=
               std::string::npos);
    // but root may give commands for the service to whom data_dir belongs
    const std::string data_dir = folder.name_of("data");
    BOOST_TEST_REQUIRE(::mkdir(data_dir.c_str(), 0700) == 0);
    const std::string for_service = "data_dir = \"" + data_dir + "\"\n" + text;
    BOOST_TEST(refusal(for_service).find("chown it") != std::string::npos);
    BOOST_TEST_REQUIRE(::chown(data_dir.c_str(), service, static_cast<gid_t>(-1)) == 0);
    BOOST_TEST(refusal(for_service) == "");
}

BOOST_AUTO_TEST_CASE(a_configuration_that_holds_a_password_is_for_its_owner_alone)
{
    const temporary_folder folder;
    const auto load = [&folder](const std::string& login, mode_t mode) {
        try {
            (void)load_config(folder.write(
                "luot.toml", "[redis]\nurl = \"redis://" + login + "a\"\n" + one_site, mode));
            return std::string{};
        } catch (const config_error& e) {
            return std::string(e.what());
        }
    };
    for (const mode_t mode : {0644U, 0660U, 0604U}) {
        BOOST_TEST(load("u:passw0rd@", mode).find(":2: redis.url: holds a password") !=
                   std::string::npos);
        BOOST_TEST(load("u:passw0rd@", mode).find("chmod 600") != std::string::npos);
        BOOST_TEST(load("u:passw0rd@", mode).find("passw0rd") == std::string::npos);
        BOOST_TEST(load("", mode) == "");
    }
    BOOST_TEST(load("u:passw0rd@", 0600) == "");
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_read_is_named)
{
    const temporary_folder folder;
    const std::string empty = folder.write("empty.toml", "", 0644);
    BOOST_CHECK_EXCEPTION((void)load_config(empty), config_error, [&](const config_error& e) {
        return std::string(e.what()).starts_with(empty + ":1: site: no site");
    });
    for (const std::string name : {"/nowhere/luot.toml", "/"}) {
        BOOST_TEST_CONTEXT("file " << name)
        BOOST_CHECK_EXCEPTION((void)load_config(name), config_error, [&](const config_error& e) {
            return std::string(e.what()).starts_with(name + ":1: cannot read");
        });
    }
}

BOOST_AUTO_TEST_CASE(a_host_has_one_canonical_form)
{
    const std::string label63(63, 'a');
    const std::string longest = label63 + '.' + label63 + '.' + label63 + '.' + label63.substr(2);
    const std::string none = "(none)";
    struct {
        std::string given, canonical;
    } const table[] = {{"Example.VN", "example.vn"},
                       {"example.vn.", "example.vn"},
                       {"example.vn:8080", "example.vn"},
                       {"example.vn.:8080", "example.vn"},
                       {"example.vn:", "example.vn"},
                       {"localhost", "localhost"},
                       {"my_host-1.vn", "my_host-1.vn"},
                       {"127.0.0.1:80", "127.0.0.1"},
                       {"[2001:DB8:0:0::1]:80", "2001:db8::1"},
                       {"2001:db8::1", "2001:db8::1"},
                       {"tên-miền.vn", "xn--tn-min-iva0322d.vn"},
                       {"TÊN-MIỀN.vn.:80", "xn--tn-min-iva0322d.vn"},
                       {"te\u0302n-mie\u0302\u0300n.vn", "xn--tn-min-iva0322d.vn"},
                       {"XN--TN-MIN-IVA0322D.vn", "xn--tn-min-iva0322d.vn"},
                       {label63 + ".vn", label63 + ".vn"},
                       {longest, longest},
                       {longest + "a", none},
                       {label63 + "a.vn", none},
                       {"", none},
                       {".", none},
                       {".vn", none},
                       {"a..vn", none},
                       {"a.vn..", none},
                       {"a b.vn", none},
                       {"a.vn/", none},
                       {"a@b.vn", none},
                       {"*.vn", none},
                       {"a.vn:x", none},
                       {"a.vn:65536", none},
                       {"a.vn:-1", none},
                       {":80", none},
                       {"[::1", none},
                       {"[::1]x", none},
                       {"[127.0.0.1]", none},
                       {"[a.vn]", none},
                       {"::x", none},
                       {"fe80::1%eth0", none},
                       {std::string("a\0b", 3), none},
                       {std::string("ế\0b", 5), none},
                       {"\xFF.vn", none}};
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("host " << row.given)
        {
            const std::string canonical = canonical_host(row.given).value_or(none);
            BOOST_TEST(canonical == row.canonical);
            if (canonical != none)
                BOOST_TEST(canonical_host(canonical).value_or(none) == canonical);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_site_knows_its_hosts)
{
    site_config site;
    site.hosts = {"a.vn", "www.b.vn", "*.c.vn", "www.vn", "2001:db8::1", "xn--tn-min-iva0322d.vn"};
    for (const std::string own :
         {"a.vn", "A.VN:80", "www.a.vn", "a.vn.", "b.vn", "www.b.vn", "x.c.vn", "x.y.c.vn",
          "www.c.vn", "www.vn", "[2001:db8::1]:80", "tên-miền.vn", "www.tên-miền.vn"}) {
        BOOST_TEST_CONTEXT("host " << own)
        BOOST_TEST(site.has_host(own));
    }
    for (const std::string foreign : {"", "vn", "x.a.vn", "xa.vn", "a.vn.x", "c.vn", ".c.vn",
                                      "xc.vn", "www.www.a.vn", "a.vn:x", "null"}) {
        BOOST_TEST_CONTEXT("host " << foreign)
        BOOST_TEST(!site.has_host(foreign));
    }
}

BOOST_AUTO_TEST_CASE(stats_opens_everything)
{
    site_config site;
    for (const auto route : {public_route::counts, public_route::summary, public_route::most_read,
                             public_route::related, public_route::badge, public_route::stats}) {
        site.public_routes = {route};
        BOOST_TEST(site.is_public(route));
        BOOST_TEST(site.is_public(public_route::counts) ==
                   (route == public_route::counts || route == public_route::stats));
        site.public_routes = {public_route::stats};
        BOOST_TEST(site.is_public(route));
        site.public_routes = {};
        BOOST_TEST(!site.is_public(route));
    }
}

BOOST_AUTO_TEST_CASE(a_network_holds_its_addresses_and_no_others)
{
    BOOST_TEST(is_in("192.0.2.0", "192.0.2.0/24"));
    BOOST_TEST(is_in("192.0.2.255", "192.0.2.77/24"));
    BOOST_TEST(!is_in("192.0.3.0", "192.0.2.0/24"));
    BOOST_TEST(is_in("::ffff:192.0.2.1", "192.0.2.0/24"));
    BOOST_TEST(is_in("192.0.2.1", "192.0.2.1"));
    BOOST_TEST(!is_in("192.0.2.2", "192.0.2.1/32"));
    BOOST_TEST(is_in("203.0.113.9", "0.0.0.0/0"));
    BOOST_TEST(!is_in("2001:db8::1", "0.0.0.0/0"));
    BOOST_TEST(is_in("2001:db8::1", "::/0"));
    BOOST_TEST(is_in("2001:db8:ffff::1", "2001:db8::/32"));
    BOOST_TEST(!is_in("2001:db9::1", "2001:db8::/32"));
    BOOST_TEST(is_in("10.127.255.255", "10.0.0.0/9"));
    BOOST_TEST(!is_in("10.128.0.0", "10.0.0.0/9"));
    BOOST_TEST(is_in("::1", "::1/128"));
    BOOST_TEST(!is_in("::", "::1/128"));
    for (const std::string bad :
         {"", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/+1",
          "192.0.2.0/24 ", " 192.0.2.0", "192.0.2", "a.vn", "::/129", "[::1]", "fe80::1%eth0",
          "192.0.2.0/24/24", "1.2.3.4.5"}) {
        BOOST_TEST_CONTEXT("network " << bad)
        BOOST_TEST(!parse_network(bad).has_value());
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace config_test
