// The list of isbot as luot matches it, beside isbot itself.

#include "aggregator/fold/isbot.hpp"

#include "aggregator/fold/crawlers.hpp"
#include "tests/unit/support/temp_dir.hpp"
#include "tests/unit/support/user_agents.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace isbot_test {

using namespace luot::aggregator;
using namespace luot::testing;

const std::string package = LUOT_SOURCE_DIR "/node_modules/isbot/index.js";

boost::test_tools::assertion_result has_isbot(boost::unit_test::test_unit_id)
{
    if (std::filesystem::exists(package) && std::system("node --version >/dev/null 2>&1") == 0)
        return true;
    boost::test_tools::assertion_result no(false);
    no.message() << "node or " << package << " is not there: isbot cannot be asked itself";
    return no;
}

/// isbot's own verdicts, '1' for a bot. A User-Agent is bytes: Latin-1, as node's server gives it.
std::string asked_of_isbot(const std::vector<std::string>& user_agents)
{
    const temp_dir dir;
    std::string lines;
    for (const auto& user_agent : user_agents)
        lines += user_agent + '\n';
    write_file(dir.file("agents"), lines);
    write_file(dir.file("ask.js"),
               "const { isbot } = require('" + package +
                   "');\n"
                   "const lines = require('fs').readFileSync(process.argv[2], 'latin1');\n"
                   "const agents = lines.split('\\n').slice(0, -1);\n"
                   "process.stdout.write(agents.map((a) => (isbot(a) ? 1 : 0)).join(''));\n");
    const auto command =
        "node " + dir.file("ask.js") + ' ' + dir.file("agents") + " >" + dir.file("answers");
    BOOST_TEST_REQUIRE(std::system(command.c_str()) == 0, command);
    return content_of(dir.file("answers"));
}

void expect_the_same_verdicts(const std::vector<std::string>& user_agents)
{
    const auto theirs = asked_of_isbot(user_agents);
    BOOST_TEST_REQUIRE(theirs.size() == user_agents.size());
    isbot_list ours;
    for (std::size_t i = 0; i < user_agents.size(); ++i)
        if (ours.names(user_agents[i]) != (theirs[i] == '1'))
            BOOST_ERROR("isbot says " << theirs[i] << ", luot does not, of: " << user_agents[i]);
}

/// A browser that says this too, where most apps say who they are.
std::string browser_with(std::string_view words)
{
    return "Mozilla/5.0 (Linux; Android 14; K) AppleWebKit/537.36 (KHTML, like Gecko) "
           "Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36 " +
           std::string(words);
}

bool is_named(std::string_view words)
{
    static isbot_list list;
    return list.names(browser_with(words));
}

BOOST_AUTO_TEST_SUITE(isbot)

BOOST_AUTO_TEST_CASE(each_pattern_compiles_or_is_one_of_the_six_written_by_hand)
{
    BOOST_TEST(isbot_patterns.size() == 206U);
    std::set<std::string_view> by_hand;
    for (const auto& word : guarded_words())
        by_hand.insert(word.pattern);
    BOOST_TEST(by_hand.size() == 6U);
    std::set<std::string_view> refused;
    for (const auto pattern : isbot_patterns) {
        try {
            const pattern_set alone("isbot", {pattern}, {.memory_bytes = 1 << 20});
        } catch (const std::runtime_error&) {
            refused.insert(pattern);
        }
    }
    BOOST_TEST(refused == by_hand, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_word_counts_unless_its_veto_stands_right_beside_it)
{
    const struct {
        std::string_view words;
        bool bot;
    } table[] = {
        {"", false},
        {"News", true},
        {"xNEWS2", true},
        {"gnews", false},  // (?:^|[^g])
        {"GNews", false},
        {"newssapphire", false},  // (?!sapphire)
        {"NewsSapphire/30", false},
        {"newssapphir", true},
        {"gnews news", true},  // one veto vetoes one place
        {"newssapphire gnews", false},
        {"Google", true},
        {"a channel/google", false},  // (?<! channel/
        {"achannel/google", true},
        {"google/google", false},  // |google/), and /google of the first
        {"channel/googlewv", false},
        {"googlewv", false},     // (?!(?:wv
        {"GoogleApp/1", false},  // |app
        {"googlewv/google", true},
        {"google/google google", true},
        {"Google Pixel 8", false},  // | pixel
        {"Google Pixe", true},
        {"google  pixel", true},
        {"bot", true},
        {"bots", true},
        {"robots_2", true},
        {"bot_x", true},
        {"Bot/2", true},
        {"bottle", false},
        {"botsy", false},
        {"bot2", false},
        {"CUBOT NOTE", false},  // (?<! cu)
        {"xcubot", true},
        {"cubot bot", true},
        {"Scan", true},
        {"scanner", true},
        {"CamScanner", false},  // (?<!cam)
        {"camscan scan", true},
        {"http", true},
        {"libhttp/1", false},  // (?<!lib)
        {"LIBHTTP", false},
        {"lib-http", true},
        {"Java", true},
        {"Java/17", true},
        {"Java; U", false},  // (?!;)
        {"java;java", true},
    };
    for (const auto& row : table)
        BOOST_TEST(is_named(row.words) == row.bot, '"' << row.words << '"');
}

// Were one veto left out, or the word found in spite of it, this would tell.
BOOST_AUTO_TEST_CASE(each_veto_takes_effect_by_itself)
{
    for (const auto& word : guarded_words()) {
        BOOST_TEST(is_named("- " + std::string(word.word)), word.pattern);
        for (const auto veto : word.not_before_it)
            BOOST_TEST(!is_named("-" + std::string(veto) + std::string(word.word)),
                       word.pattern << " after " << veto);
        for (const auto veto : word.not_after_it)
            BOOST_TEST(!is_named("- " + std::string(word.word) + std::string(veto)),
                       veto << " after " << word.pattern);
    }
}

BOOST_AUTO_TEST_CASE(nobody_is_no_bot)
{
    isbot_list list;
    BOOST_TEST(!list.names(""));
}

BOOST_AUTO_TEST_CASE(verdicts_are_those_of_isbot_itself, *boost::unit_test::precondition(has_isbot))
{
    auto all = real_browsers();
    BOOST_TEST(all.size() == 100U);
    for (const auto& user_agent : real_crawlers())
        all.push_back(user_agent);
    BOOST_TEST(all.size() > 2000U);
    expect_the_same_verdicts(all);
}

// Real User-Agents hardly ever come near a veto: these are made of what the patterns look at.
BOOST_AUTO_TEST_CASE(verdicts_on_mixed_up_user_agents_are_those_of_isbot_itself,
                     *boost::unit_test::precondition(has_isbot))
{
    std::vector<std::string> pieces{" ", "/", ";", "_", "s", "(", ")", "1.0", "cu", "x", "\xE9"};
    for (const auto& word : guarded_words()) {
        pieces.emplace_back(word.word);
        pieces.emplace_back(word.word);
        pieces.insert(pieces.end(), word.not_before_it.begin(), word.not_before_it.end());
        pieces.insert(pieces.end(), word.not_after_it.begin(), word.not_after_it.end());
    }
    std::mt19937 random(20261128);
    const auto below = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    std::vector<std::string> all;
    for (int i = 0; i < 20'000; ++i) {
        std::string words;
        for (std::size_t n = 1 + below(5); n > 0; --n)
            words += pieces[below(pieces.size())];
        for (char& c : words)
            if (c >= 'a' && c <= 'z' && below(8) == 0)
                c = static_cast<char>(c - 32);
        all.push_back(below(2) == 0 ? words : browser_with(words));
    }
    expect_the_same_verdicts(all);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace isbot_test
