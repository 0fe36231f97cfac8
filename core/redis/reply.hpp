// What Redis answered: an owning handle and typed views. hiredis parses, nobody else sees its
// types.

#pragma once

#include "core/error.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

struct redisReader;
struct redisReply;

namespace luot::redis {

/// A view of one reply; valid as long as the replies it came from. Every accessor answers something
/// harmless when the reply is of another type: what Redis says is checked, never trusted.
class reply_view {
public:
    explicit reply_view(const redisReply* r = nullptr) noexcept : reply_(r) {}

    [[nodiscard]] bool is_error() const noexcept;
    [[nodiscard]] bool is_null() const noexcept;
    [[nodiscard]] bool is_array() const noexcept;
    /// The text of a string, status or error; empty else.
    [[nodiscard]] std::string_view text() const noexcept;
    /// An integer, or a string that is one; nullopt else.
    [[nodiscard]] std::optional<std::int64_t> number() const noexcept;
    /// The same, 0 for nothing. For counters, where absence is zero.
    [[nodiscard]] std::int64_t count() const noexcept { return number().value_or(0); }
    /// Elements of an array; 0 for anything else.
    [[nodiscard]] std::size_t size() const noexcept;
    /// An element; a null reply when there is none.
    [[nodiscard]] reply_view operator[](std::size_t i) const noexcept;
    /// Whether it is an error that begins with this word ("NOSCRIPT").
    [[nodiscard]] bool is_error(std::string_view code) const noexcept;

private:
    const redisReply* reply_;
};

struct reply_release {
    void operator()(redisReply* r) const noexcept;
};
/// One reply, owned. Not null, but for the end of what a parser has.
using owned_reply = std::unique_ptr<redisReply, reply_release>;

/// The replies to a pipeline, in order. Owns them.
class replies {
public:
    void add(owned_reply r);
    [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
    [[nodiscard]] reply_view operator[](std::size_t i) const noexcept;
    /// The first error among them; a null view when there is none.
    [[nodiscard]] reply_view first_error() const noexcept;

private:
    std::vector<owned_reply> all_;
};

/// Elements that an array may have at most: no read of luot comes near it, and room for as many as
/// are announced is taken before the first one is there.
inline constexpr std::size_t max_reply_elements = 1 << 20;

/// Replies out of the bytes of one connection, however they are cut. No I/O. After an error nothing
/// more can be had of the connection.
class reply_parser {
public:
    reply_parser();

    /// Takes the next bytes. Errors: redis_protocol.
    [[nodiscard]] error_code feed(std::string_view bytes);

    /// The next whole reply; null when it needs more bytes. Errors: redis_protocol (not the
    /// protocol, nested deeper than 7 arrays, an array over its limit, no memory).
    [[nodiscard]] result<owned_reply> next();

private:
    struct release {
        void operator()(redisReader* r) const noexcept;
    };
    std::unique_ptr<redisReader, release> reader_;
};

}  // namespace luot::redis
