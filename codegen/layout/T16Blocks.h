//===- T16Blocks.h - a dtype's block as codes and scales --------*- C++ -*-===//
//
// Private to codegen/layout. The bit order of blocks is GGUF's (ggml-common.h
// of https://github.com/ggml-org/ggml). The two functions are inverses of each
// other on every bit pattern.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_LAYOUT_T16BLOCKS_H
#define AIRPACK_CODEGEN_LAYOUT_T16BLOCKS_H

#include "formats/dtype/DType.h"

namespace air::codegen {

/// One row of a unit, taken apart.
struct T16Parts {
  uint16_t codes[256] = {}; ///< unsigned codes, or 16-bit elements
  uint8_t scales[16] = {};  ///< for Q6_K plus 128; for MXFP4 the exponents
  uint8_t minima[8] = {};
  uint16_t d[4] = {}; ///< one per block
  uint16_t dmin = 0;
};

/// Reads block `index` of the unit's row from GGUF's bytes.
void readT16Block(DType dtype, const uint8_t *block, uint32_t index,
                  T16Parts &parts);

void writeT16Block(DType dtype, const T16Parts &parts, uint32_t index,
                   uint8_t *block);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_LAYOUT_T16BLOCKS_H
