#include "aggregator/batch.hpp"

#include "core/bytes.hpp"

#include <cstdint>
#include <string_view>

namespace luot::aggregator {

error_code read_batch(const redis::reply_view& stream, std::vector<entry>& out)
{
    for (std::size_t i = 0; i < stream.size(); ++i) {
        const auto id = stream[i][0].text();
        const auto fields = stream[i][1];
        auto& e = out.emplace_back();
        e.id = id;
        std::uint64_t ms = 0;
        (void)parse_number(id.substr(0, id.find('-')), ms);
        e.time_ms = static_cast<std::int64_t>(ms);
        std::string_view encoded;
        for (std::size_t f = 0; f + 1 < fields.size(); f += 2) {
            const auto name = fields[f].text();
            const auto value = fields[f + 1];
            if (name == "v" && value.count() > hit_format) {
                out.pop_back();
                return out.empty() ? errc::newer_format : error_code{};
            }
            if (name == "p")
                e.producer = value.text();
            else if (name == "f")
                e.prev = static_cast<std::uint64_t>(value.count());
            else if (name == "l")
                e.last = static_cast<std::uint64_t>(value.count());
            else if (name == "h")
                encoded = value.text();
        }
        decode_hits(encoded, e);
    }
    return {};
}

}  // namespace luot::aggregator
