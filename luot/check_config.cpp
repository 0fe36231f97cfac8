#include "core/config.hpp"
#include "luot/commands.hpp"

#include <cstdio>

namespace luot {

int check_config(const std::string& config_file)
{
    try {
        const auto c = load_config(config_file);
        std::printf("%s", describe(c).c_str());
        return 0;
    } catch (const config_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 2;
    }
}

}  // namespace luot
