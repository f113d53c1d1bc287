//===- Int8DotSink.h - int8 dot products for few tokens ---------*- C++ -*-===//
//
// Multiplies int8 weights with I8, I8Grid or I8x2 activations
// (codegen/KernelSpec.h). Each word of four weights is multiplied with four
// bytes of a token by a dot product (Int8Dot.h); for I8x2 this happens twice,
// for the high and the low halves. The products of a scale group are added as
// integers, without rounding. Their sum is then converted to float and scaled.
//
// A negative bias of the weights is not part of the bytes. Instead, the sums
// start from the bias times the sum of the token's activations.
//
// Where weight bytes are unsigned, a weight in the upper bits of a byte need
// not be shifted down before the multiplication. The products are then 2^shift
// times too large, so their sum is shifted down instead. That is exact, because
// the sum is a multiple of 2^shift.
//
// Requires isa().hasByteDot() and a dtype of int8DTypes().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_INT8DOTSINK_H
#define AIRPACK_CODEGEN_CPU_MATMUL_INT8DOTSINK_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/matmul/Int8Dot.h"
#include "codegen/cpu/matmul/Int8Sink.h"

namespace air::codegen {

/// Computes sums[t] += w . x[t], where w are the decoded rows of a row block
/// and x[t] are `tokens` consecutive tokens.
class Int8DotSink final : public Int8Sink {
public:
  /// `x` has rows of `k` columns. The tokens start at `firstToken`; in formats
  /// with token tiles (I8 and I8Grid), all of them are in the same token tile.
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
  void bytes(int64_t column, Value word, int64_t bits, int bias) override {
    multiply(column, word, 0, bits, bias);
  }
  void bytesInPlace(int64_t column, Value word, int64_t shift, int64_t bits,
                    int bias) override;

private:
  /// The numbers that a block of activations stores for each token. I8x2 has no
  /// Sums.
  enum class Field : uint8_t { Scale, BiasSums, Sums };

  /// The index of the block of activations for the columns of the group that is
  /// being emitted.
  Value block();
  /// In the tiled formats only: the address of byte `byte` of the tile with the
  /// index block(). The tile with the index 0 is at `start`.
  Value tileAt(Value start, int64_t byte);
  /// In I8x2 only: the address of byte `byte` of the section that contains the
  /// block with the index block().
  Value sectionAt(int64_t byte);
  /// Loads four bytes of a token and broadcasts them to every lane. `half` is 1
  /// for the low halves of I8x2, and otherwise 0.
  Value activations(int64_t token, int64_t half, int64_t column);
  Value number(int64_t token, Field field, KernelBuilder::Type element);
  /// `bias` times the sum of the token's activations in the group. `bias` is
  /// -2^n.
  Value biasCorrection(int64_t token, int bias);
  /// Multiplies columns [column, column + 4) of the weights by those of each
  /// token, and adds the products to sumsWith(shift). Each byte of `word` is
  /// (weight - bias) * 2^shift. Only the lowest `bits` bits of a byte may be 1;
  /// the `shift` zeros at the low end count towards `bits`.
  void multiply(int64_t column, Value word, int64_t shift, int64_t bits,
                int bias);

  const bool isTwice; ///< whether the format is I8x2 (two bytes per element)
  Value base;         ///< the address of the first token's bytes
  /// In I8 and I8Grid only: the address of the token tile plus 4 * i, where i
  /// is the position of firstToken (see the constructor) in this tile. Adding
  /// the offset of a field of ActivationTile yields the address of this token's
  /// element of the field, in the tile's first block of columns.
  Value numbers;
  int64_t tokenBytes; ///< in I8x2 only: the distance from one token to the next
  int64_t tokenCount;
  Values total;
  // Whether group() is emitting the values of a group. The members that follow
  // describe this group.
  bool open = false;
  int64_t firstColumn = 0;
  int64_t columnCount = 0;
  Value groupScale;
  Value groupOffset;
  int groupBias = 0;
  /// Sums over some columns of a group. The weight bytes of these columns are
  /// 2^shift times too large.
  struct Sums {
    int64_t shift;
    /// For each token, one accumulator; in I8x2, two: the first one for the
    /// high halves of the activations, the second one for the low halves.
    llvm::SmallVector<llvm::SmallVector<Int8Accumulator, 2>> ofTokens;
  };
  Sums &sumsWith(int64_t shift);
  /// The sums of the group that is being emitted: one element for each shift
  /// that has occurred.
  llvm::SmallVector<Sums, 2> sumsOfBytes;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_INT8DOTSINK_H
