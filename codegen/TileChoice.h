//===- TileChoice.h - tile sizes by measurement -----------------*- C++ -*-===//
//
// The values that a compiler and a tuner exchange. The compiler knows the
// matmul kernels that a plan needs and lists them as KernelUses. The tuner
// times them and returns TileChoices.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_TILECHOICE_H
#define AIRPACK_CODEGEN_TILECHOICE_H

#include "codegen/KernelSpec.h"

namespace air::codegen {

/// A matmul kernel of a plan, for which the tuner is to find the fastest tile
/// sizes.
struct KernelUse {
  KernelSpec spec;
  /// The number of rows of the kernel's input x in a typical pass over the
  /// model.
  uint64_t rows = 1;
  /// The bytes of weights that the kernel's dispatches read in one pass.
  uint64_t weightBytes = 0;
};

/// The tile sizes that were measured to be fastest for a KernelUse's spec. The
/// cost model chooses the sizes that are 0.
struct TileChoice {
  KernelSpec spec;
  MatMulTiles tiles;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_TILECHOICE_H
