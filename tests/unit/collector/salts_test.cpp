// The chain of salts: the one secret behind visitor ids, on disk and nowhere else.

#include "collector/salts.hpp"

#include "core/clock.hpp"
#include "core/local_time.hpp"
#include "tests/unit/support/file_mode.hpp"
#include "tests/unit/support/temp_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/stat.h>

namespace salts_test {

using namespace luot;
using namespace luot::collector;
using luot::testing::content_of;
using luot::testing::mode_of;
using luot::testing::temp_dir;
using luot::testing::write_file;

constexpr std::int64_t now_ms = 1'627'288'260'000;  // 2021-07-26T08:31:00Z
constexpr std::int32_t today = 18'834;

std::string hex(const salt_chain::key& key)
{
    std::string text;
    for (const unsigned byte : key)
        for (const auto digit : {byte >> 4, byte & 15})
            text += "0123456789abcdef"[digit];
    return text;
}

/// What the chain's file says.
struct fields {
    explicit fields(const std::string& file_name)
    {
        std::istringstream in(content_of(file_name));
        std::string word;
        in >> magic >> version >> word >> ids >> word >> day >> salt;
        BOOST_TEST(!in.fail());
    }
    std::string magic, version, ids, day, salt;
};

void write_private(const std::string& name, const std::string& content)
{
    write_file(name, content);
    BOOST_REQUIRE(::chmod(name.c_str(), 0600) == 0);
}

/// What the operator is told when the chain cannot be opened; empty: it can.
std::string complaint_about(const std::string& name)
{
    try {
        const salt_chain chain(name, now_ms);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return {};
}

BOOST_AUTO_TEST_SUITE(salts)

BOOST_AUTO_TEST_CASE(a_new_chain_is_random_and_only_its_owner_reads_it)
{
    const temp_dir dir;
    const salt_chain chain(dir.file("salts"), now_ms);
    const salt_chain other(dir.file("other"), now_ms);
    BOOST_TEST(mode_of(dir.file("salts")) == 0600U);
    BOOST_TEST((chain.visitor_key(today) != other.visitor_key(today)));
    BOOST_TEST((chain.id_key() != other.id_key()));
    BOOST_TEST(chain.fingerprint(today) != other.fingerprint(today));
    const fields file(dir.file("salts"));
    BOOST_TEST(file.magic == "luot-salts");
    BOOST_TEST(file.version == "1");
    BOOST_TEST(file.day == std::to_string(chain.oldest()));
    BOOST_TEST(file.salt.size() == 64U);
    // nothing else is left lying about
    BOOST_TEST(std::distance(std::filesystem::directory_iterator(dir.name()), {}) == 2);
}

BOOST_AUTO_TEST_CASE(a_chain_that_cannot_be_kept_is_not_begun)
{
    const temp_dir dir;
    BOOST_TEST(complaint_about(dir.file("missing/salts")).find("cannot write") == 0U);
}

// A restart at noon must not count the visitors of the morning once more.
BOOST_AUTO_TEST_CASE(a_chain_is_the_same_after_a_restart)
{
    const temp_dir dir;
    const salt_chain chain(dir.file("salts"), now_ms);
    const auto written = content_of(dir.file("salts"));
    const salt_chain again(dir.file("salts"), now_ms + 3'600'000);
    BOOST_TEST(again.oldest() == chain.oldest());
    BOOST_TEST((again.id_key() == chain.id_key()));
    for (auto date = chain.oldest(); date < today + 10; ++date) {
        BOOST_TEST_CONTEXT("date " << date)
        {
            BOOST_TEST((again.visitor_key(date) == chain.visitor_key(date)));
            BOOST_TEST(again.fingerprint(date) == chain.fingerprint(date));
        }
    }
    BOOST_TEST((content_of(dir.file("salts")) == written));
}

BOOST_AUTO_TEST_CASE(every_day_has_a_key_of_its_own)
{
    const temp_dir dir;
    const salt_chain chain(dir.file("salts"), now_ms);
    std::set<salt_chain::key> keys{chain.id_key()};
    // dates before the oldest link (a clock set back) included
    for (auto date = chain.oldest() - 5; date < today + 400; ++date)
        BOOST_TEST_CONTEXT("date " << date)
    BOOST_TEST(keys.insert(chain.visitor_key(date)).second);
}

// The fingerprint lies in Redis, where anybody with a backup may read it.
BOOST_AUTO_TEST_CASE(a_fingerprint_is_no_secret_of_the_chain)
{
    const temp_dir dir;
    salt_chain chain(dir.file("salts"), now_ms);
    std::set<std::string> fingerprints;
    for (int day = 0; day < 10; ++day) {
        BOOST_TEST_CONTEXT("day " << day)
        {
            BOOST_TEST(!chain.forget_old(now_ms + day * day_ms));
            const auto file = content_of(dir.file("salts"));  // with the link of its oldest day
            for (auto date = chain.oldest(); date < chain.oldest() + 4; ++date) {
                const auto fingerprint = chain.fingerprint(date);
                fingerprints.insert(fingerprint);
                BOOST_TEST(fingerprint.size() == 32U);
                BOOST_TEST(file.find(fingerprint) == std::string::npos);
                BOOST_TEST(fingerprint != hex(chain.visitor_key(date)));
                BOOST_TEST(fingerprint != hex(chain.id_key()));
            }
        }
    }
    BOOST_TEST(fingerprints.size() == 13U);  // one a day
}

// Two collectors are compared by it, whichever was started first.
BOOST_AUTO_TEST_CASE(copies_of_a_chain_have_one_fingerprint_and_others_another)
{
    const temp_dir dir;
    salt_chain chain(dir.file("salts"), now_ms);
    write_private(dir.file("copy"), content_of(dir.file("salts")));
    BOOST_TEST(!chain.forget_old(now_ms + day_ms));
    const salt_chain copy(dir.file("copy"), now_ms);
    const salt_chain foreign(dir.file("foreign"), now_ms);
    BOOST_TEST(copy.oldest() < chain.oldest());
    for (auto date = chain.oldest(); date < today + 10; ++date) {
        BOOST_TEST_CONTEXT("date " << date)
        {
            BOOST_TEST(copy.fingerprint(date) == chain.fingerprint(date));
            BOOST_TEST((copy.visitor_key(date) == chain.visitor_key(date)));
            BOOST_TEST(foreign.fingerprint(date) != chain.fingerprint(date));
        }
    }
}

// Whoever takes the disk tomorrow must not be able to work out who came yesterday.
BOOST_AUTO_TEST_CASE(an_old_link_is_gone_from_the_disk_and_the_days_after_it_stay)
{
    const temp_dir dir;
    const auto name = dir.file("salts");
    salt_chain chain(name, now_ms);
    const auto first_day = chain.oldest();
    const auto first_key = chain.visitor_key(first_day);
    const auto id_key = chain.id_key();
    std::set<std::string> old_salts;
    for (int day = 1; day <= 5; ++day) {
        BOOST_TEST_CONTEXT("day " << day)
        {
            old_salts.insert(fields(name).salt);
            const auto key = chain.visitor_key(today + 7);
            BOOST_TEST(!chain.forget_old(now_ms + day * day_ms));
            BOOST_TEST(chain.oldest() == first_day + day);
            BOOST_TEST((chain.visitor_key(today + 7) == key));
            BOOST_TEST((chain.visitor_key(first_day) != first_key));
            BOOST_TEST((chain.id_key() == id_key));
            const auto content = content_of(name);
            for (const auto& salt : old_salts)
                BOOST_TEST(content.find(salt) == std::string::npos);
            BOOST_TEST(mode_of(name) == 0600U);
            const salt_chain again(name, now_ms + day * day_ms);
            BOOST_TEST((again.visitor_key(today + 7) == key));
            BOOST_TEST((again.id_key() == id_key));
            BOOST_TEST((again.visitor_key(first_day) != first_key));
        }
    }
    BOOST_TEST(old_salts.size() == 5U);
    BOOST_TEST(std::distance(std::filesystem::directory_iterator(dir.name()), {}) == 1);
}

// It may have been down for days: nothing old may wait for the next hour of upkeep.
BOOST_AUTO_TEST_CASE(a_start_deletes_what_is_old)
{
    const temp_dir dir;
    salt_chain::key later;
    std::string old_salt;
    {
        const salt_chain chain(dir.file("salts"), now_ms);
        later = chain.visitor_key(today + 30);
        old_salt = fields(dir.file("salts")).salt;
    }
    const salt_chain chain(dir.file("salts"), now_ms + 30 * day_ms);
    BOOST_TEST((chain.visitor_key(today + 30) == later));
    BOOST_TEST(content_of(dir.file("salts")).find(old_salt) == std::string::npos);
}

// A full disk on another day than the one it was begun on: hits are taken with the right salts.
BOOST_AUTO_TEST_CASE(a_start_that_cannot_write_goes_on_and_deletes_later)
{
    const temp_dir dir;
    salt_chain::key later;
    std::string old_salt;
    {
        const salt_chain chain(dir.file("salts"), now_ms);
        later = chain.visitor_key(today + 30);
        old_salt = fields(dir.file("salts")).salt;
    }
    const std::string in_the_way = dir.file("salts.new");
    std::filesystem::create_directory(in_the_way);
    salt_chain chain(dir.file("salts"), now_ms + 30 * day_ms);
    BOOST_TEST((chain.visitor_key(today + 30) == later));
    BOOST_TEST(chain.forget_old(now_ms + 30 * day_ms) != error_code{});
    BOOST_TEST(fields(dir.file("salts")).salt == old_salt);
    std::filesystem::remove(in_the_way);
    BOOST_TEST(chain.forget_old(now_ms + 30 * day_ms) == error_code{});
    BOOST_TEST(content_of(dir.file("salts")).find(old_salt) == std::string::npos);
    BOOST_TEST((chain.visitor_key(today + 30) == later));
}

// The last zone of the calendar is UTC-12, and the first half hour of its day asks for the day
// before.
BOOST_AUTO_TEST_CASE(a_link_is_kept_just_as_long_as_some_zone_needs_it)
{
    const temp_dir dir;
    const local_zone last("Etc/GMT+12");
    const std::int64_t noon = today * day_ms + day_ms / 2;
    int row = 0;
    for (const auto at : {noon - 1, noon, noon + 1, noon + day_ms - 1, noon + day_ms, now_ms}) {
        BOOST_TEST_CONTEXT("at " << utc_text(at) << ", " << at % 1000 << " ms")
        {
            const salt_chain begun(dir.file("new" + std::to_string(++row)), at);
            BOOST_TEST(begun.oldest() == last.date(at) - 1);
            salt_chain chain(dir.file("old" + std::to_string(row)), now_ms - 3 * day_ms);
            BOOST_TEST(!chain.forget_old(at));
            BOOST_TEST(chain.oldest() == last.date(at) - 1);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_clock_that_was_set_back_brings_no_link_back)
{
    const temp_dir dir;
    salt_chain chain(dir.file("salts"), now_ms);
    const auto oldest = chain.oldest();
    const auto key = chain.visitor_key(today);
    const auto written = content_of(dir.file("salts"));
    BOOST_TEST(!chain.forget_old(now_ms - 10 * day_ms));
    BOOST_TEST(chain.oldest() == oldest);
    const salt_chain again(dir.file("salts"), now_ms - 10 * day_ms);
    BOOST_TEST(again.oldest() == oldest);
    BOOST_TEST((again.visitor_key(today) == key));
    BOOST_TEST((content_of(dir.file("salts")) == written));
}

// A machine without a clock of its own says 1970 until the network has told it the time.
BOOST_AUTO_TEST_CASE(a_chain_begun_before_the_clock_was_set_is_taken_up_by_the_right_time)
{
    const temp_dir dir;
    int row = 0;
    for (const std::int64_t wrong_ms : {-day_ms, std::int64_t{0}, 10'000 * day_ms}) {
        BOOST_TEST_CONTEXT("begun at " << utc_text(wrong_ms))
        {
            const auto name = dir.file("salts" + std::to_string(++row));
            salt_chain chain(name, wrong_ms);
            BOOST_TEST((chain.visitor_key(0) != chain.visitor_key(1)));
            const auto old_salt = fields(name).salt;
            const salt_chain still(name, wrong_ms + day_ms);
            BOOST_TEST((still.visitor_key(1) == chain.visitor_key(1)));
            const salt_chain right(name, now_ms);
            BOOST_TEST(right.oldest() == today - 2);
            BOOST_TEST((right.id_key() == chain.id_key()));
            BOOST_TEST((right.visitor_key(today) == chain.visitor_key(today)));
            BOOST_TEST((right.visitor_key(0) != chain.visitor_key(0)));
            BOOST_TEST(content_of(name).find(old_salt) == std::string::npos);
            BOOST_TEST(!chain.forget_old(now_ms));  // or it is set while luot runs
            BOOST_TEST(chain.oldest() == right.oldest());
        }
    }
}

BOOST_AUTO_TEST_CASE(a_file_that_others_can_read_is_refused)
{
    const temp_dir dir;
    const auto name = dir.file("salts");
    {
        const salt_chain chain(name, now_ms);
    }
    for (const unsigned mode : {0640U, 0604U, 0620U, 0602U, 0610U, 0601U, 0644U, 0666U, 0777U}) {
        BOOST_TEST_CONTEXT("mode " << std::oct << mode)
        {
            BOOST_REQUIRE(::chmod(name.c_str(), mode) == 0);
            BOOST_TEST(complaint_about(name).find("chmod 600 " + name) != std::string::npos);
            BOOST_TEST(mode_of(name) == mode);
        }
    }
    for (const unsigned mode : {0600U, 0400U}) {
        BOOST_TEST_CONTEXT("mode " << std::oct << mode)
        {
            BOOST_REQUIRE(::chmod(name.c_str(), mode) == 0);
            BOOST_TEST(complaint_about(name) == "");
        }
    }
}

BOOST_AUTO_TEST_CASE(a_file_of_a_newer_version_is_refused_and_left_as_it_is)
{
    const temp_dir dir;
    const auto name = dir.file("salts");
    const auto newer = "luot-salts 2\nids " + std::string(32, 'a') + "\nday 18000 " +
                       std::string(64, 'b') + "\nmore\n";
    write_private(name, newer);
    BOOST_TEST(complaint_about(name).find("newer luot") != std::string::npos);
    BOOST_TEST((content_of(name) == newer));
}

// A chain begun anew in silence would count the visitors of the day twice, and hide that.
BOOST_AUTO_TEST_CASE(a_damaged_file_is_refused_and_left_as_it_is)
{
    const temp_dir dir;
    const auto name = dir.file("salts");
    const std::string head = "luot-salts 1\n";
    const std::string ids = "ids " + std::string(32, 'a') + '\n';
    const std::string salt = std::string(64, 'b') + '\n';
    write_private(name, head + ids + "day 18833 " + salt);
    BOOST_TEST_REQUIRE(complaint_about(name) == "");

    const std::string table[] = {
        head,
        head + ids,
        head + "day 18833 " + salt + ids,
        head + "ids " + std::string(31, 'a') + "\nday 18833 " + salt,
        head + "ids " + std::string(33, 'a') + "\nday 18833 " + salt,
        head + "ids " + std::string(31, 'a') + "g\nday 18833 " + salt,
        head + "sdi " + std::string(32, 'a') + "\nday 18833 " + salt,
        head + ids + "dax 18833 " + salt,
        head + ids + "day x " + salt,
        head + ids + "day 99999999999 " + salt,
        head + ids + "day 18833 " + std::string(63, 'b') + '\n',
        head + ids + "day 18833 " + std::string(65, 'b') + '\n',
        head + ids + "day 18833 " + std::string(63, 'b') + "z\n",
        head + ids + "day 18833 " + std::string(64, '\0') + '\n',
    };
    for (const auto& content : table) {
        BOOST_TEST_CONTEXT("content " << content)
        {
            write_private(name, content);
            BOOST_TEST(complaint_about(name).find(name + " is damaged") == 0U);
            BOOST_TEST((content_of(name) == content));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_file_cut_anywhere_is_refused_and_left_as_it_is)
{
    const temp_dir dir;
    const auto name = dir.file("salts");
    {
        const salt_chain chain(name, now_ms);
    }
    const auto whole = content_of(name);
    for (std::size_t cut = 0; cut + 1 < whole.size(); ++cut) {
        BOOST_TEST_CONTEXT("cut at byte " << cut << " of " << whole.size())
        {
            write_private(name, whole.substr(0, cut));
            BOOST_TEST(complaint_about(name) != "");
            BOOST_TEST((content_of(name) == whole.substr(0, cut)));
        }
    }
    write_private(name, whole.substr(0, whole.size() - 1));  // only the last line's end: all there
    BOOST_TEST(complaint_about(name) == "");
}

BOOST_AUTO_TEST_CASE(a_chain_that_is_exported_and_imported_is_the_same_from_then_on)
{
    const temp_dir dir;
    const auto mine = dir.file("mine"), others = dir.file("others");
    const salt_chain chain(mine, now_ms - 5 * day_ms);
    {
        const salt_chain replaced(others, now_ms);
    }
    const auto before = content_of(mine);
    const auto text = salt_chain::export_from(mine, now_ms);
    BOOST_TEST((content_of(mine) == before));
    BOOST_TEST(salt_chain::import_to(others, text, now_ms));
    BOOST_TEST(!salt_chain::import_to(others, text, now_ms));
    BOOST_TEST(mode_of(others) == 0600U);
    const salt_chain copy(others, now_ms);
    BOOST_TEST(copy.oldest() > chain.oldest());  // older links are not handed out
    BOOST_TEST(copy.fingerprint(today) == chain.fingerprint(today));
    BOOST_TEST((copy.id_key() == chain.id_key()));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_a_chain_is_not_imported)
{
    const temp_dir dir;
    const auto mine = dir.file("mine"), others = dir.file("others");
    {
        const salt_chain chain(mine, now_ms), kept(others, now_ms);
    }
    const auto text = salt_chain::export_from(mine, now_ms);
    const auto before = content_of(others);
    const auto of_day = [&text](const std::string& day) {
        auto changed = text;
        const auto at = changed.find("day ") + 4;
        return changed.replace(at, changed.find(' ', at) - at, day);
    };
    for (const auto& wrong :
         {std::string{}, std::string("luot-salts 1\n"), text.substr(0, text.size() / 2),
          of_day("-2147483648"), of_day("0"), of_day("2147483647"), of_day("19300")}) {
        BOOST_TEST_CONTEXT(wrong)
        BOOST_CHECK_THROW(salt_chain::import_to(others, wrong, now_ms), std::runtime_error);
    }
    BOOST_TEST((content_of(others) == before));
    BOOST_CHECK_THROW((void)salt_chain::export_from(dir.file("none"), now_ms), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace salts_test
