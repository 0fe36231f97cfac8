#include "collector/network_list.hpp"
#include "core/config.hpp"
#include "luot/commands.hpp"
#include "luot/data_lock.hpp"

#include <cstdio>
#include <stdexcept>

namespace luot {

int check_config(const std::string& config_file)
{
    try {
        const auto c = load_config(config_file);
        if (const auto& file = c.collector.data_center_networks; !file.empty())
            (void)collector::network_list::load(file, "collector.data_center_networks");
        if (const auto wrong = secret_out_of_reach(c); !wrong.empty())
            throw std::runtime_error(wrong);
        std::printf("%s", describe(c).c_str());
        return 0;
    } catch (const std::runtime_error& e) {  // config_error, or a line of the list
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 2;
    }
}

}  // namespace luot
