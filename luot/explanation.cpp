#include "luot/explanation.hpp"

#include "aggregator/fold/classifier.hpp"
#include "aggregator/fold/fold.hpp"
#include "aggregator/fold/verdict.hpp"
#include "collector/country.hpp"
#include "collector/intake.hpp"
#include "collector/network_list.hpp"
#include "collector/rate_limit.hpp"
#include "collector/salts.hpp"
#include "collector/spool/writer.hpp"
#include "core/breakdown.hpp"
#include "core/bytes.hpp"
#include "core/clock.hpp"
#include "core/http/message.hpp"
#include "core/local_time.hpp"
#include "core/metrics.hpp"
#include "core/path.hpp"
#include "core/path_pattern.hpp"
#include "luot/terminal.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>

namespace luot {

namespace {

namespace json = boost::json;
using collector::refusal;

constexpr std::uint64_t spool_bytes = 1 << 20;
/// An address that nobody has (RFC 5737).
constexpr std::string_view nobody = "192.0.2.1";

/// A collector wants a place for its salts and its spool: one that is gone with us.
class passing_folder {
public:
    passing_folder()
    {
        auto name = (std::filesystem::temp_directory_path() / "luot-explain-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr)
            throw std::runtime_error("no folder can be made in " +
                                     std::filesystem::temp_directory_path().string() +
                                     ": set TMPDIR to one that this user can write in");
        name_ = name;
    }
    ~passing_folder()
    {
        std::error_code ignored;
        std::filesystem::remove_all(name_, ignored);
    }
    passing_folder(const passing_folder&) = delete;
    passing_folder& operator=(const passing_folder&) = delete;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

private:
    std::string name_;
};

collector::address_books books_of(const config& c)
{
    collector::address_books books;
    if (!c.collector.country_db.empty())
        books.countries = std::make_shared<const collector::country_db>(c.collector.country_db);
    if (const auto& file = c.collector.data_center_networks; !file.empty())
        books.data_centers = std::make_shared<const collector::network_list>(
            collector::network_list::load(file, "collector.data_center_networks"));
    return books;
}

aggregator::spam_list spam_of(const config& c)
{
    const auto& file = c.aggregator.referrer_spam;
    return file.empty() ? aggregator::spam_list{} : aggregator::spam_list::read(file);
}

/// As luot.js does: a lone "%" is what people type, but no address.
std::string mended(std::string_view address)
{
    std::string out;
    const auto is_hex = [&](std::size_t at) {
        return at < address.size() && std::isxdigit(static_cast<unsigned char>(address[at])) != 0;
    };
    for (std::size_t i = 0; i < address.size(); ++i) {
        out += address[i];
        if (address[i] == '%' && !(is_hex(i + 1) && is_hex(i + 2)))
            out += "25";
    }
    return out;
}

std::string_view text_of(aggregator::bot_sign by)
{
    switch (by) {
        case aggregator::bot_sign::user_agent:
            return "its User-Agent";
        case aggregator::bot_sign::hint:
            return "what it says of itself: it is automated";
        case aggregator::bot_sign::data_center:
            return "its address, in collector.data_center_networks";
        case aggregator::bot_sign::spam:
            return "its referrer, in aggregator.referrer_spam";
        case aggregator::bot_sign::none:
            break;
    }
    return {};
}

/// What an operator can do about a hit that is not taken.
std::string advice_on(refusal why, const explanation& e, const asked_hit& asked,
                      const site_config& site)
{
    switch (why) {
        case refusal::none:
            return {};
        case refusal::host_not_allowed:
            return e.host.empty() || site.has_host(e.host)
                       ? "the page names an address on another host: set data-path, or the right "
                         "canonical link"
                       : e.host + " is none of the hosts of the site: add it to its hosts";
        case refusal::opted_out:
            return asked.global_privacy && site.honor_gpc
                       ? "the reader's browser sends Sec-GPC, and honor_gpc is true"
                       : "the reader's browser sends DNT, and honor_dnt is true";
        case refusal::prefetch:
            return "the browser only fetches the page in advance: it is counted once it is shown";
        case refusal::bad_request:
            return e.path.empty() ? "the address is none that can be counted: see its steps"
                                  : "a field of the hit is too long or malformed";
        default:
            return "see docs/log-messages.md and the metric luot_hits_refused_total";
    }
}

}  // namespace

class explainer::impl {
public:
    explicit impl(const config& c)
        : config_(std::make_shared<const config>(c)),
          sites_(config_),
          classes_{{}, {}, spam_of(c)},
          salts_(folder_.name() + "/salts", unix_ms()),
          budget_{.max_bytes = spool_bytes},
          log_(random_u64(), spool::writer_options{.directory = folder_.name()}, budget_),
          intake_(
              context_, config_, log_, salts_, rates_, books_of(c), [] {}, metrics_)
    {
    }

    [[nodiscard]] const config& settings() const { return *config_; }

    explanation explain(const site_config& named, const asked_hit& asked)
    {
        const auto& site = *config_->find_site(named.id);
        const auto url = take_apart(asked.url);
        explanation e;
        e.site = site.id;
        e.site_name = site.name;
        e.timezone = site.timezone;
        e.host = canonical_host(url.authority).value_or(url.authority);
        find_path(site, asked, url, e);

        const auto body = body_of(site, asked, url);
        http::request r;
        r.method = http::method::post;
        r.path = "/hit";
        r.body = body;
        const auto origin = url.origin(), referer = origin.empty() ? origin : origin + '/';
        r.origin = origin;
        r.referer = referer;
        r.user_agent = asked.user_agent;
        r.is_prefetch = asked.is_prefetch;
        r.global_privacy = asked.global_privacy;
        r.do_not_track = asked.do_not_track;
        if (!http::parse_address(asked.address.empty() ? nobody : asked.address, r.peer))
            throw std::runtime_error("--ip: no IP address");

        std::string record;
        e.refused = intake_.judge(r, false, record);
        hit h;
        if (e.refused != refusal::none || decode(record, h)) {
            e.what_to_do = advice_on(e.refused, e, asked, site);
            return e;
        }
        count(h, site, e);
        return e;
    }

private:
    /// The steps of the address that counts, as the intake chooses it.
    void find_path(const site_config& site, const asked_hit& asked, const url_parts& url,
                   explanation& e) const
    {
        const auto here = mended(url.target);
        if (const auto hash = asked.url.find('#'); hash != std::string::npos)
            e.steps.push_back(
                {"fragment", asked.url.substr(hash), {}, "dropped: it is never sent"});
        const auto own_host = site.path_host ? url.authority : std::string{};
        campaign found;
        std::string section;
        e.address = asked.canonical.empty() ? here : mended(asked.canonical);
        auto error = trace_page(e.address, site, own_host, e.path, &found, &section, e.steps);
        if (error == errc::foreign_host && !asked.canonical.empty()) {
            e.is_other_address = true;
            e.steps.push_back({"address", e.address, here,
                               "the canonical address is on another host: the page's own counts"});
            error = trace_page(here, site, own_host, e.path, &found, &section, e.steps);
        }
        if (error)
            return;
        e.is_counted_apart = site.counts_apart(e.path);
        for (const auto& pattern : site.only)
            if (e.only.empty() && matches(pattern, e.path))
                e.only = pattern;
    }

    static std::string body_of(const site_config& site, const asked_hit& asked,
                               const url_parts& url)
    {
        const auto here = mended(url.target);
        const auto own = asked.canonical.empty() ? here : mended(asked.canonical);
        json::object fields;
        fields["s"] = site.id;
        fields["p"] = own;
        fields["u"] = own == here ? "" : here;
        fields["r"] = asked.referrer;
        fields["t"] = asked.title;
        fields["c"] = asked.section;
        fields["l"] = asked.language;
        fields["n"] = asked.event;
        fields["w"] = asked.width;
        fields["b"] = asked.is_automated ? 1 : 0;
        return json::serialize(fields);
    }

    /// What the fold makes of it.
    void count(const hit& h, const site_config& site, explanation& e)
    {
        const auto verdict = aggregator::verdict_on(h, classes_);
        e.kind = aggregator::name_of(verdict.kind);
        e.bot_by = text_of(verdict.by);
        if (verdict.by == aggregator::bot_sign::user_agent) {
            const auto by = patterns_.find(h.user_agent);
            e.bot_list = by.list;
            e.bot_pattern = by.pattern;
        }
        const auto& agent = classes_.agents.classify(h.user_agent, h.client_hints);
        e.browser = agent.browser;
        e.system = agent.os;
        e.device = aggregator::name_of(agent.device);
        e.country = h.country;

        std::vector<aggregator::entry> batch(1);
        batch[0].time_ms = h.time_ms;
        batch[0].producer = "explain";
        batch[0].last = 1;
        batch[0].hits = {h};
        const auto added = aggregator::fold(batch, 1, {}, sites_, classes_);
        e.local_date = date_text(h.local_date);
        e.counts_as = !added.bots.empty() ? "bot" : h.is_event() ? "event" : "view";
        const auto of_site = added.sites.find(site.id);
        if (of_site == added.sites.end())
            return;
        for (const auto& [date, tallies] : of_site->second.broken_down)
            for (std::size_t by = 0; by < tallies.size(); ++by)
                for (const auto& [member, n] : tallies[by])
                    if (const auto name = breakdown_names[by].request; n > 0 && !name.empty())
                        e.rows.emplace_back(name, member);
        if (!e.is_counted_apart && e.counts_as == "view")
            e.what_to_do = "no pattern of `only` matches: it counts for the site, in (other)";
    }

    std::shared_ptr<const config> config_;
    aggregator::site_table sites_;
    aggregator::classifier classes_;
    aggregator::bot_patterns patterns_;
    passing_folder folder_;
    boost::asio::io_context context_;
    metrics_registry metrics_;
    collector::salt_chain salts_;
    collector::rate_limiter rates_;
    spool::disk_budget budget_;
    spool::writer log_;
    collector::intake intake_;
};

explainer::explainer(const config& c) : impl_(std::make_unique<impl>(c)) {}
explainer::~explainer() = default;

std::vector<const site_config*> explainer::sites_of(std::string_view url) const
{
    const auto host = take_apart(url).authority;
    std::vector<const site_config*> out;
    for (const auto& s : impl_->settings().sites)
        if (!host.empty() && s.has_host(host))
            out.push_back(&s);
    return out;
}

explanation explainer::explain(const site_config& site, const asked_hit& asked)
{
    return impl_->explain(site, asked);
}

namespace {

/// The rows that explain prints, in the order of the way of a hit; the others repeat these.
constexpr std::string_view printed_rows[] = {"section",  "referrer", "source",  "medium",
                                             "campaign", "term",     "content", "country",
                                             "language", "screen",   "event"};

std::string outcome_of(const explanation& e)
{
    if (e.refused != refusal::none)
        return fmt::format("refused: {} ({})", collector::text_of(e.refused).reason,
                           collector::text_of(e.refused).status);
    if (e.counts_as == "bot")
        return "accepted, counted as a bot: in no view";
    if (e.counts_as == "event")
        return "accepted, counted as an event";
    return fmt::format("accepted, counted as a view of {} on {} ({})",
                       e.is_counted_apart ? shown(e.path) : "(other)", e.local_date, e.timezone);
}

}  // namespace

std::string text_of(const explanation& e)
{
    std::string out;
    const auto line = [&out](std::string_view name, std::string_view value) {
        out += fmt::format("{:<10} {}\n", name, shown(value, 2500));
    };
    line("site", e.site + " (" + e.site_name + ")" +
                     (e.host.empty() ? "" : ", asked for the host " + e.host));
    line("address", e.address);
    for (const auto& step : e.steps)
        out += fmt::format("  {:<8} {}{}{}: {}\n", step.what, shown(step.text),
                           step.became.empty() || step.became == step.text ? "" : " -> ",
                           step.became == step.text ? "" : shown(step.became), step.why);
    line("path", e.path.empty() ? "none" : e.path);
    if (!e.only.empty())
        line("only", e.only + " matches");
    else if (!e.is_counted_apart)
        line("only", "no pattern matches");
    if (!e.counts_as.empty()) {
        line("agent", e.browser + " on " + e.system + ", " + e.device);
        if (e.kind.empty())
            line("class", "a person");
        else if (!e.bot_list.empty())
            line("class",
                 "bot (" + e.kind + ") by its User-Agent: " + e.bot_list + " has " + e.bot_pattern);
        else
            line("class", "bot (" + e.kind + ") by " + e.bot_by);
        for (const auto name : printed_rows)
            for (const auto& [row, member] : e.rows)
                if (row == name && member != no_member)
                    line(row, member);
        if (!e.kind.empty() && !e.country.empty())
            line("country", e.country);
    }
    line("outcome", outcome_of(e));
    if (!e.what_to_do.empty())
        line("", e.what_to_do);
    return out;
}

std::string json_of(const explanation& e)
{
    json::array steps;
    for (const auto& s : e.steps)
        steps.push_back({{"what", s.what}, {"text", s.text}, {"became", s.became}, {"why", s.why}});
    json::object rows;
    for (const auto& [name, member] : e.rows)
        rows[name] = member;
    json::object out{{"site", e.site},
                     {"host", e.host},
                     {"address", e.address},
                     {"steps", std::move(steps)},
                     {"path", e.path},
                     {"only", e.only},
                     {"counted_apart", e.is_counted_apart},
                     {"accepted", e.refused == refusal::none},
                     {"reason", collector::text_of(e.refused).reason},
                     {"counts_as", e.counts_as},
                     {"advice", e.what_to_do}};
    if (!e.counts_as.empty()) {
        out["date"] = e.local_date;
        out["bot"] = e.kind;
        out["bot_by"] = e.bot_by;
        out["bot_list"] = e.bot_list;
        out["bot_pattern"] = e.bot_pattern;
        out["browser"] = e.browser;
        out["os"] = e.system;
        out["device"] = e.device;
        out["country"] = e.country;
        out["rows"] = std::move(rows);
    }
    return safe_json(json::serialize(out));
}

}  // namespace luot
