#include "aggregator/fold/verdict.hpp"

#include "aggregator/fold/classifier.hpp"
#include "core/hit.hpp"

namespace luot::aggregator {

bot_verdict verdict_on(const hit& h, const classifier& classes)
{
    if (!h.is_from_server)
        if (const auto kind = classes.bots.classify(h.user_agent, 0); kind != bot_kind::none)
            return {kind, bot_sign::user_agent};
    if (h.bot_hint != 0)
        return {bot_kind::headless, bot_sign::hint};
    if (h.is_from_data_center)
        return {bot_kind::other, bot_sign::data_center};
    if (classes.spam.names(h.referrer))
        return {bot_kind::other, bot_sign::spam};
    return {};
}

}  // namespace luot::aggregator
