//===- DecodeSink.h - where decoded weights go ------------------*- C++ -*-===//
//
// A decoder (WeightDecoders.h) walks one block of 16 rows and hands each
// column's 16 values to a sink, which decides what a value is for:
//
//   DotSink    multiplies it with the activations of a few tokens at once
//   panel sinks (WeightPanel.h) store it, for kernels that use it many times
//   ByteDotSink (Int8DotSink.h)  the same as DotSink, in bytes
//
// A decoder says values in groups that share a scale: value = scale * q +
// offset. A DotSink then scales the group's sum and not each value, and needs
// of the offset only the sum of the activations.
//
// Columns are numbered from a cursor, which repeat() moves. Sinks emit code:
// calling value() in a repeat() body emits it once, and it runs many times.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_DECODE_DECODESINK_H
#define AIRPACK_CODEGEN_CPU_DECODE_DECODESINK_H

#include "codegen/cpu/builder/KernelBuilder.h"
#include "codegen/cpu/decode/WeightReader.h"

#include <array>
#include <functional>

namespace air::codegen {

class DecodeSink {
public:
  using Value = mlir::Value;
  using Values = KernelBuilder::Values;

  virtual ~DecodeSink() = default;
  DecodeSink(const DecodeSink &) = delete;
  DecodeSink &operator=(const DecodeSink &) = delete;

  /// Columns [first, first + count) have value scale * q + offset; `values`
  /// says their q, each once. Null scale: 1. Null offset: 0; with an offset
  /// `count` is a multiple of 16. Both are 16 lanes of f32.
  void group(int64_t first, int64_t count, Value scale, Value offset,
             llvm::function_ref<void()> values);
  /// Inside a group: q of `column`, 16 lanes of f32.
  virtual void value(int64_t column, Value q) = 0;
  /// Inside a group: q of columns [column, column + 4), from the four bytes of
  /// each lane of `word`: (byte >> shift & (2^bits - 1)) + bias, which is above
  /// -128 and below 128; bias is 0 or -2^n, one a group. The group's scale
  /// comes from fieldScale(): a sink may leave a power of two in the q.
  virtual void fields(int64_t column, Value word, int64_t shift, int64_t bits,
                      int bias);
  /// The same of four signed bytes (bits 8).
  virtual void signedFields(int64_t column, Value word);
  /// As fields(), of bytes that are below 2^bits as they are.
  virtual void bareFields(int64_t column, Value word, int64_t bits, int bias);
  /// The same of sixteen columns, four to a byte: byte j has those of columns
  /// [column + 4j, column + 4j + 4), two bits each, the lowest first.
  virtual void quarterFields(int64_t column, Value word, int bias);
  /// Inside a group: q of columns [column, column + 32) is 1 where the bit of
  /// `word` is set and -1 elsewhere; the scale is as it is.
  virtual void bitFields(int64_t column, Value word);
  virtual Value fieldScale(Value scale, int64_t bits);
  /// Inside a group: q of four columns is table[byte >> shift & 15], shift 0 or
  /// 4; the scale is as it is.
  virtual void nibblesThrough(int64_t column, Value word, int64_t shift,
                              const std::array<int8_t, 16> &table);
  /// for (turn = 0; turn < count; ++turn) body(turn), with the cursor at
  /// first + turn * columns.
  void repeat(Value count, int64_t columns,
              llvm::function_ref<void(Value)> body, int64_t first = 0);
  void repeat(int64_t count, int64_t columns,
              llvm::function_ref<void(Value)> body, int64_t first = 0);

  /// The cursor (i64): column 0 of what follows.
  Value position() const { return cursor; }
  void seek(Value column) { cursor = column; }
  /// What the decoders call in each turn of a block's first inner loop, to ask
  /// for the weights that come later; arguments: turn and number of turns.
  void onTurn(std::function<void(Value, int64_t)> hook) {
    turnHook = std::move(hook);
  }

protected:
  explicit DecodeSink(KernelBuilder &builder)
      : b(builder), cursor(builder.i64(0)) {}

  virtual void beginGroup(int64_t first, int64_t count, Value scale,
                          Value offset) = 0;
  virtual void endGroup() = 0;
  /// Values that change in a loop; restore() takes them back in the same order.
  virtual Values carried() { return {}; }
  virtual void restore(mlir::ValueRange) {}

  KernelBuilder &b;
  /// value() of four columns.
  void fourValues(int64_t column, const std::array<Value, 4> &values);

  Value cursor; ///< i64
  std::function<void(Value, int64_t)> turnHook;
};

/// sums[t] += w . x[t] for `tokens` rows of x that lie `rowBytes` apart.
class DotSink final : public DecodeSink {
public:
  DotSink(KernelBuilder &builder, Value x, int64_t rowBytes, int64_t tokens);

  void value(int64_t column, Value q) override;
  /// The sums so far, 16 lanes of f32 a token.
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
  // The open group.
  bool open = false;
  int64_t chains = 1; ///< independent sums a token, against latency
  Values partial;     ///< [token][chain]; null: nothing added yet
  Value groupScale;
  Value groupOffset;
  Values activationSums; ///< of the group's columns, when it has an offset
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_DECODE_DECODESINK_H
