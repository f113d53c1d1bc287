//===- AmxGemm.h - GEMM on AMX tile registers -------------------*- C++ -*-===//
//
// On targets with tile registers (IsaTraits::hasAmxBf16, hasAmxInt8), large-M
// kernels multiply their panels (WeightPanel.h, Bf16Dot.h, Int8Panel.h) by the
// activations with tile instructions. The first operand of an instruction is a
// block of 32 columns of 16 tokens, as stored in the packed activations. The
// second is a block of a panel. The result holds the sums of 16 tokens by 16
// rows.
//
// bfloat16: sums are float32 and stay in tile registers for a whole panel. An
// instruction accumulates the products of even columns and of odd columns
// separately, each in order. It adds the two results, and then adds their total
// to the sum. Every addition rounds to nearest, and subnormals are flushed to
// zero.
//
// int8: sums are integers. Each covers one block of columns and is then scaled
// as in the vector kernels. A block fills only half of an operand's tile.
// Dtypes with a scale per 16 columns use the vector kernels instead.
//
// LLVM configures the tiles where a kernel starts to use them and releases them
// when it returns. The operating system has to permit their use
// (formats/machine/TileRegisters.h).
//
// Thread-safety: one thread per MLIRContext.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_AMXGEMM_H
#define AIRPACK_CODEGEN_CPU_MATMUL_AMXGEMM_H

#include "codegen/cpu/matmul/Bf16Dot.h"
#include "codegen/cpu/matmul/Int8Panel.h"
#include "codegen/cpu/matmul/WeightPanel.h"

namespace air::codegen {

/// The number of row blocks whose sums are in tile registers at the same time.
/// The three sums, a weight operand for each of them, and the activation
/// operand that they share take seven of the eight tile registers.
inline constexpr uint64_t kAmxRowBlocks = 3;
/// The number of columns of a bfloat16 panel. The sums are loaded and stored
/// once per panel.
inline constexpr uint64_t kAmxPanelColumns = 256;
/// The bytes of scratch for the i32 sums of one row block and 16 tokens.
inline constexpr uint64_t kAmxDotBytes =
    uint64_t{kActivationTokens} * 4 * kRowLanes;

/// Does the same as multiplyBf16() (Bf16Dot.h), but for all 16 tokens at once.
void multiplyBf16Amx(KernelBuilder &b, llvm::ArrayRef<mlir::Value> panels,
                     mlir::Value x, mlir::Value tile, mlir::Value sums,
                     mlir::Value columns, const PanelPrefetch &next);

/// Does the same as multiplyInt8() (Int8Panel.h), but for all 16 tokens at
/// once. `dots` is scratch of kAmxDotBytes per row block, and layout.columns
/// must be 32.
void multiplyInt8Amx(KernelBuilder &b, llvm::ArrayRef<mlir::Value> panels,
                     const Int8PanelLayout &layout, mlir::Value x,
                     mlir::Value tile, mlir::Value sums, mlir::Value columns,
                     mlir::Value dots, const PanelPrefetch &next);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_AMXGEMM_H
