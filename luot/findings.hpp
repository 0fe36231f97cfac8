// What `luot doctor` has found: one line each, with what to do.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace luot {

enum class state { ok, warn, fail, skip };

struct finding {
    state is = state::ok;
    std::string name;    ///< a word or two: "spool disk"
    std::string what;    ///< what was seen; may hold texts of strangers
    std::string advice;  ///< what to do about it; empty: nothing
};

class findings {
public:
    void ok(std::string_view name, std::string what) { add(state::ok, name, std::move(what), {}); }
    void warn(std::string_view name, std::string what, std::string advice)
    {
        add(state::warn, name, std::move(what), std::move(advice));
    }
    void fail(std::string_view name, std::string what, std::string advice)
    {
        add(state::fail, name, std::move(what), std::move(advice));
    }
    /// Could not be looked at; `why`.
    void skip(std::string_view name, std::string why, std::string advice = {})
    {
        add(state::skip, name, std::move(why), std::move(advice));
    }

    [[nodiscard]] const std::vector<finding>& all() const noexcept { return all_; }
    [[nodiscard]] bool has_failed() const noexcept;

    /// One line each, and a sum; safe on a terminal.
    [[nodiscard]] std::string text() const;
    /// A JSON object; `more` are further members, as JSON: `"pages":[...]`.
    [[nodiscard]] std::string json(std::string_view more = {}) const;

private:
    void add(state is, std::string_view name, std::string what, std::string advice)
    {
        all_.push_back({is, std::string(name), std::move(what), std::move(advice)});
    }

    std::vector<finding> all_;
};

}  // namespace luot
