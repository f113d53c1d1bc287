# air_man_page(TOOL) makes BUILD/man/man1/TOOL.1 from the option table of the tool.
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
