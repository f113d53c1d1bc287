//===- NeutralKeys.h - keys that are accepted at a neutral value *- C++ -*-===//
//
// Converters also write keys of features that a model does not have, with the
// value that means "absent". Such a key is accepted with that value and refused
// with any other. One table lists all these keys and what they mean.
//
// Sources of the keys' names and meanings: "gguf/constants.py" of gguf 0.19 on
// PyPI, and https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_IMPORT_NEUTRALKEYS_H
#define AIRPACK_COMPILER_IMPORT_NEUTRALKEYS_H

#include "compiler/import/SourceReader.h"

#include <span>
#include <string_view>

namespace air::compiler {

enum class Neutral : uint8_t {
  /// The value, or every element of a list, must be 0 or false.
  Zero,
  /// The value, or every element of a list, must be 1 or true.
  One,
  /// The key is a factor: 1 changes nothing, and 0 means that it is unset.
  ZeroOrOne,
  /// The key describes a detail of a feature, and another key shows that the
  /// model does not have this feature. Any value is accepted.
  Anything,
};

struct NeutralKey {
  std::string_view key; ///< without the architecture's prefix
  Neutral neutral;
  std::string_view what; ///< the feature that other values turn on
};

/// Returns the table, sorted by key.
std::span<const NeutralKey> neutralKeys();

/// Reads every key of the table. An Unsupported error names the first key whose
/// value is not neutral; a Corrupt error names a key whose value is not a
/// number.
Status readNeutralKeys(SourceReader &reader);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_IMPORT_NEUTRALKEYS_H
