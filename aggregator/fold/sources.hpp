// Where a view came from: by the referrer, grouped, and by what the link said of its campaign.
// docs/sources.md has the definitions and the table of groups.

#pragma once

#include <string_view>

namespace luot {
struct hit;
}

namespace luot::aggregator {

/// The views are into the hit's own strings or of static life.
struct origin {
    /// Who the referrer is: the name of a group ("Google", "Zalo"), or its host. Empty: no
    /// referrer, or one of the site's own hosts.
    std::string_view group;
    /// Whom the view is owed to: utm_source, by its group's name when it is one ("fb" is
    /// "Facebook"); else the group; else "(direct)", or "(not set)" in a campaign without a source.
    std::string_view source;
    /// utm_medium; else search, ai, social, news, mail or referral as the source is, or "campaign"
    /// when nothing tells. Empty: direct.
    std::string_view medium;
};

/// Takes no memory, and a number of steps that grows with the labels of the host.
/// `h.referrer` is as normalise_referrer() (core/path.hpp) makes it.
[[nodiscard]] origin origin_of(const hit& h) noexcept;

/// The host of a normalised referrer.
[[nodiscard]] std::string_view host_of_referrer(std::string_view referrer) noexcept;

}  // namespace luot::aggregator
