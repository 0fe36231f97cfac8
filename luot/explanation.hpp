// Why a read of a page is counted as it is: a made-up hit goes the way of a real one (parse, admit,
// path, fold), by the same code, and each decision is put down. Nothing is counted, no daemon and
// no Redis is asked.

#pragma once

#include "collector/admit.hpp"
#include "core/config.hpp"
#include "core/path_trace.hpp"
#include "luot/url.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace luot {

/// A read of a page, as luot.js tells of it.
struct asked_hit {
    std::string url;         ///< of the page, with its host; what follows '#' is never sent
    std::string canonical;   ///< what the page says of its own address; empty: nothing
    std::string user_agent;  ///< none is a bot's
    std::string referrer;    ///< the page before it
    std::string address;     ///< of the reader; empty: one of nobody
    std::string title, section, language, event;
    std::uint32_t width = 0;      ///< of the screen
    bool is_automated = false;    ///< navigator.webdriver
    bool global_privacy = false;  ///< Sec-GPC: 1
    bool do_not_track = false;    ///< DNT: 1
    bool is_prefetch = false;
};

/// What came of it. Texts may be a stranger's: show them by shown() (terminal.hpp).
struct explanation {
    std::string site, site_name, timezone;
    std::string host;               ///< of the page
    std::string address;            ///< that counts: the canonical one, or path and query
    path_trace steps;               ///< of it
    std::string path;               ///< empty when there is none
    bool is_other_address = false;  ///< the canonical one is foreign: the page's own was taken
    std::string only;  ///< the pattern of `only` that matches; empty: none, or there are none
    bool is_counted_apart = true;

    collector::refusal refused = collector::refusal::none;
    std::string what_to_do;  ///< about the outcome, in luot's own words; may be empty

    std::string kind;  ///< of a bot; empty: a person
    std::string bot_by, bot_list, bot_pattern;
    std::string local_date;
    std::string browser, system, device;
    std::string country;
    /// What the hit adds to the reports of its day: ("source", "Google").
    std::vector<std::pair<std::string, std::string>> rows;
    std::string counts_as;  ///< view, event, bot; empty when it was refused
};

class explainer {
public:
    /// Throws std::runtime_error with a line for the operator (files that the configuration names,
    /// no folder for what is made up).
    explicit explainer(const config& c);
    ~explainer();

    /// The sites that have the host of an address.
    [[nodiscard]] std::vector<const site_config*> sites_of(std::string_view url) const;

    [[nodiscard]] explanation explain(const site_config& site, const asked_hit& asked);

private:
    class impl;
    std::unique_ptr<impl> impl_;
};

/// For a person: one line a decision, each begins with its name.
[[nodiscard]] std::string text_of(const explanation& e);

/// For programs: one JSON object.
[[nodiscard]] std::string json_of(const explanation& e);

}  // namespace luot
