# Uses ccache if it is installed. The build does not need it.
find_program(AIR_CCACHE ccache)
if(AIR_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${AIR_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${AIR_CCACHE}")
endif()

# By default, a precompiled header contains the modification times of all
# headers that it includes, and Clang refuses it if one of these times has
# changed. Clang would therefore refuse a precompiled header that ccache stored
# in another checkout, so the times are left out.
function(air_pch_without_times target)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
endfunction()
