# Finds MLIR and LLVM 22, where Debian's packages install them. Targets link
# only to the two shared libraries, through air_link_mlir. If a static MLIR
# library were linked as well, there would be two copies of every TypeID.
find_package(MLIR REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "MLIR and LLVM 22 are needed, but version ${LLVM_VERSION} was found")
endif()
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)

separate_arguments(AIR_LLVM_DEFINITIONS NATIVE_COMMAND ${LLVM_DEFINITIONS})

# All targets that include MLIR share one precompiled header. With it, a source
# file compiles in about 2 s instead of 13 s.
add_library(AirMlirPch OBJECT "${CMAKE_SOURCE_DIR}/cmake/MlirPch.cpp")
target_link_libraries(AirMlirPch PRIVATE AirFlags)
target_include_directories(AirMlirPch SYSTEM PRIVATE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_compile_definitions(AirMlirPch PRIVATE ${AIR_LLVM_DEFINITIONS})
target_compile_options(AirMlirPch PRIVATE -Wno-deprecated-declarations)
air_pch_without_times(AirMlirPch)
target_precompile_headers(AirMlirPch PRIVATE "${CMAKE_SOURCE_DIR}/cmake/MlirPch.h")

# air_link_mlir(TARGET) gives a target MLIR's and LLVM's include directories and
# definitions, links it to libMLIR.so and libLLVM.so, and makes it use the
# precompiled header.
function(air_link_mlir target)
  target_include_directories(${target} SYSTEM PUBLIC ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  target_compile_definitions(${target} PUBLIC ${AIR_LLVM_DEFINITIONS})
  target_compile_options(${target} PRIVATE -Wno-deprecated-declarations)
  target_link_libraries(${target} PUBLIC MLIR LLVM)
  # CMake would compile the sources of executables with -fPIE, but they must
  # have the same flag as the precompiled header, which is compiled with -fPIC.
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
  target_precompile_headers(${target} REUSE_FROM AirMlirPch)
endfunction()
