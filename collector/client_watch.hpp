// Whether one address sends most hits: then a proxy of one's own is not in trusted_proxies, and all
// readers look like one. Counted in bounded memory, by keyed hashes that are forgotten soon: no
// address, nor its hash, is ever shown or written.

#pragma once

#include "core/http/address.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace luot::collector {

/// One worker thread's. Looks at runs of hits, one after the other.
class client_watch {
public:
    /// Hits of a run.
    static constexpr std::uint32_t run = 256;

    client_watch();

    /// Counts a hit of a client. The last one of a run answers how many of it came, at least, from
    /// the client that sent most (too few by a ninth of the others' at most); what is known of the
    /// run is then forgotten.
    [[nodiscard]] std::optional<std::uint32_t> count(const http::ip_address& client) noexcept;

private:
    // The counters of Misra and Gries ("Finding repeated elements", 1982): who sends more than a
    // ninth of a run has one at its end.
    struct counted {
        std::uint64_t hash = 0;
        std::uint32_t hits = 0;
    };
    std::array<counted, 8> clients_{};
    std::uint32_t seen_ = 0;
    std::uint64_t seed_;
};

}  // namespace luot::collector
