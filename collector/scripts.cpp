#include "collector/scripts.hpp"

#include "core/keys.hpp"

namespace luot::embedded {
extern const std::string_view ship_lua, ask_lua, retire_lua;
}

namespace luot::collector {

const redis::script& ship_script()
{
    static const redis::script s{embedded::ship_lua};
    return s;
}

const redis::script& ask_script()
{
    static const redis::script s{embedded::ask_lua};
    return s;
}

const redis::script& retire_script()
{
    static const redis::script s{embedded::retire_lua};
    return s;
}

redis::command retire_command(unsigned partition, std::string_view producer)
{
    auto c = redis::evaluate(retire_script(), 2);
    c.add(std::string_view(keys::producers(partition)));
    c.add(std::string_view(keys::retired(partition))).add(producer);
    return c;
}

}  // namespace luot::collector
