#include "collector/intake.hpp"

#include "collector/client_hints.hpp"
#include "core/bearer.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/fail_point.hpp"
#include "core/http/server.hpp"
#include "core/log.hpp"
#include "core/metrics.hpp"
#include "core/token.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string_view.hpp>

#include <array>

namespace luot::embedded {
extern const std::string_view luot_js, luot_js_gz, luot_events_js, luot_events_js_gz;
}

namespace luot::collector {

namespace {

// The transparent GIF89a of one pixel, 43 bytes, as nginx and everybody else serves it.
constexpr std::string_view pixel{
    "GIF89a\x01\x00\x01\x00\x80\x01\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x01\x00\x00\x01\x00\x2c"
    "\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x4c\x01\x00\x3b",
    43};

constexpr std::string_view cors_lines =
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Expose-Headers: Luot-Token, Luot-Refused, Retry-After\r\n";
constexpr std::string_view hit_lines =
    "Cache-Control: no-store\r\n"
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Expose-Headers: Luot-Token, Luot-Refused, Retry-After\r\n"
    "Cross-Origin-Resource-Policy: cross-origin\r\n";
constexpr std::string_view gif_type = "image/gif";
constexpr std::string_view json_type = "application/json";

}  // namespace

struct intake::counters {
    explicit counters(metrics_registry& m)
        : received(m.add_counter("luot_hits_received_total", "Hits received.")),
          accepted(m.add_counter("luot_hits_accepted_total",
                                 "Hits acknowledged: they are in the spool.")),
          turns(m.add_counter("luot_spool_turns_total", "Writes to the spool, each of one turn.")),
          failed_turns(m.add_counter("luot_spool_failed_turns_total",
                                     "Writes to the spool that failed; their hits were refused.")),
          watched(m.add_counter("luot_watched_hits_total",
                                "Hits whose clients were compared, in runs of 256.")),
          busiest(m.add_counter("luot_busiest_client_hits_total",
                                "Hits of the client that sent most of each such run.")),
          untrusted(m.add_counter("luot_untrusted_forwarded_total",
                                  "Hits whose X-Forwarded-For was not believed."))
    {
        for (std::size_t i = 1; i < refusal_texts.size(); ++i)
            refused[i] = &m.add_counter("luot_hits_refused_total", "Hits not taken, by reason.",
                                        {{"reason", std::string(refusal_texts[i].reason)}});
    }

    counter &received, &accepted, &turns, &failed_turns, &watched, &busiest, &untrusted;
    std::array<counter*, refusal_texts.size()> refused{};
    log::limiter full_limit{10};
};

intake::intake(boost::asio::io_context& context, std::shared_ptr<const config> c,
               spool::writer& log, const salt_chain& salts, rate_limiter& rates,
               address_books books, std::function<void()> after_turn, metrics_registry& metrics)
    : context_(context),
      log_(log),
      identifier_(salts),
      rates_(rates),
      after_turn_(std::move(after_turn)),
      counters_(std::make_unique<counters>(metrics))
{
    use(std::move(c), std::move(books));
}

intake::~intake() = default;

void intake::use(std::shared_ptr<const config> c, address_books books)
{
    sites_.clear();
    for (const auto& s : c->sites)
        sites_.emplace(s.id, site{&s, local_zone(s.timezone), partition_of(s.id)});
    config_ = std::move(c);
    books_ = std::move(books);
}

void intake::add_routes(http::router& routes)
{
    using http::method;
    using http::quick_handler;
    routes.add(method::get, "/hit.gif",
               quick_handler([this](http::exchange& e) { handle(e, true); }));
    routes.add(method::post, "/hit",
               quick_handler([this](http::exchange& e) { handle(e, false); }));
    for (const auto m : {method::get, method::head}) {
        routes.add(m, "/luot.js", quick_handler([](http::exchange& e) {
                       serve_script(e, embedded::luot_js, embedded::luot_js_gz);
                   }));
        routes.add(m, "/luot-events.js", quick_handler([](http::exchange& e) {
                       serve_script(e, embedded::luot_events_js, embedded::luot_events_js_gz);
                   }));
    }
}

http::response intake::too_large(std::string_view path)
{
    if (path == "/hit" || path == "/hit.gif") {
        counters_->received.add();
        return refused(refusal::too_large, path == "/hit.gif");
    }
    auto answer = http::error_response(413, "too_large", "head and body may have 16 KiB each");
    answer.headers += cors_lines;
    return answer;
}

void intake::handle(http::exchange& e, bool is_pixel)
{
    counters_->received.add();
    site* at = nullptr;
    const auto why = take(e.in(), is_pixel, at);
    if (why != refusal::none) {
        e.respond(refused(why, is_pixel));
        return;
    }
    const auto& to = e.defer();
    turn_.push_back({to, at->partition, log_.append(at->partition, record_), is_pixel,
                     to->keeps_alive(), turn_paths_.size(), path_.size()});
    if (!is_pixel)
        turn_paths_ += path_;
    if (!turn_is_posted_) {
        // Runs behind all handlers that are ready now: one write for all of their hits.
        turn_is_posted_ = true;
        boost::asio::post(context_, [this] { end_turn(); });
    }
}

refusal intake::judge(const http::request& r, bool is_pixel, std::string& record)
{
    site* at = nullptr;
    const auto why = take(r, is_pixel, at);
    record = why == refusal::none ? record_ : std::string{};
    return why;
}

/// Puts the hit into record_, or says why not.
refusal intake::take(const http::request& r, bool is_pixel, site*& at)
{
    if (is_pixel ? parse_query(r.query, fields_) : parse_body(r.body, fields_))
        return refusal::bad_request;
    if (fields_.site.empty())
        return refusal::bad_request;
    const auto found = sites_.find(fields_.site);
    if (found == sites_.end())
        return refusal::unknown_site;
    at = &found->second;
    const auto& settings = *at->settings;
    const auto& limits = config_->collector;
    const auto token = check_bearer(r.authorization, settings.token);
    if (token == bearer::wrong)  // it must not pass for a browser's hit unseen
        return refusal::bad_token;
    const bool is_from_server = token == bearer::right;
    auto client = http::client_address(r.peer, r.forwarded_for, limits.trusted_proxies);
    const bool names_reader = is_from_server && !fields_.address.empty();
    if (names_reader && !http::parse_address(fields_.address, client))
        return refusal::bad_request;
    if (const auto why = admit(r, settings); why != refusal::none)
        return why;
    if (!is_from_server)
        watch(r, client);
    // A server that names no reader sends the hits of many.
    const bool is_exempt =
        (is_from_server && !names_reader) || http::is_in(limits.rate_limit_exempt, client);
    if (!is_exempt && !rates_.allow(client, limits.rate_limit_per_client, steady_us()))
        return refusal::rate_limited;
    if (const auto why = find_page(r, *at); why != refusal::none)
        return why;

    hit h;
    h.time_ms = unix_ms();
    h.site = fields_.site;
    h.path = path_;
    h.title = fields_.title;
    h.section = fields_.section.empty() ? section_ : fields_.section;
    h.event = fields_.event;
    h.properties = fields_.properties;
    normalise_referrer(fields_.referrer, settings, referrer_);
    h.referrer = referrer_;
    describe_client(r, is_from_server, client, h);
    h.language = fields_.language;
    h.width = fields_.width;
    h.bot_hint = fields_.bot_hint;
    h.source = campaign_.source;
    h.medium = campaign_.medium;
    h.campaign = campaign_.name;
    h.term = campaign_.term;
    h.content = campaign_.content;
    const auto country = books_.countries ? books_.countries->find(client) : country_code{};
    h.country = country.text();
    identifier_.identify(
        h, at->zone, client,
        settings.visitor == visitor_kind::tab ? std::string_view(fields_.tab) : std::string_view{});
    if (is_exempt)
        h.client = 0;
    if (!fields_.id.empty())
        h.id = identifier_.hash_id(fields_.site, fields_.id);
    record_.clear();
    encode(h, record_);
    return refusal::none;
}

/// Counts what shows that a proxy is missing in trusted_proxies.
void intake::watch(const http::request& r, const http::ip_address& client)
{
    if (const auto busiest = watch_.count(client)) {
        counters_->watched.add(client_watch::run);
        counters_->busiest.add(*busiest);
    }
    if (!r.forwarded_for.empty() && !http::is_in(config_->collector.trusted_proxies, r.peer))
        counters_->untrusted.add();
}

/// Who reads, as far as the fold tells bots and browsers by it. With the site's token what the
/// request has is of a program, and the hit says what the reader has.
void intake::describe_client(const http::request& r, bool is_from_server,
                             const http::ip_address& client, hit& h)
{
    if (is_from_server && !fields_.agent.empty()) {
        h.user_agent = fields_.agent;
    } else {
        h.user_agent = r.user_agent.substr(0, max_user_agent_bytes);
        h.is_from_server = is_from_server;
    }
    if (!is_from_server &&
        !(r.hint_brands.empty() && r.hint_mobile.empty() && r.hint_platform.empty())) {
        fold_client_hints(r.hint_brands, r.hint_mobile, r.hint_platform, hints_);
        h.client_hints = hints_;
    }
    if (books_.data_centers && !(is_from_server && fields_.address.empty()))
        h.is_from_data_center = books_.data_centers->contains(client);
}

refusal intake::find_page(const http::request& r, const site& at)
{
    std::string_view page = fields_.page;
    if (page.empty())
        page = fields_.location;
    bool is_whole = true;
    if (page.empty()) {
        // Browsers cut the Referer of foreign origins down to the origin: that is not the home
        // page, it is not known.
        if (!host_of_url(r.referer, &is_whole).empty() && is_whole)
            page = r.referer;
    }
    path_.clear();
    section_.clear();
    campaign_.clear();
    if (page.empty())
        return fields_.event.empty() ? refusal::bad_request : refusal::none;
    const auto own_host = at.settings->path_host
                              ? host_of_url(r.origin.empty() ? r.referer : r.origin)
                              : std::string{};
    auto* section = fields_.section.empty() ? &section_ : nullptr;
    auto error = normalise_page(page, *at.settings, own_host, path_, &campaign_, section);
    // A canonical link may name a host that is none of the site's; the page itself is then meant.
    if (error == errc::foreign_host && !fields_.location.empty())
        error =
            normalise_page(fields_.location, *at.settings, own_host, path_, &campaign_, section);
    if (error == errc::foreign_host)
        return refusal::host_not_allowed;
    if (!error && !fields_.location.empty() && campaign_.empty()) {
        // Campaign fields stand in the page's own address, not in its canonical one.
        static thread_local std::string unused;
        (void)normalise_page(fields_.location, *at.settings, own_host, unused, &campaign_);
    }
    return error ? refusal::bad_request : refusal::none;
}

http::response intake::refused(refusal why, bool is_pixel)
{
    counters_->refused[static_cast<std::size_t>(why)]->add();
    const auto& text = text_of(why);
    http::response answer;
    answer.status = text.status;
    answer.headers.append(hit_lines).append("Luot-Refused: ").append(text.reason).append("\r\n");
    if (why == refusal::rate_limited)
        answer.headers.append("Retry-After: 1\r\n");
    if (is_pixel) {
        answer.content_type = gif_type;
        answer.body = pixel;
    } else {
        answer.content_type = json_type;
        answer.body.append(R"({"accepted":false,"reason":")").append(text.reason).append("\"}");
    }
    return answer;
}

void intake::end_turn()
{
    turn_is_posted_ = false;
    const auto error = log_.commit();
    fail_point("hit.before_answer");
    counters_->turns.add();
    if (error) {
        counters_->failed_turns.add();
        counters_->refused[static_cast<std::size_t>(refusal::spool_full)]->add(turn_.size());
        if (counters_->full_limit.pass())
            log::error("spool_refuses",
                       {{"why", error.message()},
                        {"hits", turn_.size()},
                        {"held_back", counters_->full_limit.held_back()},
                        {"what",
                         "hits are answered 503 until there is room: see spool.max_bytes, the "
                         "disk, and whether Redis is away"}});
    } else {
        counters_->accepted.add(turn_.size());
    }
    for (const auto& answer : turn_) {
        answer_.clear();
        give(answer, !error, answer_);
        answer.to->answer(answer_);
    }
    turn_.clear();
    turn_paths_.clear();
    after_turn_();
}

void intake::give(const owed& answer, bool accepted, std::string& bytes) const
{
    thread_local http::response out;
    out.status = !accepted ? 503 : answer.is_pixel ? 200 : 202;
    out.content_type = answer.is_pixel ? gif_type : json_type;
    out.headers.assign(hit_lines);
    std::string token;
    if (accepted) {
        append(token, hit_token{log_.producer(), answer.partition, answer.offset});
        out.headers.append("Luot-Token: ").append(token).append("\r\n");
    } else {
        out.headers.append("Luot-Refused: spool_full\r\nRetry-After: 2\r\n");
    }
    out.body.clear();
    if (answer.is_pixel) {
        out.body = pixel;
    } else if (!accepted) {
        out.body = R"({"accepted":false,"reason":"spool_full"})";
    } else {
        const auto path = std::string_view(turn_paths_).substr(answer.path_begin, answer.path_size);
        out.body.append(R"({"accepted":true,"token":")").append(token).append("\",\"path\":");
        out.body += boost::json::serialize(boost::json::string_view(path.data(), path.size()));
        out.body += '}';
    }
    http::write_response(bytes, out, answer.to->date(), answer.keeps_alive, true);
}

void intake::serve_script(http::exchange& e, std::string_view script, std::string_view gzipped)
{
    const bool zipped = http::accepts_gzip(e.in().accept_encoding);
    const auto body = zipped ? gzipped : script;
    const auto etag = '"' + to_hex(checksum(body)) + '"';
    http::response answer;
    answer.headers.append(cors_lines)
        .append("Cross-Origin-Resource-Policy: cross-origin\r\n")
        .append("Cache-Control: public, max-age=86400\r\nVary: Accept-Encoding\r\nETag: ")
        .append(etag)
        .append("\r\n");
    answer.content_type = "text/javascript; charset=utf-8";
    if (http::matches_etag(e.in().if_none_match, etag)) {
        answer.status = 304;
    } else {
        if (zipped)
            answer.headers += "Content-Encoding: gzip\r\n";
        answer.body = body;
    }
    e.respond(answer);
}

}  // namespace luot::collector
