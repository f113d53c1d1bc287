// Headers that are precompiled for the tests that do not use MLIR: those of
// GoogleTest and GoogleMock, and those of the standard library that most tests
// need.
#ifndef AIRPACK_CMAKE_TESTPCH_H
#define AIRPACK_CMAKE_TESTPCH_H

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#endif // AIRPACK_CMAKE_TESTPCH_H
