// The precompiled headers of the libraries that do not include MLIR's: the
// headers of the standard library that most of their files include, and
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
