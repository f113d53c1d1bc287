# The layers, and the only dependencies allowed between them. The main ones are:
#   airpack, air-opt -> compiler -> codegen -> formats <- runtime <- airrun
#   airpack -> tune -> codegen, runtime (airpack --tune times kernels)
# The configuration fails if a target links along any other edge.
# test/house/check_layers.py reads the AIR_LAYER_*_MAY_USE lines and checks
# every #include against them.
set(AIR_LAYER_formats_MAY_USE formats)
set(AIR_LAYER_codegen_MAY_USE codegen formats)
set(AIR_LAYER_compiler_MAY_USE compiler codegen formats)
set(AIR_LAYER_runtime_MAY_USE runtime formats)
set(AIR_LAYER_cli_MAY_USE cli formats)
set(AIR_LAYER_tune_MAY_USE tune codegen runtime formats)
set(AIR_LAYER_airpack_MAY_USE cli tune compiler codegen formats)
set(AIR_LAYER_airrun_MAY_USE airrun cli runtime formats)
set(AIR_LAYER_airgen_MAY_USE cli formats)
set(AIR_LAYER_bench_MAY_USE bench cli tune codegen runtime formats)
set(AIR_LAYER_gpubench_MAY_USE gpubench cli codegen runtime formats)
set(AIR_LAYER_test_MAY_USE test formats codegen compiler runtime cli gpubench)

define_property(TARGET PROPERTY AIR_LAYER BRIEF_DOCS "layer a target belongs to")

function(_air_check_layers target layer)
  foreach(dep IN LISTS ARGN)
    get_target_property(depLayer ${dep} AIR_LAYER)
    if(depLayer AND NOT depLayer IN_LIST AIR_LAYER_${layer}_MAY_USE)
      message(FATAL_ERROR
        "${target} (layer ${layer}) must not use ${dep} (layer ${depLayer}); "
        "allowed: ${AIR_LAYER_${layer}_MAY_USE}")
    endif()
  endforeach()
endfunction()

# The layers that do not include MLIR's headers and are built without RTTI.
set(AIR_LAYERS_WITHOUT_RTTI formats runtime cli airrun airgen)

function(_air_setup target layer scope)
  set_target_properties(${target} PROPERTIES AIR_LAYER ${layer})
  target_link_libraries(${target} ${scope} AirFlags)
  if(layer IN_LIST AIR_LAYERS_WITHOUT_RTTI)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti>)
  endif()
endfunction()

# Owns the precompiled header that all libraries of AIR_LAYERS_WITHOUT_RTTI
# share.
add_library(AirLibraryPch OBJECT "${CMAKE_SOURCE_DIR}/cmake/LibraryPch.cpp")
target_compile_options(AirLibraryPch PRIVATE -fno-rtti)
target_link_libraries(AirLibraryPch PRIVATE AirFlags)
air_pch_without_times(AirLibraryPch)
target_precompile_headers(AirLibraryPch PRIVATE "${CMAKE_SOURCE_DIR}/cmake/LibraryPch.h")

# Adds a static library to a layer:
#   air_library(NAME LAYER layer SOURCES a.cpp... [DEPENDS AirX...]
#               [LINKS external...])
function(air_library name)
  cmake_parse_arguments(ARG "" "LAYER" "SOURCES;DEPENDS;LINKS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  _air_setup(${name} ${ARG_LAYER} PUBLIC)
  _air_check_layers(${name} ${ARG_LAYER} ${ARG_DEPENDS})
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS} ${ARG_LINKS})
  if(ARG_LAYER IN_LIST AIR_LAYERS_WITHOUT_RTTI)
    target_precompile_headers(${name} REUSE_FROM AirLibraryPch)
  endif()
endfunction()

# Optimises files of the current folder in every build type. They cannot use the
# precompiled headers, because Clang refuses those of another optimisation level.
function(air_always_optimise)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -O2
    SKIP_PRECOMPILE_HEADERS ON)
endfunction()

# Adds a program:
#   air_tool(NAME LAYER layer SOURCES a.cpp... [DEPENDS AirX...]
#            [LINKS external...])
function(air_tool name)
  cmake_parse_arguments(ARG "" "LAYER" "SOURCES;DEPENDS;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  _air_setup(${name} ${ARG_LAYER} PRIVATE)
  _air_check_layers(${name} ${ARG_LAYER} ${ARG_DEPENDS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} ${ARG_LINKS})
endfunction()

# Adds a GoogleTest binary, which CTest runs as one test. Its own sources are
# not optimised, because compiling them takes longer than running them. The
# option MLIR lets them include MLIR's headers. They then use the precompiled
# header of AirMlirPch, so they are optimised as the build type says, like that
# header:
#   air_unit_test(NAME [MLIR] SOURCES a.cpp... [DEPENDS AirX...]
#                 [LINKS external...])
function(air_unit_test name)
  cmake_parse_arguments(ARG "MLIR" "" "SOURCES;DEPENDS;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES AIR_LAYER test
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/test-bin")
  target_link_libraries(${name} PRIVATE AirFlags ${ARG_DEPENDS} ${ARG_LINKS}
    GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE
    AIR_TEST_INPUTS="${CMAKE_SOURCE_DIR}/test/Inputs"
    AIR_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  if(ARG_MLIR)
    air_link_mlir(${name})
  else()
    target_compile_options(${name} PRIVATE -O0)
    target_precompile_headers(${name} REUSE_FROM AirTestPch)
  endif()
  add_test(NAME ${name} COMMAND ${name})
endfunction()
