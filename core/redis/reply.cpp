#include "core/redis/reply.hpp"

#include <hiredis/hiredis.h>

#include <charconv>
#include <new>

namespace luot::redis {

namespace {

const redisReplyObjectFunctions& plain_functions()
{
    static const auto functions = [] {
        const std::unique_ptr<redisReader, decltype(&redisReaderFree)> reader(redisReaderCreate(),
                                                                              &redisReaderFree);
        if (!reader)
            throw std::bad_alloc();
        return *reader->fn;
    }();
    return functions;
}

/// hiredis 0.14 knows no limit: what is over it is refused as if there were no memory.
void* create_limited_array(const redisReadTask* task, int elements)
{
    const bool fits = elements <= static_cast<int>(max_reply_elements);
    return fits ? plain_functions().createArray(task, elements) : nullptr;
}

redisReplyObjectFunctions* limited_functions()
{
    static auto functions = [] {
        auto f = plain_functions();
        f.createArray = &create_limited_array;
        return f;
    }();
    return &functions;
}

}  // namespace

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

void reply_release::operator()(redisReply* r) const noexcept
{
    freeReplyObject(r);
}

void replies::add(owned_reply r)
{
    all_.push_back(std::move(r));
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

void reply_parser::release::operator()(redisReader* r) const noexcept
{
    redisReaderFree(r);
}

reply_parser::reply_parser() : reader_(redisReaderCreateWithFunctions(limited_functions()))
{
    if (!reader_)
        throw std::bad_alloc();
}

error_code reply_parser::feed(std::string_view bytes)
{
    if (redisReaderFeed(reader_.get(), bytes.data(), bytes.size()) != REDIS_OK)
        return errc::redis_protocol;
    return {};
}

result<owned_reply> reply_parser::next()
{
    void* parsed = nullptr;
    if (redisReaderGetReply(reader_.get(), &parsed) != REDIS_OK)
        return errc::redis_protocol;
    return owned_reply{static_cast<redisReply*>(parsed)};
}

}  // namespace luot::redis
