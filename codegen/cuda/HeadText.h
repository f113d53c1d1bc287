//===- HeadText.h - the heads of q, k and v in a kernel's text --*- C++ -*-===//
//
// Private to codegen/cuda. The pieces of a kernel's text that normalise, rotate
// and store heads (HeadRows).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_HEADTEXT_H
#define AIRPACK_CODEGEN_CUDA_HEADTEXT_H

#include "codegen/cuda/Bindings.h"

namespace air::codegen::cuda {

uint32_t headCount(const HeadRows &heads);

/// Returns Unsupported, with a message that begins with `where`, if a size in
/// `heads` is out of range or the KV cache does not fit the heads. Does not
/// check tokensPerSequence.
Status checkHeads(const HeadRows &heads, const std::string &where);

/// Returns the part of a kernel's name that states `heads`, without
/// tokensPerSequence.
std::string headName(const HeadRows &heads);

/// The constants that headText uses.
std::string headLiterals(const HeadRows &heads);

/// The bindings that headText uses: "angles", "q_norm", "k_norm", "positions",
/// "block_tables" and "kv_cache".
std::vector<Binding> headBindings(const HeadRows &heads);

/// Returns the text of the CUDA function finishHead, with which a warp
/// normalises, rotates and stores one head of one token. The kernel must also
/// define sequenceOf(more, token), which returns the row of the token's
/// sequence in the block tables.
std::string_view headText();

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_HEADTEXT_H
