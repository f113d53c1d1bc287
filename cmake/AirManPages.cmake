# air_man_page(TOOL) adds a target that runs `TOOL --man` to write
# man/man1/TOOL.1 to the build folder. It also installs the page and the tool.
function(air_man_page tool)
  set(page "${CMAKE_BINARY_DIR}/man/man1/${tool}.1")
  add_custom_command(OUTPUT "${page}"
    COMMAND ${CMAKE_COMMAND} -E make_directory "${CMAKE_BINARY_DIR}/man/man1"
    COMMAND ${tool} --man > "${page}"
    DEPENDS ${tool} VERBATIM
    COMMENT "Man page of ${tool}")
  add_custom_target(${tool}-man ALL DEPENDS "${page}")
  install(TARGETS ${tool} RUNTIME DESTINATION bin)
  install(FILES "${page}" DESTINATION share/man/man1)
endfunction()
