// luot: counts how often the pages of a site are read.
//
//   luot serve        collector and aggregator in one process
//   luot collector    takes hits, keeps them in the spool, ships them to Redis
//   luot aggregator   counts them, answers reads
//   luot import log FILE... --site S
//   luot import totals FILE --site S, luot import totals --show|--remove --site S
//   luot export --site S --from D --to D
//   luot prune --site S --views-below N --older D
//   luot reclassify --site S --from D --to D
//   luot archive show FILE...
//   luot merge --site S FROM TO, luot merge --site S --file F
//   luot hide --site S PATH
//   luot delete --site S --path P | --day D | --all --yes [--forever]
//   luot corrections --site S, luot undo --site S N
//   luot salt export, luot salt import FILE
//   luot verify [--site S] [--positions]
//   luot check-config F
//   luot doctor [URL]
//   luot explain URL [--ua A] [--referer R] [--ip A] ...
//   luot top [--once]

#include "core/http/address.hpp"
#include "core/local_time.hpp"
#include "core/log.hpp"
#include "luot/admin_port.hpp"
#include "luot/commands.hpp"
#include "luot/corrections.hpp"
#include "luot/explanation.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <unistd.h>

namespace {

constexpr std::int32_t most_days = 36'500;

/// A file opened as descriptor 0, 1 or 2 would get what is meant for the terminal or the log.
void open_standard_descriptors()
{
    int descriptor = 0;
    do
        descriptor = ::open("/dev/null", O_RDWR);
    while (descriptor >= 0 && descriptor <= STDERR_FILENO);
    if (descriptor > STDERR_FILENO)
        ::close(descriptor);
}

/// CLI11 asks for a command before it looks at what stands in its place.
std::string what_is_wrong(const CLI::App& app, const CLI::ParseError& error)
{
    const auto unknown = app.remaining(true);
    return unknown.empty() ||
                   error.get_exit_code() != static_cast<int>(CLI::ExitCodes::RequiredError)
               ? error.what()
               : "unknown command or option " + unknown.front();
}

/// "30d" or "30"; 0 when it is no number of days.
std::int32_t days_of(std::string_view text)
{
    if (text.ends_with('d'))
        text.remove_suffix(1);
    std::int32_t days = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), days);
    const bool is_whole = error == std::errc{} && end == text.data() + text.size();
    return is_whole && days > 0 && days <= most_days ? days : 0;
}

// A common browser's: who asks how a page is counted asks for a reader.
constexpr const char* usual_browser =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36";

std::string is_ip_address(const std::string& text)
{
    luot::http::ip_address ignored;
    return luot::http::parse_address(text, ignored) ? std::string{} : "must be an IP address";
}

std::string is_admin_address(const std::string& text)
{
    return luot::parse_listen_address(text) ? std::string{}
                                            : "must be an IP address and a port: 127.0.0.1:9180";
}

/// No header of a request, and no argument of curl, may be more than one line.
std::string is_one_line(const std::string& text)
{
    for (const char c : text)
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7F')
            return "must not have control characters";
    return text.size() <= 8000 ? std::string{} : "is longer than 8,000 bytes";
}

}  // namespace

int main(int argc, char** argv)
{
    open_standard_descriptors();
    CLI::App app{"Counts how often the pages of a site are read, and shows it on those pages.",
                 "luot"};
    app.set_version_flag("--version", "luot " LUOT_VERSION);
    app.require_subcommand(1);
    app.fallthrough();

    std::string level = "info", format = "text";
    app.add_option("--log-level", level, "least level that is logged")
        ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
        ->capture_default_str();
    app.add_option("--log-format", format, "one line a message, as text or as a JSON object")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();

    std::string config_file = "/etc/luot/luot.toml";
    const auto takes_config = [&](CLI::App* command) {
        command->add_option("--config", config_file, "configuration file")->capture_default_str();
        return command;
    };
    auto* serve =
        takes_config(app.add_subcommand("serve", "collector and aggregator in one process"));
    auto* collector = takes_config(app.add_subcommand(
        "collector", "takes hits, keeps them in the spool, ships them to Redis"));
    auto* aggregator =
        takes_config(app.add_subcommand("aggregator", "counts the hits in Redis, answers reads"));

    for (auto* daemon : {serve, collector, aggregator})
        daemon->footer(
            "SIGTERM ends it in order, SIGHUP reads the configuration again. What a service "
            "manager\n"
            "such as systemd sets is honoured: listening sockets by LISTEN_PID, LISTEN_FDS and\n"
            "LISTEN_FDNAMES (named public and admin; without names in this order), and by "
            "NOTIFY_SOCKET\n"
            "it is told READY=1, RELOADING=1, STOPPING=1 and, with WATCHDOG_USEC, WATCHDOG=1 as "
            "long\n"
            "as the event loops turn.");

    auto* import = app.add_subcommand("import", "brings in what was counted elsewhere");
    import->require_subcommand(1);
    std::string totals_file, site, url_pattern;
    bool first_visits_only = false, is_shown = false, is_removed = false;
    auto* totals = takes_config(
        import->add_subcommand("totals", "the site's starting totals, replacing former ones"));
    auto* totals_source = totals->add_option_group("what is done");
    totals_source->require_option(1);
    totals_source->add_option("FILE", totals_file,
                              "rows `path,views` and `*,views,visits` for the site; what luot "
                              "export wrote; GoatCounter's export; articles with hitstotal");
    totals_source->add_flag("--show", is_shown, "prints them, as a file that can be imported");
    totals_source->add_flag("--remove", is_removed, "takes them back");
    totals->add_option("--site", site, "id of the site")->required();
    totals->add_option("--url-pattern", url_pattern,
                       "an article's address by the columns: \"/{catalias}/{alias}-{id}.html\"");
    totals->add_flag("--first-visits", first_visits_only,
                     "of GoatCounter's hits only the first of a page in a session");

    std::string from, to, table_format = "csv";
    auto* exported = takes_config(app.add_subcommand(
        "export", "prints a site's counts: of all time, by days and months, by pages"));
    const auto is_date = [](const std::string& text) {
        std::int32_t date = 0;
        return luot::parse_date(text, date) ? std::string{} : "must be a date, such as 2021-07-26";
    };
    exported->add_option("--site", site, "id of the site")->required();
    exported->add_option("--from", from, "the first day")->required()->check(is_date);
    exported->add_option("--to", to, "the last day, included")->required()->check(is_date);
    exported->add_option("--format", table_format, "")
        ->check(CLI::IsMember({"csv", "json"}))
        ->capture_default_str();

    luot::import_log_options log;
    auto* log_import = takes_config(import->add_subcommand(
        "log", "access logs as hits; a line that was imported is not imported again"));
    log_import->add_option("FILE", log.files, "access logs, also .gz; - : standard input")
        ->required();
    log_import->add_option("--site", log.site, "id of the site")->required();
    log_import
        ->add_option("--format", log.format,
                     "combined, common, vhost_combined, json, caddy or traefik")
        ->check(CLI::IsMember({"combined", "common", "vhost_combined", "json", "caddy", "traefik"}))
        ->capture_default_str();
    log_import
        ->add_option("--field", log.fields,
                     "where JSON has a field: time=ts, path=request_uri ... (again for each)")
        ->allow_extra_args(false);
    log_import->add_option("--method", log.methods, "methods of pages (default GET)")
        ->delimiter(',')
        ->allow_extra_args(false);
    log_import->add_option("--status", log.statuses, "status codes of pages (default 200-299,304)")
        ->delimiter(',')
        ->allow_extra_args(false);
    log_import
        ->add_option("--static", log.static_extensions,
                     "extensions of files that are no pages (default: GoAccess's)")
        ->delimiter(',')
        ->allow_extra_args(false);
    log_import->add_flag("--host-names", log.takes_host_names,
                         "takes names of hosts for clients, too (HostnameLookups)");
    log_import
        ->add_option("--round", log.round,
                     "lines count once in each round: another one counts a log again whose counts "
                     "were deleted (luot delete), or whose lines came to nothing; else its lines "
                     "count twice. Keep to it for that log from then on")
        ->check(CLI::Range(std::uint32_t{1}, luot::most_import_rounds))
        ->capture_default_str();
    log_import->add_flag("--follow", log.follows,
                         "goes on as the last log grows, over its rotation");
    log_import->add_flag("--dry-run", log.is_dry_run, "reads and says what it found; no Redis");
    log_import->add_flag("--quiet", log.is_quiet, "no progress and no summary");

    auto* prune = takes_config(app.add_subcommand(
        "prune", "takes paths that hardly anybody has read out of a site's pages, into (other)"));
    std::uint64_t views_below = 0;
    std::string older;
    bool is_dry_run = false;
    prune->add_option("--site", site, "id of the site")->required();
    prune->add_option("--views-below", views_below, "only paths with fewer views")
        ->required()
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 52));
    prune
        ->add_option("--older", older,
                     "only paths first seen longer ago than so many days (\"30d\")")
        ->required()
        ->check([](const std::string& text) {
            return days_of(text) > 0 ? std::string{} : "must be a number of days, such as 30d";
        });
    prune->add_flag("--dry-run", is_dry_run, "says what would be done, and does nothing");

    auto* reclassified = takes_config(app.add_subcommand(
        "reclassify", "counts days again from the archive, by the lists of bots of today"));
    std::vector<std::string> archives;
    reclassified->add_option("--site", site, "id of the site")->required();
    reclassified->add_option("--from", from, "the first day")->required()->check(is_date);
    reclassified->add_option("--to", to, "the last day, included")->required()->check(is_date);
    reclassified
        ->add_option("--archive", archives,
                     "a folder or file of an archive (again for each collector; default "
                     "archive.dir)")
        ->allow_extra_args(false);
    reclassified->add_flag("--dry-run", is_dry_run, "says what would change, and changes nothing");

    auto* archive = app.add_subcommand("archive", "the archive of accepted hits");
    archive->require_subcommand(1);
    std::vector<std::string> shown_files;
    auto* archive_show = archive->add_subcommand("show", "prints its hits, one JSON object a line");
    archive_show->add_option("FILE", shown_files, "files or folders of archives")->required();
    auto* merge = takes_config(
        app.add_subcommand("merge", "counts what is read under an address for another page, too"));
    std::string merged_from, merged_to, pairs_file;
    merge->add_option("--site", site, "id of the site")->required();
    auto* from_option =
        merge->add_option("FROM", merged_from, "address that is another page's now");
    auto* to_option = merge->add_option("TO", merged_to, "that page")->needs(from_option);
    from_option->needs(to_option);
    merge->add_option("--file", pairs_file, "rows `from,to`; - : standard input")
        ->excludes(from_option);

    auto* hide = takes_config(
        app.add_subcommand("hide", "takes a page out of all lists; it is counted as before"));
    std::string path;
    hide->add_option("--site", site, "id of the site")->required();
    hide->add_option("PATH", path, "address of the page")->required();

    auto* deleted = takes_config(app.add_subcommand(
        "delete", "takes the counts of a page, of a day or of a whole site out"));
    luot::delete_request asked;
    std::string deleted_day;
    bool is_sure = false;
    deleted->add_option("--site", site, "id of the site")->required();
    auto* what_deleted = deleted->add_option_group("what is deleted");
    what_deleted->require_option(1);
    what_deleted->add_option("--path", asked.path, "a page, by its address");
    what_deleted->add_option("--day", deleted_day, "a day, such as 2021-07-26")->check(is_date);
    auto* all_option = what_deleted->add_flag("--all", asked.is_all, "all counts of the site");
    deleted->add_flag("--forever", asked.is_for_good,
                      "keeps nothing for an undo (with --all: nor the log of corrections)");
    deleted->add_flag("--yes", is_sure, "goes with --all: that is meant")->needs(all_option);

    auto* corrections =
        takes_config(app.add_subcommand("corrections",
                                        "lists what was merged, hidden, pruned, deleted, imported "
                                        "as totals and reclassified, by whom and when"));
    corrections->add_option("--site", site, "id of the site")->required();

    auto* undo = takes_config(app.add_subcommand("undo", "takes a correction back"));
    std::uint64_t correction = 0;
    undo->add_option("--site", site, "id of the site")->required();
    undo->add_option("N", correction, "its number in `luot corrections`")
        ->required()
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 52));

    auto* salt = app.add_subcommand("salt", "the secret behind visitor ids, for another collector");
    salt->require_subcommand(1);
    auto* salt_export = takes_config(
        salt->add_subcommand("export", "prints this collector's salts: keep them from others"));
    std::string salts_file;
    auto* salt_import = takes_config(
        salt->add_subcommand("import", "takes over another collector's, before the start"));
    salt_import
        ->add_option("FILE", salts_file, "what `luot salt export` printed; - : standard input")
        ->required();

    std::string verified_site;
    bool with_positions = false;
    auto* verify = takes_config(
        app.add_subcommand("verify", "checks, beside a running luot, that all counts add up"));
    verify->add_option("--site", verified_site, "only this site");
    verify->add_flag("--positions", with_positions, "also prints how far each log has got");

    luot::asked_hit hit;
    hit.user_agent = usual_browser;
    bool as_json = false, is_once = false;
    std::vector<std::string> admin_addresses;
    const auto takes_reader = [&](CLI::App* command) {
        command
            ->add_option("--ua", hit.user_agent, "User-Agent of the reader (default: a browser's)")
            ->check(is_one_line);
        command->add_option("--referer", hit.referrer, "address of the page before it");
        command->add_option("--ip", hit.address, "address of the reader")->check(is_ip_address);
        command->add_flag("--json", as_json, "for programs");
        return takes_config(command);
    };
    const auto takes_admin = [&](CLI::App* command) {
        command
            ->add_option("--admin", admin_addresses,
                         "admin port of a daemon (again for each; default listen.admin)")
            ->check(is_admin_address)
            ->allow_extra_args(false);
    };
    auto* explained = takes_reader(
        app.add_subcommand("explain", "says what a read of a page counts as, and why"));
    explained->add_option("URL", hit.url, "address of the page")->required()->check(is_one_line);
    explained->add_option("--site", site, "id of the site (default: those that have its host)");
    explained->add_option("--canonical", hit.canonical, "what the page says of its own address");
    explained->add_option("--title", hit.title, "title of the page");
    explained->add_option("--section", hit.section, "section that the page names");
    explained->add_option("--language", hit.language, "language of the browser, such as vi-VN");
    explained->add_option("--width", hit.width, "width of the screen, in CSS pixels");
    explained->add_option("--event", hit.event, "name of an event, instead of a view");
    explained->add_flag("--automated", hit.is_automated, "the browser says that it is automated");
    explained->add_flag("--gpc", hit.global_privacy, "the browser sends Sec-GPC: 1");
    explained->add_flag("--dnt", hit.do_not_track, "the browser sends DNT: 1");
    explained->add_flag("--prefetch", hit.is_prefetch, "the browser fetches it in advance");

    auto* doctor = takes_reader(app.add_subcommand(
        "doctor",
        "looks whether all is as it must be, and says what to do; with a URL, whether "
        "that page is counted"));
    doctor->add_option("URL", hit.url, "a page to be fetched and looked at")->check(is_one_line);
    takes_admin(doctor);

    auto* top = takes_config(app.add_subcommand("top", "shows what happens right now"));
    top->add_flag("--once", is_once, "one picture, as text");
    takes_admin(top);

    std::string checked_file;
    auto* check =
        app.add_subcommand("check-config", "checks a configuration file and prints it whole");
    check->add_option("FILE", checked_file, "configuration file")->required();

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        if (e.get_exit_code() == 0)
            return app.exit(e);
        std::fprintf(stderr, "luot: %s (see luot --help)\n", what_is_wrong(app, e).c_str());
        return 2;
    }

    const auto least = level == "debug"   ? luot::log::level::debug
                       : level == "warn"  ? luot::log::level::warn
                       : level == "error" ? luot::log::level::error
                                          : luot::log::level::info;
    luot::log::set_up(least, format == "json");
    try {
        if (*serve)
            return luot::run_daemon(config_file, {true, true});
        if (*collector)
            return luot::run_daemon(config_file, {true, false});
        if (*aggregator)
            return luot::run_daemon(config_file, {false, true});
        if (*log_import)
            return luot::import_log_files(config_file, log);
        if (*totals && is_shown)
            return luot::show_totals(config_file, site);
        if (*totals && is_removed)
            return luot::remove_totals(config_file, site);
        if (*totals)
            return luot::import_totals_file(config_file, totals_file, site, url_pattern,
                                            first_visits_only);
        if (*exported || *reclassified) {
            std::int32_t first = 0, last = 0;
            if (!luot::parse_date(from, first) || !luot::parse_date(to, last) || first > last ||
                last - first >= most_days) {
                std::fprintf(stderr,
                             "luot: --from is later than --to, or a hundred years before it\n");
                return 2;
            }
            if (*reclassified)
                return luot::reclassify_days(config_file, site, first, last, archives, is_dry_run);
            return luot::export_site(config_file, site, first, last, table_format == "json");
        }
        if (*prune)
            return luot::prune_paths(config_file, site, views_below, days_of(older), is_dry_run);
        if (*archive_show)
            return luot::show_archive(shown_files);
        if (*merge && merged_from.empty() == pairs_file.empty()) {
            std::fprintf(stderr, "luot: merge takes FROM and TO, or --file\n");
            return 2;
        }
        if (*merge)
            return luot::merge_paths(config_file, site, merged_from, merged_to, pairs_file);
        if (*hide)
            return luot::hide_path(config_file, site, path);
        if (*deleted && asked.is_all && !is_sure) {
            std::fprintf(stderr, "luot: --all takes all counts of %s out: say --yes, too\n",
                         site.c_str());
            return 2;
        }
        if (*deleted) {
            std::int32_t date = 0;
            if (luot::parse_date(deleted_day, date))
                asked.date = date;
            return luot::delete_counts(config_file, site, asked);
        }
        if (*corrections)
            return luot::list_corrections(config_file, site);
        if (*undo)
            return luot::undo_correction(config_file, site, correction);
        if (*salt_export)
            return luot::export_salts(config_file);
        if (*salt_import)
            return luot::import_salts(config_file, salts_file);
        if (*verify)
            return luot::verify_counts(config_file, verified_site, with_positions);
        if (*explained)
            return luot::explain_hit(config_file, site, hit, as_json);
        if (*doctor && !hit.url.empty())
            return luot::examine_page(config_file, hit, as_json);
        if (*doctor)
            return luot::examine(config_file, admin_addresses, as_json);
        if (*top)
            return luot::show_top(config_file, admin_addresses, is_once);
        if (*check)
            return luot::check_config(checked_file);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 1;
    }
    return 2;
}
