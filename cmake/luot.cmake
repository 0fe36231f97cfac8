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

# luot_crawlers(TARGET): the lists of the npm packages crawler-user-agents and isbot as aggregator/fold/crawlers.hpp
# declares them.
function(luot_crawlers target)
    set(crawlers ${CMAKE_SOURCE_DIR}/node_modules/crawler-user-agents/crawler-user-agents.json)
    set(isbot ${CMAKE_SOURCE_DIR}/node_modules/isbot/index.mjs)
    foreach(list ${crawlers} ${isbot})
        if(NOT EXISTS ${list})
            message(FATAL_ERROR "${list} is missing: run deploy/install-deps.sh (or npm ci) first")
        endif()
    endforeach()
    set(script ${CMAKE_SOURCE_DIR}/aggregator/fold/crawlers.py)
    set(out ${CMAKE_CURRENT_BINARY_DIR}/crawlers.cpp)
    add_custom_command(
        OUTPUT ${out}
        COMMAND ${Python3_EXECUTABLE} ${script} ${crawlers} ${isbot} ${out}
        DEPENDS ${crawlers} ${isbot} ${script}
        VERBATIM)
    target_sources(${target} PRIVATE ${out})
endfunction()
