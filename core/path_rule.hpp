// A rule of a site by which pages get another path, or a section: `[[site.path_rule]]`. Applied in
// core/path.cpp, so that hits, reads and imports all get the same. docs/paths.md has the rules.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace luot {

/// One rule. Immutable once compiled: copies share what RE2 made of it, and threads may, too.
class path_rule {
public:
    /// Rules of one site.
    static constexpr std::size_t most_rules = 100;
    /// What RE2 may use for one: it refuses a longer one, and is slower, never wrong, where a text
    /// would need more.
    static constexpr std::int64_t memory_bytes = 1 << 20;

    path_rule() = default;

    /// `match`: an RE2 expression, case-sensitive, over UTF-8, looked for anywhere in a path.
    /// `replace` and `section` may name its groups (\1 to \9; \0 is all that matched). Each may be
    /// null, not both. Answers what is wrong, in words for the operator, and which of the three it
    /// is in; nothing for a rule that can be used.
    struct objection {
        std::string key, why;
    };
    [[nodiscard]] objection compile(std::string match, const std::string* replace,
                                    const std::string* section);

    [[nodiscard]] const std::string& match() const noexcept { return match_; }
    [[nodiscard]] const std::string* replace() const noexcept
    {
        return has_replace_ ? &replace_ : nullptr;
    }
    [[nodiscard]] const std::string* section() const noexcept
    {
        return has_section_ ? &section_ : nullptr;
    }

    enum class outcome : unsigned char { no_match, matched, too_long };

    /// Where the path matches: puts the path with every match replaced into `replaced`, if the rule
    /// has a replacement and `replaced` is not null, and the section, if it has one and `section`
    /// is not null: what the groups hold is percent-decoded there. Strings are overwritten only
    /// where it matches; too_long: more than `most_bytes`, or more than 200 places that match.
    [[nodiscard]] outcome apply(std::string_view path, std::size_t most_bytes,
                                std::string* replaced, std::string* section) const;

private:
    struct compiled;

    std::string match_, replace_, section_;
    bool has_replace_ = false, has_section_ = false;
    std::shared_ptr<const compiled> compiled_;
};

}  // namespace luot
