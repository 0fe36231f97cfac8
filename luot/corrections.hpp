// The commands that correct what was counted (docs/corrections.md). All answer the exit status, as
// those of commands.hpp.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace luot {

/// Makes one address (or those of a file of pairs, where `file` is not empty) another page's.
int merge_paths(const std::string& config_file, const std::string& site, const std::string& from,
                const std::string& to, const std::string& file);

/// Takes a page out of every list.
int hide_path(const std::string& config_file, const std::string& site, const std::string& path);

/// What is to be deleted: one of the three.
struct delete_request {
    std::string path;
    std::optional<std::int32_t> date;
    bool is_all = false;
    bool is_for_good = false;  ///< and not kept for an undo
};
int delete_counts(const std::string& config_file, const std::string& site,
                  const delete_request& asked);

/// Takes back the correction with that number.
int undo_correction(const std::string& config_file, const std::string& site, std::uint64_t number);

/// Prints the log of a site's corrections.
int list_corrections(const std::string& config_file, const std::string& site);

}  // namespace luot
