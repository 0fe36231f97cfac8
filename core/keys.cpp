#include "core/keys.hpp"

#include "core/hit.hpp"
#include "core/local_time.hpp"

#include <fmt/format.h>

namespace luot::keys {

namespace {

std::string in_partition(unsigned partition, std::string_view rest)
{
    return fmt::format("luot:{{p{:02}}}:{}", partition, rest);
}

std::string of_site(std::string_view site, std::string_view rest)
{
    return fmt::format("luot:{{p{:02}}}:{}:{}", partition_of(site), site, rest);
}

}  // namespace

// A site's id cannot be one of these words followed by nothing, so partition keys and site keys
// never meet: site keys have one part more.
std::string hits(unsigned partition)
{
    return in_partition(partition, "hits");
}
std::string rejected(unsigned partition)
{
    return in_partition(partition, "rejected");
}
std::string producers(unsigned partition)
{
    return in_partition(partition, "producers");
}
std::string lease(unsigned partition)
{
    return in_partition(partition, "lease");
}
std::string id_sets(unsigned partition)
{
    return in_partition(partition, "ids");
}

std::string id_set(unsigned partition, std::int64_t ten_minutes)
{
    return fmt::format("luot:{{p{:02}}}:ids:{}", partition, ten_minutes);
}

std::string totals(std::string_view site)
{
    return of_site(site, "totals");
}
std::string pages(std::string_view site)
{
    return of_site(site, "pages");
}
std::string baseline(std::string_view site)
{
    return of_site(site, "baseline");
}
std::string seen(std::string_view site)
{
    return of_site(site, "seen");
}

std::string day(std::string_view site, std::int32_t date)
{
    return of_site(site, "day:" + date_text(date));
}

std::string day_visitors(std::string_view site, std::int32_t date)
{
    return of_site(site, "day:" + date_text(date) + ":visitors");
}

std::string day_first_seen(std::string_view site, std::int32_t date)
{
    return of_site(site, "day:" + date_text(date) + ":first_seen");
}

std::string new_paths(std::string_view site, std::int64_t hour)
{
    return of_site(site, fmt::format("new_paths:{}", hour));
}

std::string month(std::string_view site, std::int32_t date)
{
    return of_site(site, "month:" + date_text(date).substr(0, 7));
}

}  // namespace luot::keys
