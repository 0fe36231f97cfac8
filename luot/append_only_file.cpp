#include "luot/append_only_file.hpp"

#include "core/file.hpp"
#include "core/log.hpp"
#include "core/metrics.hpp"
#include "luot/child_process.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <sstream>
#include <vector>

namespace luot {

/// One incremental file of the manifest. What stands behind `data_end` is zeros: a complete file
/// ends in a line break.
struct append_only_file::part {
    std::string name;  ///< without its directory
    std::string path;
    std::uint64_t size = 0, data_end = 0;
    std::int64_t modified_ms = 0;
    bool is_last = false;  ///< of the manifest: the only one that Redis takes torn
    bool has_data_behind = false;

    [[nodiscard]] std::string state() const
    {
        return path + ':' + std::to_string(size) + ':' + std::to_string(modified_ms);
    }
};

namespace {

constexpr std::uint64_t step_bytes = 64 << 10;

/// The names of the incremental files, the oldest first.
std::vector<std::string> incremental_files(const std::string& manifest)
{
    std::vector<std::string> names;
    const auto text = read_file(manifest);
    std::istringstream lines(text ? *text : std::string{});
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string file_word, name, seq_word, number, type_word, type;
        if (words >> file_word >> name >> seq_word >> number >> type_word >> type && type == "i")
            names.push_back(name);
    }
    return names;
}

/// Where the zeros at the end of a file begin; its size when there are none.
std::uint64_t end_of_data(const file& f, std::uint64_t size)
{
    std::string bytes;
    for (std::uint64_t end = size; end > 0;) {
        const auto from = end - std::min(end, step_bytes);
        if (f.read_at(from, end - from, bytes))
            return size;  // it cannot be read: Redis will say so
        if (const auto last = bytes.find_last_not_of('\0'); last != std::string::npos)
            return from + last + 1;
        end = from;
    }
    return 0;
}

/// Up to which byte redis-check-aof finds a file sound.
std::optional<std::uint64_t> sound_bytes(const std::string& manifest, const std::string& name)
{
    const auto said = output_of({"redis-check-aof", manifest});
    const auto line = said.find("AOF analyzed: filename=" + name + ',');
    const std::string_view field = "ok_up_to=";
    const auto at = line == std::string::npos ? line : said.find(field, line);
    std::uint64_t bytes = 0;
    if (at == std::string::npos)
        return std::nullopt;
    const auto* digits = said.data() + at + field.size();
    if (std::from_chars(digits, said.data() + said.size(), bytes).ec != std::errc{})
        return std::nullopt;
    return bytes;
}

bool holds_a_whole_transaction(const file& f, std::uint64_t from, std::uint64_t end)
{
    std::string bytes;
    return f.read_at(from, end - from, bytes) || bytes.find("\r\nEXEC\r\n") != std::string::npos;
}

/// Copies a file aside, once for each state of it; a copy that did not become whole is removed.
std::error_code copy_aside(const std::string& from, std::uint64_t size, const std::string& to)
{
    namespace fs = std::filesystem;
    std::error_code error;
    if (fs::file_size(to, error) == size && !error)
        return {};
    const auto space = fs::space(fs::path(to).parent_path(), error);
    if (!error && space.available < size)
        return std::make_error_code(std::errc::no_space_on_device);
    fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
    if (error) {
        std::error_code ignored;
        fs::remove(to, ignored);
    }
    return error;
}

}  // namespace

std::string append_only_file::manifest() const
{
    return directory_ + "/appendonlydir/appendonly.aof.manifest";
}

std::string append_only_file::fix_by_hand() const
{
    return "keep a copy of " + directory_ +
           "/appendonlydir, then stop luot and run: redis-check-aof --fix " + manifest() +
           " (it cuts off everything behind the damage)";
}

bool append_only_file::mend()
{
    auto names = incremental_files(manifest());
    bool is_sound = true, is_last = true, has_data_behind = false;
    for (auto name = names.rbegin(); name != names.rend(); ++name, is_last = false) {
        part p;
        p.name = *name;
        p.path = directory_ + "/appendonlydir/" + *name;
        p.is_last = is_last;
        p.has_data_behind = has_data_behind;
        const auto opened = file::open(p.path);
        if (!opened)
            continue;  // Redis will say so
        const auto size = opened->size();
        if (!size)
            continue;
        p.size = *size;
        p.data_end = end_of_data(*opened, p.size);
        if (const auto modified = luot::modified_ms(p.path))
            p.modified_ms = *modified;
        has_data_behind = has_data_behind || p.data_end > 0;
        if (p.data_end == p.size && p.is_last)
            cut_torn_end(p);
        if (p.data_end == p.size || p.state() == refused_) {
            is_sound = is_sound && p.data_end == p.size;
            continue;
        }
        if (const auto why = why_not_mended(p); !why.empty()) {
            refuse(p, why);
            is_sound = false;
        }
    }
    return is_sound;
}

/// What is no torn end is left to Redis, which says what is wrong.
void append_only_file::cut_torn_end(const part& p)
{
    const auto sound = sound_bytes(manifest(), p.name);
    const auto torn = sound ? p.size - std::min(*sound, p.size) : 0;
    const auto opened = file::open(p.path);
    if (torn == 0 || torn > most_torn_bytes || !opened ||
        holds_a_whole_transaction(*opened, p.size - torn, p.size))
        return;
    std::error_code error;
    std::filesystem::resize_file(p.path, p.size - torn, error);
    if (error)
        log::error("redis_file_not_cut", {{"file", p.path}, {"why", error.message()}});
    else
        log::info("redis_file_cut", {{"file", p.path}, {"torn_bytes", torn}});
}

std::string append_only_file::why_not_mended(const part& p)
{
    if (p.has_data_behind)
        return "it ends in zeros, and a later file goes on behind them";
    const auto sound = sound_bytes(manifest(), p.name);
    if (!sound)
        return "redis-check-aof cannot check it (a damaged base file, or apt-get install "
               "redis-tools)";
    const auto torn = p.data_end - std::min(*sound, p.data_end);
    const auto opened = file::open(p.path);
    if (!opened || (torn > 0 && !p.is_last) || torn > most_torn_bytes ||
        holds_a_whole_transaction(*opened, p.data_end - torn, p.data_end))
        return "beside the zeros at its end it is damaged " + std::to_string(torn) +
               " bytes before them, with data behind";

    const auto aside =
        directory_ + "/damaged-" + std::to_string(p.modified_ms / 1000) + '-' + p.name;
    if (const auto error = copy_aside(p.path, p.size, aside))
        return "no copy of it can be made: " + error.message();
    std::error_code error;
    std::filesystem::resize_file(p.path, p.data_end - torn, error);
    if (error)
        return "it cannot be cut: " + error.message();
    mended_.add();
    log::warn("redis_file_mended",
              {{"file", p.path},
               {"copy", aside},
               {"zero_bytes_cut", p.size - p.data_end},
               {"torn_bytes", torn},
               {"what",
                "its end was zeros, as after a power loss: they are cut off, with the last "
                "transaction if it is torn, and redis-check-aof finds the rest sound. Hits of what "
                "is gone that the spool holds are shipped again, others declared lost. Remove the "
                "copy when the counts look right"}});
    return {};
}

void append_only_file::refuse(const part& p, const std::string& why)
{
    refused_ = p.state();
    log::error("redis_file_not_mended",
               {{"file", p.path},
                {"why", why},
                {"what", "it is left as it is, and hits are kept in the spool: " + fix_by_hand()}});
}

}  // namespace luot
