# The flags of every target: warnings as errors, no exceptions, sanitizers.
add_library(AirFlags INTERFACE)
target_include_directories(AirFlags INTERFACE "${CMAKE_SOURCE_DIR}")
# Generated code (TableGen, flatc) need not be free of the warnings that we enable.
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
  # The vptr check needs RTTI, without which formats/ and runtime/ are built.
  target_compile_options(AirFlags INTERFACE -fsanitize=${AIR_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(AirFlags INTERFACE -fsanitize=${AIR_SANITIZE})
  if(AIR_SANITIZE MATCHES "undefined")
    target_compile_options(AirFlags INTERFACE -fno-sanitize=vptr)
  endif()
endif()
if(AIR_BUILD_FUZZERS)
  # Libraries get coverage counters only; the targets of test/fuzz also get libFuzzer's main().
  target_compile_options(AirFlags INTERFACE -fsanitize=fuzzer-no-link,address
    -fno-omit-frame-pointer)
  target_link_options(AirFlags INTERFACE -fsanitize=address)
endif()
