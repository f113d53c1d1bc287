//===- DecodeSink.h - consumers of decoded weights --------------*- C++ -*-===//
//
// A decoder (WeightDecoders.h) processes one block of each of the 16 rows of a
// row block. It hands the 16 values of each column to a sink, which decides how
// they are used:
//
//   DotSink      multiplies them with the activations of a few tokens
//   panel sinks  store them for repeated use (WeightPanel.h, Bf16Dot.h,
//                Int8Panel.h)
//   Int8DotSink  is the int8 counterpart of DotSink (Int8DotSink.h)
//
// A decoder emits values in scale groups, in which value = scale * q + offset.
// A DotSink can then scale the sum of a group rather than each value, and needs
// only the sum of the activations for the offset.
//
// Columns are relative to a cursor, which repeat() moves. Sinks emit code: a
// call to value() in the body of repeat() emits code once, which then runs once
// per iteration.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_DECODE_DECODESINK_H
#define AIRPACK_CODEGEN_CPU_DECODE_DECODESINK_H

#include "codegen/cpu/builder/KernelBuilder.h"
#include "codegen/cpu/decode/WeightReader.h"

#include <array>

namespace air::codegen {

class DecodeSink {
public:
  using Value = mlir::Value;
  using Values = KernelBuilder::Values;

  virtual ~DecodeSink() = default;
  DecodeSink(const DecodeSink &) = delete;
  DecodeSink &operator=(const DecodeSink &) = delete;

  /// Emits a scale group: columns [first, first + count) have the values scale
  /// * q + offset. `values` must emit each q exactly once. A null scale is 1,
  /// and a null offset is 0; with an offset, `count` is a multiple of 16. Scale
  /// and offset have 16 lanes of f32.
  void group(int64_t first, int64_t count, Value scale, Value offset,
             llvm::function_ref<void()> values);
  /// Inside group(): emits one column. `q` has the q of each of the 16 rows of
  /// the row block, as 16 lanes of f32.
  virtual void value(int64_t column, Value q) = 0;
  /// Inside group(): emits q of columns [column, column + 4) from the four
  /// bytes of each lane of `word`, as (byte >> shift & (2^bits - 1)) + bias. q
  /// lies in (-128, 128), and bias is 0 or -2^n, the same for a whole group.
  /// The group's scale must come from fieldScale(), because a sink may multiply
  /// every q by a power of two.
  virtual void fields(int64_t column, Value word, int64_t shift, int64_t bits,
                      int bias);
  /// Like fields(), but q is the byte itself, as a signed integer. To
  /// fieldScale(), this is a field of 8 bits.
  virtual void signedFields(int64_t column, Value word);
  /// Like fields(), but q is byte + bias, and the bytes must be below 2^bits.
  virtual void packedFields(int64_t column, Value word, int64_t bits, int bias);
  /// Like fields(), but for 16 columns of two bits each. Byte j of a lane holds
  /// columns [column + 4j, column + 4j + 4), the first one in its lowest bits.
  virtual void quarterFields(int64_t column, Value word, int bias);
  /// Inside group(): emits the q of 32 columns. The q of column + j is 1 if bit
  /// j of the lane's `word` is set, and -1 otherwise. The group's scale is used
  /// unchanged, without fieldScale().
  virtual void bitFields(int64_t column, Value word);
  /// Returns the scale to pass to group() for a group whose true scale is
  /// `scale` and whose q are emitted as fields of `bits` bits, by fields(),
  /// signedFields(), packedFields() or quarterFields().
  virtual Value fieldScale(Value scale, int64_t bits);
  /// Inside group(): emits the q of columns [column, column + 4). The q of
  /// column + j is table[b >> shift & 15], where b is byte j of the lane's
  /// `word` and `shift` is 0 or 4. The group's scale is used unchanged, without
  /// fieldScale().
  virtual void nibblesByTable(int64_t column, Value word, int64_t shift,
                              const std::array<int8_t, 16> &table);
  /// Inside group(): announces that up to `columns` columns follow, the first
  /// one at the cursor. A sink may prefetch what it needs for them.
  virtual void expect(int64_t /*columns*/) {}
  /// Emits the loop `for (turn = 0; turn < count; ++turn) body(turn)`. In
  /// iteration `turn`, the cursor, from which columns are counted, is (first +
  /// turn * columns) columns past its position before the loop.
  void repeat(Value count, int64_t columns,
              llvm::function_ref<void(Value)> body, int64_t first = 0);
  void repeat(int64_t count, int64_t columns,
              llvm::function_ref<void(Value)> body, int64_t first = 0) {
    repeat(b.i64(count), columns, body, first);
  }

  /// The cursor (i64), from which columns are counted.
  Value position() const { return cursor; }
  void seek(Value column) { cursor = column; }

protected:
  explicit DecodeSink(KernelBuilder &builder)
      : b(builder), cursor(builder.i64(0)) {}

  virtual void beginGroup(int64_t first, int64_t count, Value scale,
                          Value offset) = 0;
  virtual void endGroup() = 0;
  /// Returns the sink's values that the loop of repeat() carries from one
  /// iteration to the next. restore() receives the carried values, in the same
  /// order, at the start of an iteration and after the loop.
  virtual Values carried() { return {}; }
  virtual void restore(mlir::ValueRange) {}

  KernelBuilder &b;
  void fourValues(int64_t column, const std::array<Value, 4> &values);

  Value cursor; ///< i64; columns are counted from it
};

/// Computes sums[t] += w . x[t], where w are the decoded rows of a row block
/// and x has `tokens` rows that lie `rowBytes` apart.
class DotSink final : public DecodeSink {
public:
  DotSink(KernelBuilder &builder, Value x, int64_t rowBytes, int64_t tokens);

  void value(int64_t column, Value q) override;
  void expect(int64_t columns) override;
  /// The sums so far, 16 lanes of f32 per token.
  const Values &sums() const { return total; }

protected:
  void beginGroup(int64_t first, int64_t count, Value scale,
                  Value offset) override;
  void endGroup() override;
  Values carried() override;
  void restore(mlir::ValueRange values) override;

private:
  Value address(int64_t token, int64_t column);

  Value xBase;
  int64_t xRowBytes;
  int64_t tokenCount;
  Values total;
  // Whether group() is emitting the values of a group. The members that follow
  // describe this group.
  bool open = false;
  int64_t chains = 1; ///< independent accumulators per token, to hide latency
  /// The sums of the group so far, [token][chain]. Null where nothing has been
  /// added yet.
  Values partial;
  Value groupScale;
  Value groupOffset;
  /// The sum of each token's activations over the columns of the group. Empty
  /// if the group has no offset.
  Values activationSums;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_DECODE_DECODESINK_H
