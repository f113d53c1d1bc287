//===- RescaledPanel.h - int8 panels with one scale per 256 columns -------===//
//
// An int8 panel (Int8Panel.h) applies one scale per scale group to each dot
// product, and with weights that have minima also an offset. These
// multiplications take the execution units of the dot products. K-quants have
// a scale for every 16 or 32 columns, so up to a fifth of the units' time goes
// there.
//
// A rescaled panel has one scale and one offset for 256 columns of a row. Its
// weights are rounded to 255 levels between the smallest and the largest weight
// that the block of the K-quant can represent:
//
//   w is about scale * (u - 128) + offset, with u from 1 to 255
//
// The error is at most about 1/508 of that range. It is of the size of the
// error of the activations in I8Wide, which is the only format that rescaled
// panels are multiplied with. Its scales are for 64 columns, so that a scale is
// applied once per 64 columns instead of once per scale group.
//
// Dtypes without offsets have a range that is symmetric about 0.
//
// Thread-safety: one thread per MLIRContext.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_RESCALEDPANEL_H
#define AIRPACK_CODEGEN_CPU_MATMUL_RESCALEDPANEL_H

#include "codegen/cpu/matmul/Int8Panel.h"

#include <span>

namespace air::codegen {

/// The number of columns that share a scale in a rescaled panel. It is the size
/// of a block of every K-quant.
inline constexpr uint64_t kRescaledColumns = 256;

/// The dtypes whose panels can be rescaled: the K-quants.
std::span<const DType> rescaledDTypes();

/// Whether the kernel of `spec` rescales its panels. Rescaling takes about
/// eight vector instructions for 64 bytes of a panel. This is worth it on CPUs
/// that execute most of these instructions beside dot products. There, kernels
/// use panels only for more than 16 tokens (gemvRows() in MatMulTiling.h).
bool usesRescaledPanels(const KernelSpec &spec, const IsaTraits &isa);

/// Converts `columns` columns of a panel that an Int8PanelSink has written. The
/// scale and the offset of 256 columns replace those of the first scale group
/// of these columns.
void rescalePanel(KernelBuilder &b, const Int8PanelLayout &layout,
                  mlir::Value panel, mlir::Value columns);

/// Does for rescaled panels what multiplyInt8() does for other panels. `starts`
/// points at rescaledStartBytes() bytes of scratch, aligned to 64 bytes.
void multiplyRescaled(KernelBuilder &b, llvm::ArrayRef<mlir::Value> panels,
                      const Int8PanelLayout &layout, int64_t microTokens,
                      mlir::Value x, mlir::Value tile, int64_t tileBytes,
                      mlir::Value starts, mlir::Value sums, mlir::Value columns,
                      const PanelPrefetch &next);
/// For 256 columns, the scratch holds the starts of the dot products of each 64
/// columns, and the sums of the activations.
constexpr uint64_t rescaledStartBytes(uint64_t columns) {
  return columns / kRescaledColumns * (kRescaledColumns / kWideColumns + 1) *
         4 * kActivationTokens;
}

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_RESCALEDPANEL_H
