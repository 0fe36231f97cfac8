// What the program can do: one function a command, each in a file of its own. All answer the exit
// status: 0 success, 1 failure, 2 wrong usage, configuration or environment.

#pragma once

#include <string>

namespace luot {

/// Which daemons run in this process.
struct roles {
    bool collector = false;
    bool aggregator = false;
};

/// `luot serve`, `luot collector`, `luot aggregator`: until SIGTERM or SIGINT.
int run_daemon(const std::string& config_file, roles r);

int import_totals_file(const std::string& config_file, const std::string& csv_file,
                       const std::string& site);

/// Checks all that must always be true, beside a running luot. `site`: only this one, empty: all.
/// `with_positions`: also prints how far each log has got.
int verify_counts(const std::string& config_file, const std::string& site, bool with_positions);

int check_config(const std::string& config_file);

}  // namespace luot
