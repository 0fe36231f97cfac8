#include "collector/country.hpp"

#include <algorithm>
#include <cstring>
#include <maxminddb.h>
#include <netinet/in.h>
#include <stdexcept>

namespace luot::collector {

namespace {

bool is_letter(char c) noexcept
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/// As the database wants it: a mapped IPv4 address is not found as IPv6.
sockaddr_storage socket_address(const http::ip_address& address) noexcept
{
    constexpr std::array<unsigned char, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    sockaddr_storage out{};
    if (std::equal(mapped.begin(), mapped.end(), address.begin())) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(out);
        v4.sin_family = AF_INET;
        std::memcpy(&v4.sin_addr, address.data() + mapped.size(), 4);
    } else {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
        v6.sin6_family = AF_INET6;
        std::memcpy(&v6.sin6_addr, address.data(), address.size());
    }
    return out;
}

}  // namespace

country_code::country_code(std::string_view text) noexcept
{
    if (text.size() != letters_.size() || !is_letter(text[0]) || !is_letter(text[1]))
        return;
    for (std::size_t i = 0; i < letters_.size(); ++i)
        letters_[i] = static_cast<char>(text[i] & ~0x20);  // upper case
}

struct country_db::handle {
    MMDB_s db{};
};

country_db::country_db(const std::string& file_name) : handle_(std::make_unique<handle>())
{
    const int status = MMDB_open(file_name.c_str(), MMDB_MODE_MMAP, &handle_->db);
    if (status != MMDB_SUCCESS)
        throw std::runtime_error("collector.country_db: " + file_name + ": " +
                                 MMDB_strerror(status));
}

country_db::~country_db()
{
    MMDB_close(&handle_->db);
}

country_code country_db::find(const http::ip_address& address) const noexcept
{
    const auto at = socket_address(address);
    int error = MMDB_SUCCESS;
    auto found = MMDB_lookup_sockaddr(&handle_->db, reinterpret_cast<const sockaddr*>(&at), &error);
    if (error != MMDB_SUCCESS || !found.found_entry)
        return {};
    static constexpr const char* max_mind[] = {"country", "iso_code", nullptr};
    static constexpr const char* flat[] = {"country_code", nullptr};
    for (const auto* path : {max_mind, flat}) {
        MMDB_entry_data_s value{};
        if (MMDB_aget_value(&found.entry, &value, path) == MMDB_SUCCESS && value.has_data &&
            value.type == MMDB_DATA_TYPE_UTF8_STRING)
            return country_code({value.utf8_string, value.data_size});
    }
    return {};
}

}  // namespace luot::collector
