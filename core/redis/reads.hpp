// Several reads of one moment, so that the numbers add up: one call of read.lua.

#pragma once

#include "core/redis/pipeline.hpp"

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

namespace luot::redis {

/// Reads of keys that lie in one partition. The client that sends call() must have loaded source().
class reads {
public:
    /// `name key arguments...`; the replies come in the order of these calls.
    template <class... Arguments>
    void add(std::string_view name, std::string key, const Arguments&... arguments)
    {
        begin(name, std::move(key), sizeof...(arguments));
        (arguments_.add(arguments), ...);
    }
    void add_list(std::string_view name, std::string key,
                  const std::vector<std::string>& arguments);

    /// The reply is an array of replies, or an error.
    [[nodiscard]] command call() const;

    [[nodiscard]] static const script& source();

private:
    void begin(std::string_view name, std::string key, std::size_t count);

    std::vector<std::string> keys_;
    command arguments_;
};

}  // namespace luot::redis
