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

# luot_embed(TARGET SYMBOL FILE [GZIP]): the bytes of FILE as `extern const std::string_view SYMBOL` of
# namespace luot::embedded (with GZIP also SYMBOL_gz).
function(luot_embed target symbol file)
    set(out ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.cpp)
    add_custom_command(
        OUTPUT ${out}
        COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/cmake/embed.py ${symbol} ${file} ${out} ${ARGN}
        DEPENDS ${file} ${CMAKE_SOURCE_DIR}/cmake/embed.py
        VERBATIM)
    target_sources(${target} PRIVATE ${out})
endfunction()

# luot_list(TARGET LIST SCRIPT OUT [FILE...]): what SCRIPT makes of the file LIST of an npm package (and of the FILEs),
# as a source of TARGET.
function(luot_list target list script out)
    set(list ${CMAKE_SOURCE_DIR}/node_modules/${list})
    if(NOT EXISTS ${list})
        message(FATAL_ERROR "${list} is missing: run deploy/install-deps.sh (or npm ci) first")
    endif()
    set(script ${CMAKE_SOURCE_DIR}/aggregator/fold/${script})
    set(out ${CMAKE_CURRENT_BINARY_DIR}/${out})
    add_custom_command(
        OUTPUT ${out}
        COMMAND ${Python3_EXECUTABLE} ${script} ${list} ${out}
        DEPENDS ${list} ${script} ${ARGN}
        VERBATIM)
    target_sources(${target} PRIVATE ${out})
endfunction()

# luot_crawlers(TARGET): the list of crawler-user-agents as aggregator/fold/crawlers.hpp declares it.
function(luot_crawlers target)
    luot_list(${target} crawler-user-agents/crawler-user-agents.json crawlers.py crawlers.cpp)
endfunction()

# luot_agent_rules(TARGET): the rules of uap-core as aggregator/fold/agent_rules.hpp declares them (needs python3-yaml).
function(luot_agent_rules target)
    luot_list(${target} uap-core/regexes.yaml agent_rules.py agent_rules.cpp
        ${CMAKE_SOURCE_DIR}/aggregator/fold/more_agents.yaml)
endfunction()
