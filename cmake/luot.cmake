# The flags that every target of luot is built with, and the ways to compile data in.

add_library(luot_options INTERFACE)
target_include_directories(luot_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(luot_options INTERFACE -Wall -Wextra -Wpedantic -Werror)
target_compile_definitions(luot_options INTERFACE
    BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 sees a mismatch in the frames of Asio's coroutines that is none.
    target_compile_options(luot_options INTERFACE -Wno-mismatched-new-delete)
endif()

# luot_library(NAME files...): the static library of one folder.
function(luot_library name)
    add_library(${name} STATIC ${ARGN})
    target_link_libraries(${name} PUBLIC luot_options)
endfunction()

# luot_embed(TARGET SYMBOL FILE [GZIP] [BEHIND FILE]): the bytes of FILE as `extern const std::string_view SYMBOL` of
# namespace luot::embedded (with GZIP also SYMBOL_gz), behind those of another.
function(luot_embed target symbol file)
    cmake_parse_arguments(PARSE_ARGV 3 arg "GZIP" "BEHIND" "")
    set(out ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.cpp)
    add_custom_command(
        OUTPUT ${out}
        COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/cmake/embed.py
            ${symbol} ${out} $<$<BOOL:${arg_GZIP}>:GZIP> ${arg_BEHIND} ${file}
        DEPENDS ${file} ${arg_BEHIND} ${CMAKE_SOURCE_DIR}/cmake/embed.py
        COMMAND_EXPAND_LISTS
        VERBATIM)
    target_sources(${target} PRIVATE ${out})
endfunction()

# luot_generate(TARGET SCRIPT OUT LISTS... [WITH FILES...]): what SCRIPT makes of these lists of npm packages (and of the
# files of ours), as a source of TARGET.
function(luot_generate target script out)
    cmake_parse_arguments(PARSE_ARGV 3 arg "" "" WITH)
    set(lists)
    foreach(list ${arg_UNPARSED_ARGUMENTS})
        set(list ${CMAKE_SOURCE_DIR}/node_modules/${list})
        if(NOT EXISTS ${list})
            message(FATAL_ERROR "${list} is missing: run deploy/install-deps.sh (or npm ci) first")
        endif()
        list(APPEND lists ${list})
    endforeach()
    set(script ${CMAKE_SOURCE_DIR}/aggregator/fold/${script})
    set(out ${CMAKE_CURRENT_BINARY_DIR}/${out})
    add_custom_command(
        OUTPUT ${out}
        COMMAND ${Python3_EXECUTABLE} ${script} ${lists} ${out}
        DEPENDS ${lists} ${script} ${arg_WITH}
        VERBATIM)
    target_sources(${target} PRIVATE ${out})
endfunction()

# luot_crawlers(TARGET): the lists of crawler-user-agents and isbot as aggregator/fold/crawlers.hpp declares them.
function(luot_crawlers target)
    luot_generate(${target} crawlers.py crawlers.cpp crawler-user-agents/crawler-user-agents.json isbot/index.mjs)
endfunction()

# luot_agent_rules(TARGET): the rules of uap-core as aggregator/fold/agent_rules.hpp declares them (needs python3-yaml).
function(luot_agent_rules target)
    luot_generate(${target} agent_rules.py agent_rules.cpp uap-core/regexes.yaml
        WITH ${CMAKE_SOURCE_DIR}/aggregator/fold/more_agents.yaml)
endfunction()
