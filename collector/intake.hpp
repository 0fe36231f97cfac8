// Takes hits in: parse, admit, identify, spool, and the answer once the turn is on disk. One per
// worker thread; README.md tells the way of a hit through this folder.

#pragma once

#include "collector/admit.hpp"
#include "collector/client_watch.hpp"
#include "collector/country.hpp"
#include "collector/identify.hpp"
#include "collector/network_list.hpp"
#include "collector/parse.hpp"
#include "collector/rate_limit.hpp"
#include "collector/salts.hpp"
#include "collector/spool/writer.hpp"
#include "core/config.hpp"
#include "core/http/router.hpp"
#include "core/path.hpp"

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace luot {
class counter;
class metrics_registry;
}  // namespace luot

namespace luot::collector {

/// What the operator's files say of addresses; null: nothing.
struct address_books {
    std::shared_ptr<const country_db> countries;
    std::shared_ptr<const network_list> data_centers;
};

class intake {
public:
    /// `after_turn` is called after each turn, written or refused (to wake the shipper, who brings
    /// hits on or makes room). `log`, `salts` and `rates` must outlive it.
    intake(boost::asio::io_context& context, std::shared_ptr<const config> c, spool::writer& log,
           const salt_chain& salts, rate_limiter& rates, address_books books,
           std::function<void()> after_turn, metrics_registry& metrics);
    ~intake();

    /// GET /hit.gif, POST /hit, GET /luot.js, GET /luot-events.js.
    void add_routes(http::router& routes);

    /// What would become of such a request now, without a trace: none, and the hit as it would be
    /// spooled (encoded, in `record`), or the reason against it. For who asks why a hit is counted
    /// as it is.
    [[nodiscard]] refusal judge(const http::request& r, bool is_pixel, std::string& record);

    /// The answer to a request that was too large to be parsed, counted when it was a hit.
    [[nodiscard]] http::response too_large(std::string_view path);

    /// Works by another configuration, and what belongs to it, from now on.
    void use(std::shared_ptr<const config> c, address_books books);

    /// To be called after salts were deleted.
    void forget_old_keys() { identifier_.forget_old_keys(); }

private:
    struct site {
        const site_config* settings;
        local_zone zone;
        unsigned partition;
    };
    struct owed {
        std::shared_ptr<http::connection> to;
        unsigned partition;
        std::uint64_t offset;
        bool is_pixel;
        bool keeps_alive;                   ///< the connection, as of this request
        std::size_t path_begin, path_size;  ///< in turn_paths_; of a POST only
    };
    struct counters;

    void handle(http::exchange& e, bool is_pixel);
    [[nodiscard]] refusal take(const http::request& r, bool is_pixel, site*& at);
    void watch(const http::request& r, const http::ip_address& client);
    void describe_client(const http::request& r, bool is_from_server,
                         const http::ip_address& client, hit& h);
    [[nodiscard]] refusal find_page(const http::request& r, const site& at);
    [[nodiscard]] http::response refused(refusal why, bool is_pixel);
    void end_turn();
    void give(const owed& answer, bool accepted, std::string& bytes) const;
    static void serve_script(http::exchange& e, std::string_view script, std::string_view gzipped);

    boost::asio::io_context& context_;
    std::shared_ptr<const config> config_;
    address_books books_;
    std::unordered_map<std::string, site> sites_;
    spool::writer& log_;
    identifier identifier_;
    rate_limiter& rates_;
    client_watch watch_;
    std::function<void()> after_turn_;
    std::unique_ptr<counters> counters_;

    hit_fields fields_;
    std::string path_, section_, referrer_, hints_, record_;
    campaign campaign_;
    std::vector<owed> turn_;
    std::string turn_paths_, answer_;
    bool turn_is_posted_ = false;
};

}  // namespace luot::collector
