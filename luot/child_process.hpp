// Small tools that luot runs to their end, and whether a program is there at all.

#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace luot {

/// The exit status of a child whose program could not be executed, as the shells have it.
inline constexpr int exec_failed = 127;

/// Whether a program of this name is in PATH.
[[nodiscard]] bool is_installed(const std::string& program);

/// The arguments as execvp takes them: pointers into `arguments`, and a null behind them.
[[nodiscard]] std::vector<char*> argv_of(const std::vector<std::string>& arguments);

/// Runs a program with nothing on its input and answers what it wrote on standard output (1 MiB at
/// most; its standard error is thrown away). Empty when it could not be started. Waits for its end.
[[nodiscard]] std::string output_of(const std::vector<std::string>& arguments);

struct child_output {
    int status = -1;  ///< exit status; -1: it was killed, or could not be started
    std::string output, errors;
    bool is_cut = false;   ///< it wrote more than was asked for, and was killed
    bool is_late = false;  ///< it took too long, and was killed
};

/// The same with both of what it wrote, so many bytes of each and so much time at most.
[[nodiscard]] child_output run_child(const std::vector<std::string>& arguments,
                                     std::size_t most_bytes, std::chrono::milliseconds most);

}  // namespace luot
