// The fail points of the fault suite. LUOT_FAIL_POINT names the one that acts, and when:
//
//   apply.before:3:kill     ends the process, as kill -9 does, as it passes for the third time
//   apply.before:3:freeze   stops it, as SIGSTOP does, until SIGCONT
//   apply.before:3:hang     lets the thread that passes go no further, and all others go on

#include "core/fail_point.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unistd.h>

namespace luot {

namespace {

struct armed_point {
    std::string name;
    int signal = SIGKILL;
    std::atomic<long> passes_left{0};

    armed_point()
    {
        const char* given = std::getenv("LUOT_FAIL_POINT");
        if (!given)
            return;
        const std::string_view text = given;
        const auto first = text.find(':'), last = text.rfind(':');
        const auto action = text.substr(last + 1);
        if (first == last || last == std::string_view::npos ||
            (action != "kill" && action != "freeze" && action != "hang")) {
            std::fprintf(stderr,
                         "luot_faulty: LUOT_FAIL_POINT=%s is not NAME:PASS:kill|freeze|hang\n",
                         given);
            std::abort();
        }
        name = text.substr(0, first);
        signal = action == "kill" ? SIGKILL : action == "freeze" ? SIGSTOP : 0;
        passes_left = std::atol(std::string(text.substr(first + 1, last - first - 1)).c_str());
    }
};

}  // namespace

void fail_point(const char* name) noexcept
{
    static armed_point armed;
    if (armed.name != name || --armed.passes_left != 0)
        return;
    while (armed.signal == 0)
        ::pause();
    std::raise(armed.signal);  // to this thread: it goes no step further
}

}  // namespace luot
