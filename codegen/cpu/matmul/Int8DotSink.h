//===- Int8DotSink.h - int8 dot products for few tokens ---------*- C++ -*-===//
//
// Multiplies int8 weights with I8, I8Grid or I8x2 activations
// (codegen/KernelSpec.h). Each word of four weights is multiplied with four
// bytes of a token by a dot product (Int8Dot.h); for I8x2 this happens twice,
// for the high and the low halves. The sum of a scale group is exact; only then
// is it converted to float and scaled.
//
// A negative bias of the weights is not part of the bytes. Instead, sums start
// from bias * (sum of q).
//
// Requires isa().hasByteDot() and one of int8DTypes().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_INT8DOTSINK_H
#define AIRPACK_CODEGEN_CPU_MATMUL_INT8DOTSINK_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/matmul/Int8Dot.h"
#include "codegen/cpu/matmul/Int8Sink.h"

namespace air::codegen {

/// sums[t] += w . x[t] for `tokens` consecutive tokens.
class Int8DotSink final : public Int8Sink {
public:
  /// `x` has rows of `k` columns. The tokens start at `firstToken`; in the
  /// tiled formats they lie within one token tile.
  Int8DotSink(KernelBuilder &builder, Activation activation, Value x, int64_t k,
              Value firstToken, int64_t tokens);

  /// The sums so far, 16 lanes of f32 per token.
  const Values &sums() const { return total; }

protected:
  void beginGroup(int64_t first, int64_t count, Value scale,
                  Value offset) override;
  void endGroup() override;
  Values carried() override;
  void restore(mlir::ValueRange values) override;
  void bytes(int64_t column, Value word, int64_t bits, int bias) override;

private:
  /// Per-token numbers of a block, in the order of the record's fields.
  enum class Field : uint8_t { Scale, BiasSums, Sums };

  /// The address of `byte` in the group's block, relative to `start`.
  Value blockAt(Value start, int64_t byte);
  /// Four bytes of `half` (0: I8, or high; 1: low), broadcast to every lane.
  Value activations(int64_t token, int64_t half, int64_t column);
  Value number(int64_t token, Field field, KernelBuilder::Type element);
  /// bias * (sum of q), where bias is -2^n.
  Value biasCorrection(int64_t token, int bias);

  const bool isTwice; ///< I8x2: two bytes per number
  Value base;         ///< the first token's bytes
  Value numbers;      ///< tiled formats: the tile, offset to the token's lane
  int64_t tokenBytes; ///< I8x2: distance from one token to the next
  int64_t tokenCount;
  Values total;
  // State of the open group.
  bool open = false;
  int64_t firstColumn = 0;
  int64_t columnCount = 0;
  Value groupScale;
  Value groupOffset;
  int groupBias = 0;
  int64_t chains = 1; ///< independent accumulators per half
  /// The accumulators of each token, [half][chain]. Empty before the first
  /// bytes.
  llvm::SmallVector<llvm::SmallVector<Int8Accumulator, 2>> sumsOfBytes;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_INT8DOTSINK_H
