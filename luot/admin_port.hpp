// Asks the admin port of a running luot, and reads what its /metrics says.

#pragma once

#include "core/config.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace luot {

/// "127.0.0.1:9180", "[::1]:9180"; nullopt when it is none.
[[nodiscard]] std::optional<listen_address> parse_listen_address(std::string_view text);
[[nodiscard]] std::string text_of(const listen_address& address);
/// Those that an operator told of, without what is no address; else the configuration's own.
[[nodiscard]] std::vector<listen_address> admin_ports(const config& c,
                                                      const std::vector<std::string>& told);

struct http_answer {
    int status = 0;    ///< 0: there was none; `trouble` says why
    std::string head;  ///< status line and header fields
    std::string body;
    std::string trouble;
};

/// GET of a path from an address of this machine or its network (0.0.0.0 and :: are this machine).
/// At most 16 MiB are read; all of it takes `most` at most.
[[nodiscard]] http_answer ask(const listen_address& address, const std::string& path,
                              std::chrono::milliseconds most = std::chrono::seconds(3));

/// The series of a text in Prometheus' format 0.0.4. A line that is none is left out.
class scraped_metrics {
public:
    explicit scraped_metrics(std::string_view text);

    [[nodiscard]] bool has(std::string_view name) const;
    /// The sum of all series of that name; of those with this label alone.
    [[nodiscard]] double sum(std::string_view name) const;
    [[nodiscard]] double sum(std::string_view name, std::string_view label,
                             std::string_view value) const;
    /// The sums by a label's value.
    [[nodiscard]] std::map<std::string, double> by(std::string_view name,
                                                   std::string_view label) const;

private:
    struct series {
        std::map<std::string, std::string> labels;
        double value = 0;
    };
    std::map<std::string, std::vector<series>, std::less<>> all_;
};

}  // namespace luot
