#include "import/text_digest.hpp"

#include "core/bytes.hpp"

#include <new>
#include <string>
#include <xxhash.h>

namespace luot::importer {
namespace {

std::string_view without_return(std::string_view line) noexcept
{
    return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

}  // namespace

void text_digest::release::operator()(XXH3_state_s* s) const noexcept
{
    XXH3_freeState(s);
}

text_digest::text_digest() : state_(XXH3_createState())
{
    if (!state_)
        throw std::bad_alloc();
    reset();
}

void text_digest::reset() noexcept
{
    XXH3_64bits_reset(state_.get());
}

void text_digest::add(std::string_view line) noexcept
{
    const auto text = without_return(line);
    XXH3_64bits_update(state_.get(), text.data(), text.size());
    XXH3_64bits_update(state_.get(), "\n", 1);
}

std::uint64_t text_digest::value() const noexcept
{
    return XXH3_64bits_digest(state_.get());
}

std::uint64_t producer_of(std::string_view site, std::string_view first_line, std::uint32_t round)
{
    std::string name(site);
    // No site's id has a line feed: names of different rounds are different texts.
    if (round > 1)
        name += '\n' + std::to_string(round);
    name += '\0';
    name += without_return(first_line);
    return checksum(name);
}

}  // namespace luot::importer
