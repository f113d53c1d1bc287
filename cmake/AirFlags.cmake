# Every target links to AirFlags, which sets the include directories, makes
# warnings errors, disables exceptions, and enables the sanitizers that
# AIR_SANITIZE names.
add_library(AirFlags INTERFACE)
target_include_directories(AirFlags INTERFACE "${CMAKE_SOURCE_DIR}")
# TableGen and flatc write headers below the build folder. SYSTEM suppresses
# warnings in them.
target_include_directories(AirFlags SYSTEM INTERFACE "${CMAKE_BINARY_DIR}")
target_compile_options(AirFlags INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough
  -Wno-missing-designated-field-initializers
  -fno-exceptions -fvisibility-inlines-hidden -ffunction-sections -fdata-sections)
target_link_options(AirFlags INTERFACE -Wl,--gc-sections)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_link_options(AirFlags INTERFACE -fuse-ld=lld)
endif()
if(AIR_SANITIZE)
  # Two checks of UBSan are turned off below. "vptr" needs RTTI, but _air_setup
  # (AirLayers.cmake) builds some layers without it. "function" compares the
  # type of a function pointer with a type signature that it expects before the
  # entry point of the called function. Generated kernels have no signature, and
  # the functions of the CUDA driver are called through function types that this
  # project declares itself.
  target_compile_options(AirFlags INTERFACE -fsanitize=${AIR_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(AirFlags INTERFACE -fsanitize=${AIR_SANITIZE})
  if(AIR_SANITIZE MATCHES "undefined")
    target_compile_options(AirFlags INTERFACE -fno-sanitize=vptr,function)
  endif()
endif()
if(AIR_BUILD_FUZZERS)
  # fuzzer-no-link adds coverage counters, but does not link libFuzzer, which
  # has its own main(). Only the targets of test/fuzz link libFuzzer.
  target_compile_options(AirFlags INTERFACE -fsanitize=fuzzer-no-link,address
    -fno-omit-frame-pointer)
  target_link_options(AirFlags INTERFACE -fsanitize=address)
endif()
