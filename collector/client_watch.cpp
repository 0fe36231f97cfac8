#include "collector/client_watch.hpp"

#include "core/bytes.hpp"

#include <algorithm>
#include <string_view>

namespace luot::collector {

client_watch::client_watch() : seed_(random_u64()) {}

std::optional<std::uint32_t> client_watch::count(const http::ip_address& client) noexcept
{
    const auto key = http::client_key(client);
    const auto hash = checksum({reinterpret_cast<const char*>(key.data()), key.size()}, seed_);
    counted* free = nullptr;
    counted* mine = nullptr;
    for (auto& c : clients_) {
        if (c.hits == 0)
            free = &c;
        else if (c.hash == hash)
            mine = &c;
    }
    if (mine != nullptr)
        ++mine->hits;
    else if (free != nullptr)
        *free = {hash, 1};
    else
        for (auto& c : clients_)
            --c.hits;

    if (++seen_ < run)
        return std::nullopt;
    const auto most =
        std::max_element(clients_.begin(), clients_.end(),
                         [](const counted& a, const counted& b) { return a.hits < b.hits; });
    const auto hits = most->hits;
    clients_ = {};
    seen_ = 0;
    return hits;
}

}  // namespace luot::collector
