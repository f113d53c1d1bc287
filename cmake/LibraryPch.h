// Headers that are precompiled for the libraries that do not use MLIR: those of
// the standard library that most files of these libraries include, and
// nlohmann/json.hpp, which takes longest to compile.
#ifndef AIRPACK_CMAKE_LIBRARYPCH_H
#define AIRPACK_CMAKE_LIBRARYPCH_H

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#endif // AIRPACK_CMAKE_LIBRARYPCH_H
