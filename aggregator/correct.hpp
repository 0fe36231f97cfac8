// One step of a correction as a call of correct.lua: put together, written down, taken back.

#pragma once

#include "core/redis/pipeline.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace luot::aggregator {

[[nodiscard]] const redis::script& correct_script();

/// A letter of correct.lua with its keys and what follows them.
struct change {
    char what = 0;
    std::vector<std::string> keys, arguments;

    bool operator==(const change&) const = default;
};
using changes = std::vector<change>;

/// Adds to a count of a hash, or to a row; a row's key that is new ends then (Unix ms; 0: never). A
/// new row of a breakdown that has no room for it is counted in "(other)".
[[nodiscard]] change add_count(std::string key, std::string field, std::int64_t delta);
[[nodiscard]] change add_row(std::string key, std::string member, std::int64_t delta,
                             std::int64_t ends_ms);
/// Gives so much of a row to another one: it must have as much, or as much as it has.
[[nodiscard]] change move_row(std::string key, std::string from, std::string to, std::int64_t count,
                              bool is_exact);
/// Puts a page's visitors of a day back into the day's index of them: as many as its HyperLogLog
/// says where it is kept yet, else `count`, or what has been counted since when that is more.
[[nodiscard]] change put_visitors(const std::string& index, const std::string& page,
                                  std::int64_t count, std::int64_t ends_ms);
[[nodiscard]] change take_field(std::string key, std::string field, std::string value);
[[nodiscard]] change rename(std::string from, std::string to);
/// Puts a key of a site that was renamed back, with what has come in its place meanwhile.
[[nodiscard]] change put_back(std::string kept, std::string key);
[[nodiscard]] change count_visitors(std::string hyperloglog, std::string day, std::string month,
                                    std::string totals);

/// What takes changes back, last one first. Names and the log are left out.
[[nodiscard]] changes inverse(const changes& made);

/// Changes as bytes that Redis keeps, and back; nullopt: damaged.
[[nodiscard]] std::string encode(const changes& list);
[[nodiscard]] std::optional<changes> decode_changes(std::string_view bytes);

/// What a step changes besides what its changes say.
enum class step_kind : std::uint8_t { names, pages, whole_site };

/// The call for a site whose log has the mark; it gets `next`.
[[nodiscard]] redis::command correct_command(const std::string& site, std::string_view mark,
                                             std::string_view next, step_kind kind,
                                             const changes& list);

}  // namespace luot::aggregator
