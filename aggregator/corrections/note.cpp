#include "aggregator/corrections/note.hpp"

#include "aggregator/corrections/correcting.hpp"

#include <utility>

namespace luot::aggregator {

namespace asio = boost::asio;

asio::awaitable<corrected> log_note(redis::client& redis, const site_config& site,
                                    std::string_view note, std::string of, std::string changed)
{
    correcting run{redis, site};
    co_return co_await run.note(std::string(note), std::move(of), std::move(changed));
}

std::string_view why_no_undo(std::string_view what) noexcept
{
    if (what == "prune")
        return "a pruning cannot be undone: it made room by forgetting which paths there were";
    if (what == totals_note)
        return "starting totals are not taken back by undo: luot import totals --remove does it, "
               "or import the former ones again (luot import totals --show prints those that are "
               "there)";
    if (what == reclassify_note)
        return "a reclassification cannot be undone: what was counted before is not kept; run luot "
               "reclassify again with the former lists and configuration";
    return {};
}

}  // namespace luot::aggregator
