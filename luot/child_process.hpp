// Small tools that luot runs to their end, and whether a program is there at all.

#pragma once

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

}  // namespace luot
