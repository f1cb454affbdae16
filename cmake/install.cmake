# SPDX-License-Identifier: BSD-3-Clause
# What CMake's own install() does not do.

# The code that gives VARIABLE the path that PATH, relative to the prefix or absolute, has when it is installed: the
# prefix is known then only (`cmake --install --prefix`)
function(installed_path variable path)
  set(${variable}_code "
    get_filename_component(prefix \"\${CMAKE_INSTALL_PREFIX}\" ABSOLUTE)
    get_filename_component(${variable} \"${path}\" ABSOLUTE BASE_DIR \"\${prefix}\")" PARENT_SCOPE)
endfunction()

# install_configured(TEMPLATE DESTINATION COMPONENT): installs TEMPLATE, a NAME.in, as NAME, with @bin_dir@ and
# @driver_dir@ replaced
function(install_configured template destination component)
  get_filename_component(name ${template} NAME_WLE)
  set(configured ${PROJECT_BINARY_DIR}/installed/${name})
  installed_path(bin_dir "${CMAKE_INSTALL_BINDIR}")
  installed_path(driver_dir "${CARDRIG_DRIVER_DIR}")
  install(CODE "${bin_dir_code} ${driver_dir_code}
    configure_file(\"${CMAKE_CURRENT_SOURCE_DIR}/${template}\" \"${configured}\" @ONLY)" COMPONENT ${component})
  install(FILES ${configured} DESTINATION ${destination} COMPONENT ${component})
endfunction()

# install_directories(COMPONENT DIRECTORY...): makes those that are missing, for everybody to read, whatever the umask;
# to be called before what is installed there
function(install_directories component)
  foreach(path IN LISTS ARGN)
    installed_path(directory "${path}")
    install(CODE "${directory_code}
    execute_process(COMMAND sh -c \"umask 022 && mkdir -p \\\"$1\\\"\" sh \"\$ENV{DESTDIR}\${directory}\")"
      COMPONENT ${component})
  endforeach()
endfunction()
