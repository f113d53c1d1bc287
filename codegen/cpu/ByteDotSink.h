//===- ByteDotSink.h - dot products of bytes --------------------*- C++ -*-===//
//
// Multiplies weights that are small integers with I8x2 activations
// (codegen/KernelSpec.h): the bytes of a word of weights meet four bytes of a
// token in a dot product (ByteProducts.h), once for the high halves and once
// for the low. A group's sum is exact; only then it becomes a float and takes
// the scales.
//
// A negative bias of the weights is left out of the bytes: bias * (sum of q) is
// what the low sums start from.
//
// Of the weights only byteDTypes() come in a form that can be used here, and
// only where isa().hasByteDot().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_BYTEDOTSINK_H
#define AIRPACK_CODEGEN_CPU_BYTEDOTSINK_H

#include "codegen/cpu/ByteProducts.h"
#include "codegen/cpu/DecodeSink.h"

namespace air::codegen {

/// sums[t] += w . x[t] for `tokens` rows of ActivationBlocks that lie
/// `rowBytes` apart.
class ByteDotSink final : public DecodeSink {
public:
  ByteDotSink(KernelBuilder &builder, Value x, int64_t rowBytes,
              int64_t tokens);

  void value(int64_t column, Value q) override;
  void fields(int64_t column, Value word, int64_t shift, int64_t bits,
              int bias) override;
  void signedFields(int64_t column, Value word) override;
  Value fieldScale(Value scale, int64_t) override { return scale; }
  void nibblesThrough(int64_t column, Value word, int64_t shift,
                      const std::array<int8_t, 16> &table) override;
  /// The sums so far, 16 lanes of f32 a token.
  const Values &sums() const { return total; }

protected:
  void beginGroup(int64_t first, int64_t count, Value scale,
                  Value offset) override;
  void endGroup() override;
  Values carried() override;
  void restore(mlir::ValueRange values) override;

private:
  /// Address `byte` of the token's block that the group lies in.
  Value blockAt(int64_t token, int64_t byte);
  /// One 32-bit element there, in every lane.
  Value blockSplat(int64_t token, int64_t byte, KernelBuilder::Type element);
  /// Bytes of four columns as dotBytes takes them; with `bias` added they are
  /// what they stand for.
  void bytes(int64_t column, Value word, int64_t bits, int bias);

  struct Halves {
    ByteSum high;
    ByteSum low;
  };

  Value xBase;
  int64_t xRowBytes;
  int64_t tokenCount;
  Values total;
  // The open group.
  bool open = false;
  int64_t firstColumn = 0;
  int64_t columnCount = 0;
  Value groupScale;
  Value groupOffset;
  int groupBias = 0;
  llvm::SmallVector<Halves> sumsOfBytes; ///< a token's; empty: no bytes yet
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_BYTEDOTSINK_H
