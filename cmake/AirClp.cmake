# Finds COIN-OR CLP, the solver of linear programs that the planner uses.
# Debian's package coinor-libclp-dev has no files for CMake.
find_path(AIR_CLP_INCLUDE_DIR coin/Clp_C_Interface.h)
find_library(AIR_CLP_LIBRARY Clp)
if(NOT AIR_CLP_INCLUDE_DIR OR NOT AIR_CLP_LIBRARY)
  message(FATAL_ERROR "COIN-OR CLP was not found; bash tools/install-deps.sh installs it (coinor-libclp-dev)")
endif()
add_library(AirClp INTERFACE)
target_include_directories(AirClp SYSTEM INTERFACE ${AIR_CLP_INCLUDE_DIR} ${AIR_CLP_INCLUDE_DIR}/coin)
target_link_libraries(AirClp INTERFACE ${AIR_CLP_LIBRARY})
