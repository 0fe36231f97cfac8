// A directory of a test's own, removed with all that is in it.

#pragma once

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace luot::testing {

class temp_dir {
public:
    temp_dir()
    {
        std::string name = (std::filesystem::temp_directory_path() / "luot-unit-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        name_ = name;
    }
    ~temp_dir()
    {
        std::error_code ignored;
        std::filesystem::remove_all(name_, ignored);
    }
    temp_dir(const temp_dir&) = delete;
    temp_dir& operator=(const temp_dir&) = delete;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] std::string file(const std::string& f) const { return name_ + '/' + f; }

private:
    std::string name_;
};

inline std::string content_of(const std::string& name)
{
    std::ifstream in(name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::string& name, const std::string& content)
{
    std::ofstream(name, std::ios::binary | std::ios::trunc) << content;
}

}  // namespace luot::testing
