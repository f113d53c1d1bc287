//===- NeutralKeys.h - keys that may be there and say nothing ---*- C++ -*-===//
//
// Converters write keys of mathematics that a model does not have, at the value
// that means "not there". Such a key is taken at that value and refused at any
// other. One table has them all, with the reason.
//
// Names and meaning of the keys: "gguf/constants.py" of gguf 0.19 on PyPI, and
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_IMPORT_NEUTRALKEYS_H
#define AIRPACK_COMPILER_IMPORT_NEUTRALKEYS_H

#include "compiler/import/SourceReader.h"

#include <span>
#include <string_view>

namespace air::compiler {

enum class Neutral : uint8_t {
  Zero,      ///< 0, or false; of a list, every element
  One,       ///< 1, or true; of a list, every element
  ZeroOrOne, ///< a factor: 1 changes nothing, 0 means that there is none
  Anything,  ///< a detail of something that another key says is not there
};

struct NeutralKey {
  std::string_view key; ///< without the architecture
  Neutral neutral;
  std::string_view what; ///< what another value asks for
};

/// Sorted by key.
std::span<const NeutralKey> neutralKeys();

/// Takes every key of the table. Unsupported names the first that asks for
/// something; Corrupt one that is no number.
Status readNeutralKeys(SourceReader &reader);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_IMPORT_NEUTRALKEYS_H
