//===- AmxGemm.h - products of whole tiles ----------------------*- C++ -*-===//
//
// Where the target has tile registers (IsaTraits::hasAmxBf16, hasAmxInt8), many
// tokens' panels (WeightPanel.h, Bf16Dot.h) are multiplied by them: a block
// of 32 columns of 16 tokens, as it lies in activations, is the first factor, a
// block of a panel the second, and the sums of 16 tokens by 16 rows the result.
//
// Of bfloat16 sums are float32 and stay in tiles for a panel. An instruction
// adds up the products of even and of odd columns apart, each in order, then
// both, then these to the sum; every addition is rounded to nearest, and
// subnormals count as zeros.
//
// Of bytes sums are integers of one block, which are scaled as elsewhere: half
// of a tile's columns are used then. Formats with a scale for 16 columns are
// multiplied without tiles.
//
// LLVM configures tiles where a kernel starts to use them, and releases them
// when it returns. The operating system has to permit them
// (formats/machine/TileRegisters.h).
//
// Thread-safety: as KernelBuilder.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_AMXGEMM_H
#define AIRPACK_CODEGEN_CPU_MATMUL_AMXGEMM_H

#include "codegen/cpu/matmul/Bf16Dot.h"
#include "codegen/cpu/matmul/Int8Panel.h"
#include "codegen/cpu/matmul/WeightPanel.h"

namespace air::codegen {

/// Groups whose sums go in tiles together: with a factor for each and one that
/// they share these are seven of the eight registers.
inline constexpr uint64_t kTileGroups = 3;
/// Columns of a panel of pairs: sums are loaded and stored once for so many.
inline constexpr uint64_t kTilePanelColumns = 256;
/// What a group's sums take in memory.
inline constexpr uint64_t kTileDotBytes =
    uint64_t{kActivationTokens} * 4 * kRowLanes;

/// As multiplyPairs(), all 16 tokens at once.
void multiplyPairTiles(KernelBuilder &b, llvm::ArrayRef<mlir::Value> panels,
                       mlir::Value x, mlir::Value tile, mlir::Value sums,
                       mlir::Value columns, const NextPanels &next);

/// sums[token][group][16] += products of `columns` columns of the panels' bytes
/// and of the 16 tokens of the `tile`th tile `x`, an ActivationTile a block.
/// `dots` has kTileDotBytes for each group. form.columns is 32.
void multiplyByteTiles(KernelBuilder &b, llvm::ArrayRef<mlir::Value> panels,
                       const BytePanelForm &form, mlir::Value x,
                       mlir::Value tile, mlir::Value sums, mlir::Value columns,
                       mlir::Value dots, const NextPanels &next);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_AMXGEMM_H
