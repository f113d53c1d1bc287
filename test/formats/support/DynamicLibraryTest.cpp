//===- DynamicLibraryTest.cpp - opens the C maths library by name ---------===//
#include "formats/support/DynamicLibrary.h"

#include <gtest/gtest.h>

using air::DynamicLibrary;

TEST(DynamicLibrary, FindsTheFunctionsOfALibrary) {
  const DynamicLibrary library = DynamicLibrary::open("libm.so.6");
  ASSERT_TRUE(library.isOpen());
  double (*cubeRoot)(double) = nullptr;
  ASSERT_TRUE(library.find("cbrt", cubeRoot));
  EXPECT_NEAR(cubeRoot(27.0), 3.0, 1e-15);
  EXPECT_FALSE(library.find("no_such_function", cubeRoot));
  EXPECT_EQ(cubeRoot, nullptr);
}

TEST(DynamicLibrary, StaysOpenInACopy) {
  DynamicLibrary library = DynamicLibrary::open("libm.so.6");
  const DynamicLibrary copy = library;
  library = DynamicLibrary();
  EXPECT_FALSE(library.isOpen());
  double (*squareRoot)(double) = nullptr;
  ASSERT_TRUE(copy.find("sqrt", squareRoot));
  EXPECT_EQ(squareRoot(9.0), 3.0);
}

TEST(DynamicLibrary, IsClosedWhenTheLibraryIsMissing) {
  for (const char *path : {"", "libno-such-library.so.1", "/", "/dev/null"}) {
    const DynamicLibrary library = DynamicLibrary::open(path);
    EXPECT_FALSE(library.isOpen()) << path;
    void (*function)() = nullptr;
    EXPECT_FALSE(library.find("cbrt", function)) << path;
  }
}
