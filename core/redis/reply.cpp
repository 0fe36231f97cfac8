#include "core/redis/reply.hpp"

#include <hiredis/hiredis.h>

#include <charconv>

namespace luot::redis {

bool reply_view::is_error() const noexcept
{
    return reply_ && reply_->type == REDIS_REPLY_ERROR;
}

bool reply_view::is_null() const noexcept
{
    return !reply_ || reply_->type == REDIS_REPLY_NIL;
}

bool reply_view::is_array() const noexcept
{
    return reply_ && reply_->type == REDIS_REPLY_ARRAY;
}

std::string_view reply_view::text() const noexcept
{
    if (!reply_ || !reply_->str)
        return {};
    return {reply_->str, static_cast<std::size_t>(reply_->len)};
}

std::optional<std::int64_t> reply_view::number() const noexcept
{
    if (!reply_)
        return std::nullopt;
    if (reply_->type == REDIS_REPLY_INTEGER)
        return reply_->integer;
    if (reply_->type != REDIS_REPLY_STRING)
        return std::nullopt;
    const auto digits = text();
    std::int64_t value = 0;
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (failed != std::errc{} || end != digits.data() + digits.size())
        return std::nullopt;
    return value;
}

std::size_t reply_view::size() const noexcept
{
    return is_array() ? reply_->elements : 0;
}

reply_view reply_view::operator[](std::size_t i) const noexcept
{
    return reply_view{i < size() ? reply_->element[i] : nullptr};
}

bool reply_view::is_error(std::string_view code) const noexcept
{
    return is_error() && text().starts_with(code);
}

void replies::add(redisReply* r)
{
    all_.emplace_back(r);
}

reply_view replies::operator[](std::size_t i) const noexcept
{
    return reply_view{i < all_.size() ? all_[i].get() : nullptr};
}

reply_view replies::first_error() const noexcept
{
    for (const auto& r : all_)
        if (r->type == REDIS_REPLY_ERROR)
            return reply_view{r.get()};
    return reply_view{};
}

void replies::release::operator()(redisReply* r) const noexcept
{
    freeReplyObject(r);
}

}  // namespace luot::redis
