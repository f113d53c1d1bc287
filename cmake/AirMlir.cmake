# MLIR/LLVM 22 from Debian. Link the two shared libraries only, by air_link_mlir;
# naming a static MLIR library too would give two copies of every TypeID.
find_package(MLIR REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "MLIR/LLVM 22 is needed, found ${LLVM_VERSION}")
endif()
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)

separate_arguments(AIR_LLVM_DEFINITIONS NATIVE_COMMAND ${LLVM_DEFINITIONS})

# One precompiled header for every file that includes MLIR: 13 s becomes 2 s.
add_library(AirMlirPch OBJECT "${CMAKE_SOURCE_DIR}/cmake/MlirPch.cpp")
target_link_libraries(AirMlirPch PRIVATE AirFlags)
target_include_directories(AirMlirPch SYSTEM PRIVATE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_compile_definitions(AirMlirPch PRIVATE ${AIR_LLVM_DEFINITIONS})
target_compile_options(AirMlirPch PRIVATE -Wno-deprecated-declarations)
target_precompile_headers(AirMlirPch PRIVATE "${CMAKE_SOURCE_DIR}/cmake/MlirPch.h")

# air_link_mlir(TARGET): headers, definitions, libMLIR.so + libLLVM.so, the PCH.
function(air_link_mlir target)
  target_include_directories(${target} SYSTEM PUBLIC ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  target_compile_definitions(${target} PUBLIC ${AIR_LLVM_DEFINITIONS})
  target_compile_options(${target} PRIVATE -Wno-deprecated-declarations)
  target_link_libraries(${target} PUBLIC MLIR LLVM)
  # Executables would get -fPIE, with which the header was not compiled.
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
  target_precompile_headers(${target} REUSE_FROM AirMlirPch)
endfunction()
