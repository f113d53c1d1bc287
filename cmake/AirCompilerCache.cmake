# Uses ccache if it is installed. The build does not need it.
find_program(AIR_CCACHE ccache)
if(AIR_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${AIR_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${AIR_CCACHE}")
endif()
