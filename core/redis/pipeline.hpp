// Commands for Redis, formatted as they are added. Arguments are bytes: nothing a client says can
// become a command.

#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace luot::redis {

/// A Lua script and the name that Redis knows it by.
class script {
public:
    explicit script(std::string_view source);

    [[nodiscard]] std::string_view source() const noexcept { return source_; }
    [[nodiscard]] std::string_view sha1() const noexcept { return sha1_; }

private:
    std::string_view source_;
    std::string sha1_;
};

/// The arguments of one command, put together piece by piece.
class command {
public:
    /// Arguments without a name, for append().
    command() = default;
    explicit command(std::string_view name) { add(name); }

    command& add(std::string_view argument);
    template <std::integral T>
    command& add(T number)
    {
        char digits[24];
        const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
        return add(std::string_view(digits, static_cast<std::size_t>(end - digits)));
    }
    /// All arguments of another, in order.
    command& append(const command& other);

    [[nodiscard]] std::size_t size() const noexcept { return ends_.size(); }

private:
    friend class pipeline;
    std::string bytes_;
    std::vector<std::size_t> ends_;
};

/// Commands that are sent together and answered in order.
class pipeline {
public:
    /// add("HGET", key, field), numbers are written in decimal.
    template <class... Arguments>
    pipeline& add(std::string_view name, const Arguments&... arguments)
    {
        command c{name};
        (c.add(arguments), ...);
        return add(c);
    }
    pipeline& add(const command& c);

    [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::size_t size() const noexcept { return count_; }

private:
    std::string bytes_;
    std::size_t count_ = 0;
};

/// EVALSHA of a script; add the keys (`key_count` of them), then the arguments.
[[nodiscard]] command evaluate(const script& s, std::size_t key_count);

}  // namespace luot::redis
