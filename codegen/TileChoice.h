//===- TileChoice.h - tiles by measurement ----------------------*- C++ -*-===//
//
// What passes between a compiler that knows which kernels a plan needs and
// whoever times them: kernels out, tiles back. Both are plain values.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_TILECHOICE_H
#define AIRPACK_CODEGEN_TILECHOICE_H

#include "codegen/KernelSpec.h"

namespace air::codegen {

/// A product of a plan, its tiles left to the cost model.
struct KernelUse {
  KernelSpec spec;
  uint64_t rows = 1;        ///< of x that a typical pass multiplies
  uint64_t weightBytes = 0; ///< of all its dispatches in a pass
};

/// What measuring a KernelUse's spec came to; the cost model's sizes are 0.
struct TileChoice {
  KernelSpec spec;
  ProductTiles tiles;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_TILECHOICE_H
