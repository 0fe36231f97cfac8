# What `cmake --install` puts where, and the Debian package: `cpack --config build/release/CPackConfig.cmake` writes
# luot_VERSION-1_ARCHITECTURE.deb. Its scripts: deploy/debian/. How it is used: docs/install.md.

set(deploy ${CMAKE_SOURCE_DIR}/deploy)
set(doc share/doc/luot)

# Man pages, made from --help: they cannot say anything else.
set(man_pages ${CMAKE_BINARY_DIR}/man)
add_custom_command(
    OUTPUT ${man_pages}/luot.1.gz
    COMMAND ${Python3_EXECUTABLE} ${deploy}/debian/man_pages.py $<TARGET_FILE:luot> ${man_pages}
    DEPENDS luot ${deploy}/debian/man_pages.py
    VERBATIM)
set(changelogs)
foreach(pair changelog.Debian:${deploy}/debian/changelog changelog:${CMAKE_SOURCE_DIR}/CHANGELOG.md)
    string(REGEX MATCH "^([^:]*):(.*)$" pair ${pair})
    set(packed ${CMAKE_BINARY_DIR}/${CMAKE_MATCH_1}.gz)
    list(APPEND changelogs ${packed})
    add_custom_command(OUTPUT ${packed} COMMAND sh -c "gzip -9n <${CMAKE_MATCH_2} >${packed}" DEPENDS ${CMAKE_MATCH_2} VERBATIM)
endforeach()
add_custom_target(luot_package_files ALL DEPENDS ${man_pages}/luot.1.gz ${changelogs})

set(script_permissions OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
install(TARGETS luot RUNTIME DESTINATION bin)
install(DIRECTORY ${man_pages}/ DESTINATION share/man/man1 FILES_MATCHING PATTERN "*.1.gz")
# For a Redis of one's own.
file(GLOB redis_scripts CONFIGURE_DEPENDS ${deploy}/redis-*.sh)
file(GLOB redis_files CONFIGURE_DEPENDS ${deploy}/redis.conf ${deploy}/redis-users.acl)
install(PROGRAMS ${redis_scripts} DESTINATION share/luot)
install(FILES ${redis_files} DESTINATION share/luot)
install(FILES ${deploy}/luot.toml DESTINATION /etc/luot)
install(FILES ${deploy}/debian/sysusers.conf DESTINATION lib/sysusers.d RENAME luot.conf)
install(FILES ${deploy}/debian/tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME luot.conf)
install(DIRECTORY ${deploy}/systemd/ DESTINATION /lib/systemd/system FILES_MATCHING PATTERN "*.service" PATTERN "*.socket")
# Examples for what stands around luot, where there are any: web server, Prometheus, Grafana.
foreach(folder deploy/nginx dashboards/grafana dashboards/prometheus)
    install(DIRECTORY ${CMAKE_SOURCE_DIR}/${folder} DESTINATION share/luot OPTIONAL PATTERN "*.py" EXCLUDE)
endforeach()
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs/ DESTINATION ${doc} FILES_MATCHING PATTERN "*.md")
install(FILES ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/NOTICE DESTINATION ${doc})
install(FILES ${deploy}/debian/copyright ${changelogs} DESTINATION ${doc})
install(FILES ${deploy}/debian/lintian-overrides DESTINATION share/lintian/overrides RENAME luot)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME luot)
set(CPACK_PACKAGE_CONTACT "The luot authors <luot@example.vn>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS ${script_permissions})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION web)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# redis-tools has redis-check-aof, with which luot mends the file of its own Redis and redis-cut-torn-end.sh that of another.
# The program redis-server itself is in a package that starts a service: only `luot serve` without redis.url needs it.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers | systemd-sysusers, systemd | systemd-standalone-tmpfiles | systemd-tmpfiles, redis-tools (>= 5:7.0), tzdata")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "redis-server (>= 5:7.0), curl")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "nginx, prometheus")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "counts how often the pages of a site are read")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "luot takes hits from pages, counts each exactly once, whatever process dies,
and shows the counts on those pages: views, visits, visitors and who is
online, with reports, badges and metrics for Prometheus. It keeps no address
of a reader and sets no cookie.

luot.service is all of it, with a private Redis; collectors and aggregators
also run apart, any number of each.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${deploy}/debian/conffiles ${deploy}/debian/postinst ${deploy}/debian/prerm ${deploy}/debian/postrm)
include(CPack)
