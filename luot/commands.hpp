// What the program can do: one function a command, each in a file of its own. All answer the exit
// status: 0 success, 1 failure, 2 wrong usage, configuration or environment.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace luot {

/// Which daemons run in this process.
struct roles {
    bool collector = false;
    bool aggregator = false;
};

/// `luot serve`, `luot collector`, `luot aggregator`: until SIGTERM or SIGINT.
int run_daemon(const std::string& config_file, roles r);

/// Makes the totals of a file, luot's own or what another counter exports, the site's baseline;
/// "-": standard input. The last two are of such exports: import/foreign_totals.hpp.
int import_totals_file(const std::string& config_file, const std::string& file,
                       const std::string& site, const std::string& url_pattern,
                       bool first_visits_only);

/// Prints the site's baseline, as a file that can be imported.
int show_totals(const std::string& config_file, const std::string& site);

/// Takes the site's baseline back.
int remove_totals(const std::string& config_file, const std::string& site);

/// Prints the counts of a site: of all time, and of the days `from` to `to`, both included.
int export_site(const std::string& config_file, const std::string& site, std::int32_t from,
                std::int32_t to, bool as_json);

struct import_log_options {
    std::vector<std::string> files;  ///< "-": standard input
    std::string site;
    std::string format = "combined";             ///< also "caddy" and "traefik"
    std::vector<std::string> fields;             ///< of JSON: "time=ts"
    std::vector<std::string> methods, statuses;  ///< of pages: "GET", "200-299"; none: as usual
    std::vector<std::string> static_extensions;  ///< none: as usual
    bool takes_host_names = false;               ///< for clients
    bool is_dry_run = false, is_quiet = false, follows = false;
};

/// Ships the lines of access logs that show pages, each counted once however often it is run.
int import_log_files(const std::string& config_file, const import_log_options& options);

/// Takes paths of the site with fewer than `views_below` views, first seen more than `older_days`
/// days ago, out of its pages.
int prune_paths(const std::string& config_file, const std::string& site, std::uint64_t views_below,
                std::int32_t older_days, bool is_dry_run);

/// Counts the days `from` to `to` of a site, both included, again from the archive and puts the
/// difference into Redis. `archives`: files and folders; none: archive.dir.
int reclassify_days(const std::string& config_file, const std::string& site, std::int32_t from,
                    std::int32_t to, const std::vector<std::string>& archives, bool is_dry_run);

/// Prints the hits of an archive, each once, one JSON object a line.
int show_archive(const std::vector<std::string>& files);

/// Prints the salt chain of this data_dir: a secret.
int export_salts(const std::string& config_file);

/// Takes over another collector's; `file` "-": standard input.
int import_salts(const std::string& config_file, const std::string& file);

/// Checks all that must always be true, beside a running luot. `site`: only this one, empty: all.
/// `with_positions`: also prints how far each log has got.
int verify_counts(const std::string& config_file, const std::string& site, bool with_positions);

int check_config(const std::string& config_file);

struct asked_hit;  // explanation.hpp

/// Says, without counting anything, what a read of a page counts as, and why. `site` empty: each
/// that has the page's host. Exit status 1: it is refused by one of them, or there is none.
int explain_hit(const std::string& config_file, const std::string& site, const asked_hit& asked,
                bool as_json);

/// Looks at all that luot stands on; `admin_addresses`: of the daemons to be asked, none: that of
/// the configuration. Exit status 1: something has failed.
int examine(const std::string& config_file, const std::vector<std::string>& admin_addresses,
            bool as_json);

/// Fetches a page and says whether, and as what, it is counted.
int examine_page(const std::string& config_file, const asked_hit& asked, bool as_json);

/// Shows what happens, until SIGINT; `is_once`, or without a terminal: one picture. Exit status 1:
/// no daemon has answered.
int show_top(const std::string& config_file, const std::vector<std::string>& admin_addresses,
             bool is_once);

}  // namespace luot
