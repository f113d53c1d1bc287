//===- GgufTypes.h - tensor type ids of GGUF files --------------*- C++ -*-===//
//
// Which ids this project reads, and the names of known ids that it does not
// read: those that ggml has withdrawn, and those of ik_llama.cpp (its
// gguf-py/gguf/constants.py).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_GGUF_GGUFTYPES_H
#define AIRPACK_FORMATS_GGUF_GGUFTYPES_H

#include "formats/dtype/DType.h"

namespace air::gguf {

/// The DType of a file's type id. An Unsupported error says where the type
/// comes from and what to do.
Result<DType> typeFromFile(uint32_t id);

} // namespace air::gguf

#endif // AIRPACK_FORMATS_GGUF_GGUFTYPES_H
