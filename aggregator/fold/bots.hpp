// Which hits come from machines, and of which kind: by the User-Agent (the lists
// crawler-user-agents and isbot, compiled in, matched by RE2) and by what a client says of itself.

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace luot::aggregator {

enum class bot_kind : std::uint8_t { none, search, ai, preview, monitor, library, headless, other };

/// The name of a kind in keys, metrics and answers; empty for none.
[[nodiscard]] std::string_view name_of(bot_kind kind) noexcept;

/// Classifies User-Agents. Not thread-safe (a cache): one a thread. Takes about 15 MB once warm.
class bot_list {
public:
    bot_list();
    ~bot_list();

    /// The kind of client: that of the first pattern of crawler-user-agents that it has; `other`
    /// when only isbot names it. `hint` not 0: it says that it is automated. No User-Agent at all:
    /// a library.
    [[nodiscard]] bot_kind classify(std::string_view user_agent, std::uint32_t hint) const;

    /// How many patterns are known.
    [[nodiscard]] std::size_t size() const noexcept;

private:
    class patterns;
    std::unique_ptr<patterns> patterns_;
};

}  // namespace luot::aggregator
