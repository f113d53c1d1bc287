//===- GgufTypes.h - tensor type ids of GGUF files --------------*- C++ -*-===//
//
// typeFromFile() maps the type ids of GGUF files to dtypes. It also knows the
// names of ids that are not supported, for its messages: those that ggml has
// withdrawn, and those of the fork ik_llama.cpp (its
// gguf-py/gguf/constants.py).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_GGUF_GGUFTYPES_H
#define AIRPACK_FORMATS_GGUF_GGUFTYPES_H

#include "formats/dtype/DType.h"

namespace air::gguf {

/// Returns the DType that the type id `id` of a GGUF file stands for. Fails
/// with Unsupported for an id that ggml has withdrawn, that ik_llama.cpp has
/// added, or that is unknown; the message says which of these it is.
Result<DType> typeFromFile(uint32_t id);

} // namespace air::gguf

#endif // AIRPACK_FORMATS_GGUF_GGUFTYPES_H
