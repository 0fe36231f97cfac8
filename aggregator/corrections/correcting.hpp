// What all corrections of a site have in common: its log and names, steps that are atomic, the
// correction's record, and what takes it back.

#pragma once

#include "aggregator/correct.hpp"
#include "aggregator/corrections.hpp"
#include "aggregator/page_names.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace luot::aggregator {

/// Names that one step changes at most, and keys that one renames.
inline constexpr std::size_t names_per_step = 500, keys_per_step = 250;
/// Times that a step is tried while others change what it rests on.
inline constexpr int most_tries = 20;

/// The state of a deletion that keeps nothing and has not come to its end.
inline constexpr std::string_view begun_for_good = "begun for good";

/// "1 view", "2 views".
[[nodiscard]] std::string counted(std::int64_t n, std::string_view one, std::string_view many);
[[nodiscard]] std::string views_text(std::int64_t n);

/// One command on one site. All throw correction_error. One task at a time.
class correcting {
public:
    correcting(redis::client& redis, const site_config& site) : redis_(redis), site_(site) {}

    /// Puts a record of what was done already into the log.
    [[nodiscard]] boost::asio::awaitable<corrected> note(std::string what, std::string of,
                                                         std::string changed);

protected:
    enum class outcome { done, moved, much };

    [[nodiscard]] boost::asio::awaitable<redis::replies> exec(const redis::pipeline& commands);
    [[nodiscard]] boost::asio::awaitable<void> read_log();
    /// Before a step is tried again: somebody else may have corrected something meanwhile, so that
    /// its number is another one's; or may have taken back what was made of this one.
    [[nodiscard]] boost::asio::awaitable<void> read_log_again();
    /// The log and the names, of one moment.
    [[nodiscard]] boost::asio::awaitable<void> read_both();

    /// Makes a step once no rows wait, if it is one of pages.
    [[nodiscard]] boost::asio::awaitable<outcome> step(step_kind kind, const changes& list);
    /// One that nobody else can be in the way of.
    [[nodiscard]] boost::asio::awaitable<void> must(step_kind kind, const changes& list);

    /// Gives the correction its number. What is done with the first step counts from there.
    [[nodiscard]] boost::asio::awaitable<void> begin(std::string what, std::string of);
    /// The record of the same deletion, for good as this one or not, which was cut off and can be
    /// gone on with; end(): there is none.
    [[nodiscard]] correction_log::records_type::const_iterator cut_off(
        const std::string& of, const delete_options& options) const;
    /// True when it goes on with one that was cut off.
    [[nodiscard]] boost::asio::awaitable<bool> begin_deletion(std::string of,
                                                              delete_options options);

    /// Adds the record, as it is now, to a step.
    void count_record(changes& list) const;
    /// Adds to a step what takes it back, unless nothing is to be.
    void journal(changes& list, const delete_options& options) const;

    [[nodiscard]] boost::asio::awaitable<std::vector<std::string>> keys_like(std::string pattern);
    /// What the names of all keys of the site begin with.
    [[nodiscard]] std::string site_prefix() const;

    redis::client& redis_;
    const site_config& site_;
    correction_log log_;
    page_aliases aliases_;
    std::vector<std::string> hidden_;
    std::uint64_t number_ = 0;
    bool has_made_step_ = false;  ///< of what has this number: the log has it
    correction record_;
    std::string so_far_;  ///< what the record says of a deletion that this one goes on with

private:
    [[nodiscard]] boost::asio::awaitable<void> make_room();
    [[nodiscard]] boost::asio::awaitable<void> drop_kept(std::uint64_t number);
};

}  // namespace luot::aggregator
