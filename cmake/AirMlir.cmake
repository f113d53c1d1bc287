# MLIR and LLVM 22 from Debian. Targets link only the two shared libraries, through
# air_link_mlir. Linking a static MLIR library as well would give two copies of
# every TypeID.
find_package(MLIR REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "MLIR/LLVM 22 is needed, found ${LLVM_VERSION}")
endif()
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)

separate_arguments(AIR_LLVM_DEFINITIONS NATIVE_COMMAND ${LLVM_DEFINITIONS})

# One precompiled header for all files that include MLIR: a file compiles in 2 s
# instead of 13 s.
add_library(AirMlirPch OBJECT "${CMAKE_SOURCE_DIR}/cmake/MlirPch.cpp")
target_link_libraries(AirMlirPch PRIVATE AirFlags)
target_include_directories(AirMlirPch SYSTEM PRIVATE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_compile_definitions(AirMlirPch PRIVATE ${AIR_LLVM_DEFINITIONS})
target_compile_options(AirMlirPch PRIVATE -Wno-deprecated-declarations)
target_precompile_headers(AirMlirPch PRIVATE "${CMAKE_SOURCE_DIR}/cmake/MlirPch.h")

# air_link_mlir(TARGET) adds headers, definitions, libMLIR.so, libLLVM.so and the
# precompiled header.
function(air_link_mlir target)
  target_include_directories(${target} SYSTEM PUBLIC ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  target_compile_definitions(${target} PUBLIC ${AIR_LLVM_DEFINITIONS})
  target_compile_options(${target} PRIVATE -Wno-deprecated-declarations)
  target_link_libraries(${target} PUBLIC MLIR LLVM)
  # CMake would compile executables with -fPIE, but the precompiled header was not
  # compiled with it.
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
  target_precompile_headers(${target} REUSE_FROM AirMlirPch)
endfunction()
