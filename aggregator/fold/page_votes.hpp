// What readers' browsers say of a page - its title and section - and what is believed: that of most
// of the last 16 readers, so that a stranger cannot write into the lists that a site shows.

#pragma once

#include <boost/container/static_vector.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace luot::aggregator {

/// The last votes on one page, one of each voter, the newest last. What they say points into what
/// was decoded, or added.
struct page_votes {
    static constexpr std::size_t most_votes = 16;
    /// Of the encoded votes: where many different long titles are said, votes of those that the
    /// fewest say are kept as votes for nothing. Who has voted stays known.
    static constexpr std::size_t most_bytes = 1000;
    /// Of a title; a longer one is cut at a character.
    static constexpr std::size_t most_title_bytes = 200;

    struct vote {
        std::uint32_t voter = 0;
        std::string_view title, section;

        [[nodiscard]] bool says_nothing() const noexcept
        {
            return title.empty() && section.empty();
        }

        bool operator==(const vote&) const = default;
    };

    std::int32_t first_seen = 0;  ///< local date; 0: not known
    boost::container::static_vector<vote, most_votes> votes;

    /// Takes the place of the voter's earlier vote, or else, when there is no room, of the oldest
    /// for nothing, or of the oldest. A vote for nothing, by which a page is known to have been
    /// read, takes no other's place. False when nothing changes by it: the voter said the same
    /// last. The texts must outlive the votes.
    bool add(std::uint32_t voter, std::string_view title, std::string_view section);

    /// What most say, of two the one said last; empty: nobody says anything. An empty title or
    /// section is no vote for it.
    [[nodiscard]] std::string_view title() const;
    [[nodiscard]] std::string_view section() const;

    /// Whether another vote for this changes nothing that is seen: all say it, as many as can.
    [[nodiscard]] bool is_settled_on(std::string_view title, std::string_view section) const;
};

/// As votes are kept in Redis, in most_bytes at most.
[[nodiscard]] std::string encode(const page_votes& votes);

/// They point into `bytes`. One that cannot be read has no votes.
[[nodiscard]] page_votes decode_votes(std::string_view bytes);

}  // namespace luot::aggregator
