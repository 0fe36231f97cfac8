#include "aggregator/fold/spam_list.hpp"

#include "aggregator/fold/sources.hpp"
#include "core/bytes.hpp"
#include "core/config.hpp"
#include "core/file.hpp"

#include <algorithm>
#include <functional>
#include <optional>

namespace luot::aggregator {

namespace {

constexpr std::size_t max_file_bytes = 4 << 20;

/// As referrers have it. A whole top-level domain is refused: it is a slip of the hand.
std::optional<std::string> listed_host(std::string_view text)
{
    auto host = canonical_host(text);
    if (!host || host->find('.') == host->npos)
        return std::nullopt;
    if (host->starts_with("www.") && host->find('.', 4) != host->npos)
        host->erase(0, 4);
    return host;
}

/// For an error's one line, whatever stands in the file.
std::string shown(std::string_view text)
{
    std::string out(text.substr(0, 100));
    for (char& c : out) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
            c = '?';
    }
    return '"' + out + '"';
}

}  // namespace

spam_list spam_list::read(const std::string& file_name)
{
    const auto text = read_file(file_name, max_file_bytes + 1);
    if (!text)
        throw config_error(file_name + ": cannot be read: " + text.error().message());
    if (text->size() > max_file_bytes)
        throw config_error(file_name + ": is larger than 4 MiB; is it a list of hosts?");
    return parse(*text, file_name);
}

spam_list spam_list::parse(std::string_view text, const std::string& file_name)
{
    spam_list list;
    if (text.starts_with("\xEF\xBB\xBF"))
        text.remove_prefix(3);
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const auto entry = without_blanks(line.substr(0, line.find('#')));
        if (entry.empty())
            continue;
        auto host = listed_host(entry);
        if (!host)
            throw config_error(file_name + ':' + std::to_string(number) + ": " + shown(entry) +
                               " is no host; write one a line, such as \"spam.example.com\", "
                               "without https:// and path");
        list.hosts_.push_back(std::move(*host));
    }
    std::sort(list.hosts_.begin(), list.hosts_.end());
    list.hosts_.erase(std::unique(list.hosts_.begin(), list.hosts_.end()), list.hosts_.end());
    return list;
}

bool spam_list::names(std::string_view referrer) const noexcept
{
    for (auto suffix = host_of_referrer(referrer); !suffix.empty();) {
        if (std::binary_search(hosts_.begin(), hosts_.end(), suffix, std::less<>{}))
            return true;
        suffix.remove_prefix(std::min(suffix.find('.'), suffix.size() - 1) + 1);
    }
    return false;
}

}  // namespace luot::aggregator
