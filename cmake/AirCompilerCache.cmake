# Uses ccache if it is installed. The build does not need it.
find_program(AIR_CCACHE ccache)
if(AIR_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${AIR_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${AIR_CCACHE}")
endif()

# Clang records the times of all headers in a precompiled header, and refuses it
# if one of them differs later. A header that ccache takes from another checkout
# would then be refused, so the times are left out.
function(air_pch_without_times target)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
endfunction()
