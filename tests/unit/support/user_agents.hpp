// User-Agents that were seen, of machines and of people.

#pragma once

#include "tests/unit/support/temp_dir.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace luot::testing {

inline const std::string crawlers_file =
    LUOT_SOURCE_DIR "/node_modules/crawler-user-agents/crawler-user-agents.json";

inline boost::test_tools::assertion_result has_crawlers(boost::unit_test::test_unit_id)
{
    if (std::filesystem::exists(crawlers_file))
        return true;
    boost::test_tools::assertion_result no(false);
    no.message() << crawlers_file
                 << " is not there: tests with the list's own examples are skipped";
    return no;
}

struct listed_crawler {
    std::string pattern;
    std::vector<std::string> instances;
};

/// crawler-user-agents, with the User-Agents that each crawler was seen with.
inline std::vector<listed_crawler> listed_crawlers()
{
    std::vector<listed_crawler> all;
    const auto list = boost::json::parse(content_of(crawlers_file));
    for (const auto& entry : list.as_array()) {
        auto& crawler = all.emplace_back();
        crawler.pattern = entry.at("pattern").as_string();
        if (const auto* instances = entry.as_object().if_contains("instances"))
            for (const auto& instance : instances->as_array())
                crawler.instances.emplace_back(instance.as_string());
    }
    return all;
}

inline std::vector<std::string> real_crawlers()
{
    std::vector<std::string> all;
    for (const auto& crawler : listed_crawlers())
        all.insert(all.end(), crawler.instances.begin(), crawler.instances.end());
    return all;
}

/// A hundred browsers: the most frequent of November 2026 (npm's user-agents 2.1.198), then those
/// of other makers, of apps and of Vietnam, some of them old (the tests of uap-core).
inline std::vector<std::string> real_browsers()
{
    std::istringstream lines(content_of(LUOT_SOURCE_DIR "/tests/unit/aggregator/browsers.txt"));
    std::vector<std::string> all;
    for (std::string line; std::getline(lines, line);)
        all.push_back(line);
    return all;
}

}  // namespace luot::testing
