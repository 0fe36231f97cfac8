// How far an import has got: a line on the terminal that is drawn again and again.

#pragma once

#include <cstdint>
#include <string>

namespace luot {

/// One thread at a time.
class import_progress {
public:
    /// `shown`: whether to draw at all. `whole_bytes`: of all files on the disk; 0: not known.
    import_progress(bool shown, std::uint64_t whole_bytes);

    /// Draws when the last time was long enough ago.
    void show(std::uint64_t lines, std::uint64_t bytes);
    /// A line for the person in front of it, above the one that is drawn.
    void say(const std::string& line);
    /// Takes the line away.
    void clear();

    /// Since it was made.
    [[nodiscard]] double seconds() const;

private:
    bool shown_;
    bool is_drawn_ = false;
    std::uint64_t whole_bytes_;
    std::int64_t begun_ms_, drawn_ms_;
};

/// "3,456,789"
[[nodiscard]] std::string grouped(std::uint64_t number);

}  // namespace luot
