//===- Int8Sink.h - weights as int8 -----------------------------*- C++ -*-===//
//
// The base class of the int8 sinks. It turns every kind of bit field that a
// decoder emits (DecodeSink.h) into words of four bytes per lane, in the form
// that dotBytes() takes (Int8Dot.h).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_INT8SINK_H
#define AIRPACK_CODEGEN_CPU_MATMUL_INT8SINK_H

#include "codegen/cpu/decode/DecodeSink.h"

namespace air::codegen {

class Int8Sink : public DecodeSink {
public:
  /// Never called: decoders of int8DTypes() emit no single values.
  void value(int64_t column, Value q) final;
  void fields(int64_t column, Value word, int64_t shift, int64_t bits,
              int bias) final;
  void signedFields(int64_t column, Value word) final;
  void packedFields(int64_t column, Value word, int64_t bits, int bias) final {
    bytes(column, word, bits, bias);
  }
  void quarterFields(int64_t column, Value word, int bias) final;
  void bitFields(int64_t column, Value word) final;
  Value fieldScale(Value scale, int64_t) final { return scale; }
  void nibblesByTable(int64_t column, Value word, int64_t shift,
                      const std::array<int8_t, 16> &table) final;

protected:
  using DecodeSink::DecodeSink;

  /// Inside group(): takes the quantised values of columns [column, column +
  /// 4). Byte j of lane i of `word` is the value of row i in column + j, minus
  /// `bias`, in the form in which dotBytes() takes weights of `bits` bits.
  /// `bias` is 0 or a negative power of two, and has the same value in all
  /// calls for a group.
  virtual void bytes(int64_t column, Value word, int64_t bits, int bias) = 0;
  /// Like bytes(), but only bits [shift, shift + bits) of a byte belong to the
  /// value. The other bits belong to other values.
  virtual void bytesInPlace(int64_t column, Value word, int64_t shift,
                            int64_t bits, int bias);
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_INT8SINK_H
