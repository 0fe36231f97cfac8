// What the rules of uap-core say of User-Agents: one a line from standard input, one JSON object a
// line to standard output. With --time: what it costs, to standard error. Driven by
// tests/system/test_agents.py.

#include "aggregator/fold/agents.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace luot::aggregator;
namespace json = boost::json;

json::object object_of(const parsed_agent::software& s)
{
    return {{"family", s.family},
            {"major", s.major},
            {"minor", s.minor},
            {"patch", s.patch},
            {"patch_minor", s.patch_minor}};
}

double cpu_us()
{
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

double resident_mb()
{
    std::ifstream file("/proc/self/statm");
    double size = 0, resident = 0;
    file >> size >> resident;
    return resident * 4096 / 1e6;
}

/// Medians and means of CPU time; a list of its own, which has seen none of them.
void tell_costs(const std::vector<std::string>& user_agents)
{
    const auto memory_before = resident_mb();
    auto begun = cpu_us();
    const agent_list list;
    std::cerr << "made in " << (cpu_us() - begun) / 1000 << " ms, " << resident_mb() - memory_before
              << " MB\n";
    for (const auto* const what : {"first time", "from the cache"}) {
        std::vector<double> costs;
        double sum = 0;
        // Not more than the cache holds, each of them twice.
        for (std::size_t i = 0; i < std::min<std::size_t>(user_agents.size(), 16'000); ++i) {
            begun = cpu_us();
            static_cast<void>(list.classify(user_agents[i]));
            costs.push_back(cpu_us() - begun);
            sum += costs.back();
        }
        std::sort(costs.begin(), costs.end());
        std::cerr << what << ": " << costs.size() << " User-Agents, median "
                  << costs[costs.size() / 2] << " us, mean "
                  << sum / static_cast<double>(costs.size()) << ", 99 % "
                  << costs[costs.size() * 99 / 100] << ", most " << costs.back() << ", "
                  << resident_mb() - memory_before << " MB\n";
    }
}

}  // namespace

int main(int argc, char** argv)
{
    std::vector<std::string> user_agents;
    for (std::string line; std::getline(std::cin, line);)
        user_agents.push_back(line);
    if (argc > 1 && argv[1] == std::string_view("--time")) {
        if (!user_agents.empty())
            tell_costs(user_agents);
        return 0;
    }
    const agent_parser parser;
    const agent_list list;
    for (const auto& user_agent : user_agents) {
        const auto parsed = parser.parse(user_agent);
        const auto& counted = list.classify(user_agent);
        std::cout << json::object{{"browser", object_of(parsed.browser)},
                                  {"system", object_of(parsed.system)},
                                  {"device",
                                   {{"family", parsed.device.family},
                                    {"brand", parsed.device.brand},
                                    {"model", parsed.device.model}}},
                                  {"counted",
                                   {{"browser", counted.browser},
                                    {"os", counted.os},
                                    {"device", name_of(counted.device)}}}}
                  << '\n';
    }
    return 0;
}
