#include "collector/network_list.hpp"

#include "core/bytes.hpp"
#include "core/utf8.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

namespace luot::collector {

namespace {

/// The address behind this one; the last one stays.
http::ip_address next(http::ip_address address)
{
    const http::ip_address from = address;
    for (auto byte = address.rbegin(); byte != address.rend(); ++byte) {
        if (++*byte != 0)
            return address;
    }
    return from;
}

}  // namespace

network_list::network_list(const std::vector<network>& networks)
{
    std::vector<range> all;
    all.reserve(networks.size());
    for (const auto& n : networks) {
        auto& r = all.emplace_back();
        std::copy(std::begin(n.bytes), std::end(n.bytes), r.first.begin());
        r.last = r.first;
        for (unsigned bit = n.prefix_bits; bit < 128; ++bit)
            r.last[bit / 8] |= static_cast<unsigned char>(0x80U >> bit % 8);
    }
    std::sort(all.begin(), all.end(),
              [](const range& a, const range& b) { return a.first < b.first; });
    for (const auto& r : all) {
        if (ranges_.empty() || r.first > next(ranges_.back().last))
            ranges_.push_back(r);
        else
            ranges_.back().last = std::max(ranges_.back().last, r.last);
    }
    ranges_.shrink_to_fit();
}

network_list network_list::parse(std::string_view text, const std::string& file_name)
{
    if (text.starts_with("\xEF\xBB\xBF"))
        text.remove_prefix(3);
    std::vector<network> networks;
    for (std::size_t line_number = 1; !text.empty(); ++line_number) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const auto said = without_blanks(line.substr(0, line.find('#')));
        if (said.empty())
            continue;
        const auto n = parse_network(said);
        if (!n)
            throw std::runtime_error(utf8::one_line(
                file_name + ':' + std::to_string(line_number) + ": \"" +
                std::string(said.substr(0, 100)) +
                "\" is no network; write one a line, such as 192.0.2.0/24 or 2001:db8::/32"));
        networks.push_back(*n);
    }
    return network_list(networks);
}

network_list network_list::load(const std::string& file_name, const std::string& key)
{
    const auto fail = [&](const std::string& why) {
        throw std::runtime_error(utf8::one_line(key + ": " + file_name + ": " + why));
    };
    errno = 0;
    std::ifstream file(file_name, std::ios::binary);
    std::string text;
    std::array<char, 1 << 16> part;
    while (file.read(part.data(), part.size()), file.gcount() > 0) {
        text.append(part.data(), static_cast<std::size_t>(file.gcount()));
        if (text.size() > most_bytes)
            fail("is larger than 64 MiB");
    }
    if (!file.is_open() || file.bad())
        fail(std::generic_category().message(errno != 0 ? errno : EIO));
    return parse(text, file_name);
}

bool network_list::contains(const http::ip_address& address) const noexcept
{
    const auto behind =
        std::upper_bound(ranges_.begin(), ranges_.end(), address,
                         [](const http::ip_address& a, const range& r) { return a < r.first; });
    return behind != ranges_.begin() && address <= std::prev(behind)->last;
}

}  // namespace luot::collector
