//===- ModelSource.h - a model as its file describes it ---------*- C++ -*-===//
//
// A ModelSource is what a reader of model files (formats/gguf) returns: typed
// metadata, and an index of tensors whose bytes stay in the mapped files.
// Nothing is computed and no tensor is copied.
//
// Ownership: a ModelSource owns its mappings; the `data` spans of its tensors
// are valid only as long as it exists. Thread-safety: immutable after reading.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_MODELSOURCE_H
#define AIRPACK_FORMATS_MODEL_MODELSOURCE_H

#include "formats/dtype/DType.h"
#include "formats/model/TokenizerData.h"
#include "formats/support/MappedFile.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace air {

/// A metadata value. Integers of every width widen to int64 or uint64, floats
/// to double; all elements of an array have the same type.
using MetadataValue =
    std::variant<bool, int64_t, uint64_t, double, std::string,
                 std::vector<bool>, std::vector<int64_t>, std::vector<uint64_t>,
                 std::vector<double>, std::vector<std::string>>;

struct SourceTensor {
  std::string name;
  DType dtype = DType::F32;
  /// The dimensions, outermost first: {rows, columns} for a matrix, {elements}
  /// for a vector. GGUF stores them in the reverse order.
  std::vector<uint64_t> shape;
  std::span<const uint8_t> data;
  uint32_t file = 0;       ///< index into ModelSource::files
  uint64_t fileOffset = 0; ///< in bytes, from the start of that file
};

struct ModelSource {
  std::string format; ///< for example "GGUF v3"
  std::vector<MappedFile> files;
  std::map<std::string, MetadataValue> metadata;
  std::map<std::string, SourceTensor> tensors; ///< by name

  const SourceTensor *find(const std::string &name) const {
    auto it = tensors.find(name);
    return it == tensors.end() ? nullptr : &it->second;
  }

  // These functions return the value of a key, or nullopt if the key is absent
  // or its value has another type. getUnsigned() also accepts signed integers
  // that are not negative.
  std::optional<std::string> getString(const std::string &key) const;
  std::optional<uint64_t> getUnsigned(const std::string &key) const;
  std::optional<double> getFloat(const std::string &key) const;
  std::optional<bool> getBool(const std::string &key) const;
};

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_MODELSOURCE_H
