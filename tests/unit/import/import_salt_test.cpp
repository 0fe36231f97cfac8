// The secret behind imported visitors: the same for an import that goes on, gone a week later.

#include "import/import_salt.hpp"

#include "core/clock.hpp"
#include "tests/unit/support/file_mode.hpp"
#include "tests/unit/support/temp_dir.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace import_salt_test {

using namespace luot;
using luot::importer::import_salt;
using luot::testing::content_of;
using luot::testing::mode_of;
using luot::testing::temp_dir;
using luot::testing::write_file;

BOOST_AUTO_TEST_SUITE(the_salt_of_imports)

BOOST_AUTO_TEST_CASE(it_is_made_once_kept_private_and_has_a_key_for_each_date)
{
    const temp_dir dir;
    const auto file = dir.file("import.salt");
    const auto now = unix_ms();
    const import_salt first(file, now), again(file, now + 6 * day_ms), other;
    BOOST_TEST(mode_of(file) == 0600U);
    BOOST_TEST((first.visitor_key(16'000) == again.visitor_key(16'000)));
    BOOST_TEST((first.visitor_key(16'000) != first.visitor_key(16'001)));
    BOOST_TEST((first.visitor_key(16'000) != other.visitor_key(16'000)));
}

BOOST_AUTO_TEST_CASE(a_week_after_its_last_use_it_is_another_one)
{
    const temp_dir dir;
    const auto file = dir.file("import.salt");
    const auto now = unix_ms();
    const import_salt first(file, now);
    const auto content = content_of(file);
    BOOST_TEST(!import_salt::forget_old(file, now + 6 * day_ms));
    BOOST_TEST(content_of(file) == content);
    const import_salt later(file, now + 8 * day_ms);
    BOOST_TEST(content_of(file) != content);
    BOOST_TEST((first.visitor_key(16'000) != later.visitor_key(16'000)));
    BOOST_TEST(!import_salt::forget_old(file, now + 8 * day_ms));
    BOOST_TEST(!std::filesystem::exists(file));
    BOOST_TEST(!import_salt::forget_old(file, now + 8 * day_ms), "nothing is there to remove");
}

BOOST_AUTO_TEST_CASE(using_it_keeps_it)
{
    const temp_dir dir;
    const auto file = dir.file("import.salt");
    const auto now = unix_ms();
    {
        const import_salt made(file, now);
    }
    std::filesystem::last_write_time(
        file, std::filesystem::file_time_type::clock::now() - std::chrono::hours(6 * 24));
    {
        const import_salt used(file, now);
    }
    BOOST_TEST(!import_salt::forget_old(file, now + 6 * day_ms));
    BOOST_TEST(std::filesystem::exists(file));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_trusted_is_refused)
{
    const temp_dir dir;
    const auto file = dir.file("import.salt");
    const auto now = unix_ms();
    {
        const import_salt made(file, now);
    }
    const auto good = content_of(file);
    for (const auto& text : {std::string{}, std::string("luot-import-salt 1 \n"),
                             good.substr(0, good.size() - 3), good + "00", "x" + good}) {
        write_file(file, text);
        BOOST_CHECK_THROW(import_salt(file, now), std::runtime_error);
    }
    write_file(file, good);
    std::filesystem::permissions(file, std::filesystem::perms::group_read,
                                 std::filesystem::perm_options::add);
    BOOST_CHECK_THROW(import_salt(file, now), std::runtime_error);
    BOOST_CHECK_THROW(import_salt(dir.file("no/such/folder"), now), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace import_salt_test
