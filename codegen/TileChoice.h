//===- TileChoice.h - tile sizes by measurement -----------------*- C++ -*-===//
//
// The exchange between a compiler, which knows the kernels that a plan needs,
// and a tuner, which times them. Kernel uses go out and tile choices come back,
// both as plain values.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_TILECHOICE_H
#define AIRPACK_CODEGEN_TILECHOICE_H

#include "codegen/KernelSpec.h"

namespace air::codegen {

/// A matmul of a plan, with its tile sizes left to the cost model.
struct KernelUse {
  KernelSpec spec;
  uint64_t rows = 1;        ///< rows of x in a typical pass
  uint64_t weightBytes = 0; ///< summed over its dispatches in one pass
};

/// The result of measuring a KernelUse's spec. A size of 0 keeps the cost
/// model's choice.
struct TileChoice {
  KernelSpec spec;
  MatMulTiles tiles;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_TILECHOICE_H
