//===- Int8DotSink.h - dot products of bytes --------------------*- C++ -*-===//
//
// Multiplies weights that are small integers with I8 or I8x2 activations
// (codegen/KernelSpec.h): the bytes of a word of weights meet four bytes of a
// token in a dot product (Int8Dot.h); of I8x2 once for the high halves and
// once for the low. A group's sum is exact; only then it becomes a float and
// takes the scales.
//
// A negative bias of the weights is left out of the bytes: bias * (sum of q) is
// what the sums start from.
//
// Of the weights only byteDTypes() come in a form that can be used here, and
// only where isa().hasByteDot().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_INT8DOTSINK_H
#define AIRPACK_CODEGEN_CPU_MATMUL_INT8DOTSINK_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/matmul/Int8Dot.h"
#include "codegen/cpu/matmul/Int8Sink.h"

namespace air::codegen {

/// sums[t] += w . x[t] for `tokens` tokens in a row.
class ByteDotSink final : public ByteSink {
public:
  /// Tokens from `firstToken` on of rows of `k` columns at `x`; of I8 they lie
  /// in one tile.
  ByteDotSink(KernelBuilder &builder, Activation activation, Value x, int64_t k,
              Value firstToken, int64_t tokens);

  /// The sums so far, 16 lanes of f32 a token.
  const Values &sums() const { return total; }

protected:
  void beginGroup(int64_t first, int64_t count, Value scale,
                  Value offset) override;
  void endGroup() override;
  Values carried() override;
  void restore(mlir::ValueRange values) override;
  void bytes(int64_t column, Value word, int64_t bits, int bias) override;

private:
  /// Numbers of a token and block, in the order of the record's fields.
  enum class Field : uint8_t { Scale, BiasSums, Sums };

  /// Address `byte` of the group's block in what starts at `start`.
  Value blockAt(Value start, int64_t byte);
  /// Four bytes of `half` (0: I8, or high; 1: low) in every lane.
  Value activations(int64_t token, int64_t half, int64_t column);
  Value number(int64_t token, Field field, KernelBuilder::Type element);
  /// bias * (sum of q), bias = -2^n.
  Value biasSum(int64_t token, int bias);

  const bool isTwice; ///< I8x2: two bytes a number
  Value base;         ///< of the first token's bytes
  Value numbers;      ///< I8: as far into a tile as the token's scale is
  int64_t tokenBytes; ///< I8x2: from one token to the next
  int64_t tokenCount;
  Values total;
  // The open group.
  bool open = false;
  int64_t firstColumn = 0;
  int64_t columnCount = 0;
  Value groupScale;
  Value groupOffset;
  int groupBias = 0;
  int64_t chains = 1; ///< independent sums of a half
  /// A token's sums of bytes, [half][chain]; empty: no bytes yet.
  llvm::SmallVector<llvm::SmallVector<ByteSum, 2>> sumsOfBytes;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_INT8DOTSINK_H
