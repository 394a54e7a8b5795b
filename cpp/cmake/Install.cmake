# `cmake --install` gives what `find_package(edgebundle)` needs, and the program.
set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/edgebundle")
install(TARGETS edgebundle EXPORT edgebundle)
install(TARGETS bundle-predict)
install(DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/include/bundle" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT edgebundle NAMESPACE edgebundle:: DESTINATION "${config_dir}" FILE edgebundle-targets.cmake)
configure_package_config_file(
  "${CMAKE_CURRENT_SOURCE_DIR}/cmake/edgebundle-config.cmake.in" "${CMAKE_CURRENT_BINARY_DIR}/edgebundle-config.cmake"
  INSTALL_DESTINATION "${config_dir}"
)
write_basic_package_version_file(
  "${CMAKE_CURRENT_BINARY_DIR}/edgebundle-config-version.cmake" COMPATIBILITY SameMinorVersion
)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/edgebundle-config.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/edgebundle-config-version.cmake" DESTINATION "${config_dir}"
)
