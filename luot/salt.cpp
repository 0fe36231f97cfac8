#include "collector/salts.hpp"
#include "core/clock.hpp"
#include "core/config.hpp"
#include "core/file.hpp"
#include "luot/commands.hpp"
#include "luot/data_lock.hpp"

#include <cstdio>
#include <functional>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

namespace luot {

namespace {

int with_config(const std::string& config_file, const std::function<void(const config&)>& act)
{
    try {
        act(load_config(config_file));
        return 0;
    } catch (const config_error& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 2;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "luot: %s\n", e.what());
        return 1;
    }
}

std::string salts_of(const config& c)
{
    return c.data_dir + "/salts";
}

std::string content_of(const std::string& file)
{
    if (file == "-")
        return {std::istreambuf_iterator<char>(std::cin), {}};
    struct stat status {};
    if (::stat(file.c_str(), &status) == 0 && (status.st_mode & 077) != 0)
        throw std::runtime_error(file + " can be read by others: chmod 600 " + file +
                                 ", and remove it once it is imported");
    const auto content = read_file(file);
    if (!content)
        throw std::runtime_error("cannot read " + file + ": " + content.error().message());
    return *content;
}

}  // namespace

int export_salts(const std::string& config_file)
{
    return with_config(config_file, [](const config& c) {
        const auto text = collector::salt_chain::export_from(salts_of(c), unix_ms());
        if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
            throw std::runtime_error("cannot write to standard output");
    });
}

int import_salts(const std::string& config_file, const std::string& file)
{
    return with_config(config_file, [&file](const config& c) {
        const auto text = content_of(file);
        refuse_for_another_user(c.data_dir);
        data_lock lock(c.data_dir);
        if (!lock.try_lock())
            throw std::runtime_error("a luot is running on " + c.data_dir +
                                     ": stop it, import, and start it again");
        const bool has_changed = collector::salt_chain::import_to(salts_of(c), text, unix_ms());
        std::printf("%s: %s\n", salts_of(c).c_str(),
                    has_changed ? "imported" : "the same already, nothing changed");
    });
}

}  // namespace luot
